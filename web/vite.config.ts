import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin, type Rolldown } from "vite";
import { PAGES } from "./src/pages/pages";

/** The platform that `npm run dev` asks. */
const SERVER = process.env["VEDETTE_URL"] ?? "http://127.0.0.1:7070";
/** A platform without keys lets only its own pages write; what is served here is meant to be one. */
const PROXY = { target: SERVER, changeOrigin: true, headers: { origin: SERVER } };
const OUT = "../src/vedette/server/api/static";

/** Files of a chunk and of what it needs at once, without what `known` has. */
function filesOf(bundle: Rolldown.OutputBundle, name: string, known: Set<string>): string[] {
  const chunk = bundle[name];
  if (chunk?.type !== "chunk" || known.has(name)) return [];
  known.add(name);
  const styles = [...((chunk as { viteMetadata?: { importedCss: Set<string> } }).viteMetadata?.importedCss ?? [])].filter((style) => !known.has(style));
  for (const style of styles) known.add(style);
  return [...chunk.imports.flatMap((one) => filesOf(bundle, one, known)), name, ...styles];
}

/** Lets the document run `boot` before it waits for anything else. */
function bootFirst(): Plugin {
  return {
    name: "boot-first",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const boot = Object.values(bundle ?? {}).find((one) => one.type === "chunk" && one.name === "boot");
        if (boot?.type !== "chunk") throw new Error("The build has no chunk named boot.");
        const waits = boot.imports.filter((name) => !name.includes("rolldown-runtime"));
        if (waits.length > 0) throw new Error(`boot must stand alone, but it imports ${waits.join(", ")}.`);
        const attrs = { type: "module", async: true, crossorigin: true, src: `/${boot.fileName}` };
        // Every page is written in it; found by its style sheet alone, it would come after the first text.
        const font = Object.keys(bundle ?? {}).find((name) => /inter-latin-wght-normal.*\.woff2$/.test(name));
        if (font === undefined) throw new Error("The build has no font for Latin letters.");
        const face = { rel: "preload", as: "font", type: "font/woff2", crossorigin: true, href: `/${font}` };
        return [
          { tag: "script", attrs, injectTo: "head-prepend" },
          { tag: "link", attrs: face, injectTo: "head" },
        ];
      },
    },
  };
}

/**
 * Has the browser compile the functions of a file while it is on its way, beside the main thread. Otherwise each is
 * compiled there when it is first called, after it was read once before: a third of what a first view computes.
 */
function compiledEarly(): Plugin {
  return {
    name: "compiled-early",
    apply: "build",
    enforce: "post",
    // It has to be what a file begins with.
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        for (const chunk of Object.values(bundle)) {
          if (chunk.type === "chunk") chunk.code = `//# allFunctionsCalledOnLoad\n${chunk.code}`;
        }
      },
    },
  };
}

/** Writes `pages.json`: for every page the files that its document names, besides those that all pages have. */
function pageFiles(): Plugin {
  return {
    name: "page-files",
    apply: "build",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
      const entry = chunks.find((chunk) => chunk.isEntry);
      if (entry === undefined) throw new Error("The build has no entry.");
      const files = Object.entries(PAGES).map(([path, modules]) => {
        const known = new Set<string>();
        filesOf(bundle, entry.fileName, known);
        return [
          path,
          modules.flatMap((module) => {
            const chunk = chunks.find((one) => one.moduleIds.some((id) => id.endsWith(`/src/${module}.tsx`)));
            if (chunk === undefined) throw new Error(`The page ${path} names ${module}, which the build does not have.`);
            return filesOf(bundle, chunk.fileName, known);
          }),
        ];
      });
      const source = JSON.stringify(Object.fromEntries(files), null, 1);
      this.emitFile({ type: "asset", fileName: "pages.json", source });
    },
  };
}

/** Puts a brotli twin beside every text file; the server sends whichever the browser takes. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    closeBundle() {
      for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const packed = brotliCompressSync(readFileSync(path), {
          params: { [constants.BROTLI_PARAM_QUALITY]: 11 },
        });
        writeFileSync(`${path}.br`, packed);
      }
    },
  };
}

/**
 * Few files are faster than many: what every page needs is one, what several large parts share is one each, and a page
 * is one. `boot` comes first, so that it asks for the page's data while the rest is on its way.
 */
const CHUNKS: readonly (readonly [RegExp, string | null])[] = [
  [/node_modules\/(sql-formatter|nearley|@prometheus-io|lru-cache|@codemirror\/lang-sql)\//, null],
  [/node_modules\/(@codemirror|@lezer|style-mod|w3c-keyname|crelt|@marijn)\/|src\/components\/editor\/(code-editor|theme)\./, "editor"],
  [/node_modules\/uplot\/|src\/components\/charts\/time-chart|src\/components\/charts\/place/, "charts"],
  [/node_modules\/(@xyflow|@dagrejs|d3-[a-z]+|zustand|classcat)\/|src\/components\/graph\/(flow-graph|layout)/, "graph"],
  [/node_modules\/(@mantine\/core\/esm\/components\/(Modal|ModalBase|PasswordInput)|react-remove-scroll|react-remove-scroll-bar|react-style-singleton|use-sidecar|use-callback-ref)\//, null],
  [/src\/components\/(shell\/(overlays|command-palette|key-entry)|saved-views\/save-dialog)\./, null],
  [/src\/components\/(editor\/(sql|promql)|histogram|charts\/heatmap)/, null],
  [/src\/(boot|api\/client|state\/(key|search|range)|lib\/(storage|time|query-text)|pages\/([a-z]+\/)?(search|asks))\.ts/, "boot"],
  [/node_modules\/(openapi-fetch\/|@tanstack\/router-core\/dist\/esm\/(searchParams|qss)\.)/, "boot"],
  [/src\/pages\/(?!missing)/, null],
];

function chunkOf(id: string): string | null {
  const found = CHUNKS.find(([test]) => test.test(id));
  return found === undefined ? "app" : found[1];
}

export default defineConfig({
  plugins: [react(), bootFirst(), compiledEarly(), pageFiles(), precompress()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      output: { codeSplitting: { includeDependenciesRecursively: false, groups: [{ name: chunkOf, debugName: "by CHUNKS" }] } },
    },
  },
  server: { proxy: { "/api": PROXY, "/prometheus": PROXY } },
});
