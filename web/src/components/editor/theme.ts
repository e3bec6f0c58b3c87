import { HighlightStyle } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** The pages' colours, which change with the scheme by themselves. */
export const editorTheme = EditorView.theme({
  "&": { fontSize: "12.5px", backgroundColor: "transparent", color: "var(--mantine-color-text)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", lineHeight: "1.55", maxHeight: "46vh" },
  ".cm-content": { padding: "6px 0", caretColor: "var(--mantine-color-text)" },
  "&.cm-tall .cm-content": { minHeight: "130px" },
  ".cm-line": { padding: "0 10px" },
  ".cm-placeholder": { color: "var(--mantine-color-dimmed)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--v-accent-soft)",
  },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--v-accent-soft)", outline: "none" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "var(--v-error-soft)" },
  ".cm-tooltip": {
    border: "1px solid var(--v-line-strong)",
    borderRadius: "4px",
    backgroundColor: "var(--v-panel)",
    color: "var(--mantine-color-text)",
    boxShadow: "var(--mantine-shadow-md)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {
    fontFamily: "var(--mantine-font-family-monospace)",
    maxHeight: "260px",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "3px 10px", display: "flex", gap: "16px" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--v-accent-soft)",
    color: "var(--mantine-color-text)",
  },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "600" },
  ".cm-completionDetail": { marginLeft: "auto", fontStyle: "normal", color: "var(--mantine-color-dimmed)" },
  ".cm-tooltip.cm-completionInfo": { padding: "6px 10px", maxWidth: "340px" },
  ".cm-diagnostic": { padding: "4px 8px" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--v-error)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--v-error)" },
});

/** Few colours, by meaning. */
export const highlighting = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--v-accent)" },
  { tag: [tags.function(tags.variableName), tags.standard(tags.name)], color: "var(--v-accent)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--v-ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--v-warn)" },
  { tag: [tags.lineComment, tags.blockComment, tags.comment], color: "var(--mantine-color-dimmed)", fontStyle: "italic" },
  { tag: [tags.labelName], color: "var(--mantine-color-dimmed)" },
  { tag: tags.invalid, color: "var(--v-error)" },
]);
