import {
  createTheme,
  type CSSVariablesResolver,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from "@mantine/core";

const sea: MantineColorsTuple = [
  "#e9f5f9", "#d5e8ef", "#a9d2e1", "#7abbd3", "#54a7c6", "#3a93b5", "#0f6f91", "#0c5a75", "#0a4a61", "#06384b",
];
const slate: MantineColorsTuple = [
  "#dbe2e7", "#c0cad1", "#98a6b0", "#6b7a86", "#3a454f", "#2b343c", "#1d242a", "#161c21", "#11161a", "#0c1013",
];
const signal: MantineColorsTuple = [
  "#fdeeec", "#f9d9d5", "#f2b0a8", "#ea8377", "#e4604f", "#dd4a37", "#c2341f", "#a62b19", "#8a2415", "#661a0f",
];

/** The accent is light in the dark scheme, and so what stands on it is dark there; Mantine looks at the light scheme. */
const variantColorResolver: VariantColorsResolver = (input) => {
  const colors = defaultVariantColorsResolver(input);
  const accent = input.color === undefined || input.color === input.theme.primaryColor;
  return input.variant === "filled" && accent ? { ...colors, color: "var(--v-on-accent)" } : colors;
};

export const theme = createTheme({
  variantColorResolver,
  primaryColor: "sea",
  primaryShade: { light: 6, dark: 4 },
  colors: { sea, dark: slate, red: signal },
  fontFamily: '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace',
  fontSizes: { xs: "11.5px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  spacing: { xs: "6px", sm: "10px", md: "14px", lg: "20px", xl: "28px" },
  defaultRadius: 4,
  autoContrast: true,
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "17px" }, h2: { fontSize: "14px" }, h3: { fontSize: "13px" } } },
  components: {
    Button: { defaultProps: { size: "xs", fw: 500 } },
    ActionIcon: { defaultProps: { size: 28, variant: "subtle", color: "gray" } },
    TextInput: { defaultProps: { size: "xs" } },
    NativeSelect: { defaultProps: { size: "xs" } },
    Autocomplete: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs", withItemsBorders: false } },
    Menu: { defaultProps: { transitionProps: { duration: 0 } } },
    Badge: { defaultProps: { radius: 3, variant: "light", tt: "none", fw: 500, miw: "max-content" } },
    Tabs: { defaultProps: { keepMounted: false } },
  },
});

/** Colours by meaning; pages use these and no others. */
export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f6f8f9",
    "--mantine-color-text": "#1b2429",
    "--mantine-color-dimmed": "#55636d",
    "--mantine-color-green-light-color": "#2b6e4c",
    "--v-panel": "#ffffff",
    "--v-raised": "#eef2f4",
    "--v-hover": "#edf3f6",
    "--v-line": "#dde4e8",
    "--v-line-strong": "#c3ced5",
    "--v-edge": "#94a3ad",
    "--v-accent": "#0f6f91",
    "--v-on-accent": "#ffffff",
    "--v-accent-soft": "#d8ebf2",
    "--v-error": "#b92f1b",
    "--v-error-soft": "#fbe4e0",
    "--v-warn": "#8a5a00",
    "--v-warn-soft": "#fbefd5",
    "--v-ok": "#2b6e4c",
    "--v-chart-1": "#0f6f91",
    "--v-chart-2": "#7a8791",
    "--v-chart-3": "#b6894a",
  },
  dark: {
    "--mantine-color-body": "#11161a",
    "--mantine-color-text": "#dbe2e7",
    "--mantine-color-dimmed": "#98a6b0",
    // Badges stand out from the panel, as they do in the light scheme, and are no holes in it.
    "--mantine-color-sea-light": "#183442",
    "--mantine-color-red-light": "#3d1f1b",
    "--mantine-color-green-light": "#17352a",
    "--v-panel": "#171d22",
    "--v-raised": "#20282e",
    "--v-hover": "#1f272d",
    "--v-line": "#28323a",
    "--v-line-strong": "#3a454f",
    "--v-edge": "#5d6b76",
    "--v-accent": "#62b5d3",
    "--v-on-accent": "#0c1013",
    "--v-accent-soft": "#183442",
    "--v-error": "#f0806f",
    "--v-error-soft": "#3d1f1b",
    "--v-warn": "#e0ae59",
    "--v-warn-soft": "#382c14",
    "--v-ok": "#72bd95",
    "--v-chart-1": "#62b5d3",
    "--v-chart-2": "#8795a0",
    "--v-chart-3": "#d3a765",
  },
});
