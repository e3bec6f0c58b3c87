import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The platform that `npm run dev` asks. */
const SERVER = process.env["VEDETTE_URL"] ?? "http://127.0.0.1:7070";
/** A platform without keys lets only its own pages write; what is served here is meant to be one. */
const PROXY = { target: SERVER, changeOrigin: true, headers: { origin: SERVER } };
const OUT = "../src/vedette/server/api/static";

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
          params: { [constants.BROTLI_PARAM_QUALITY]: 10 },
        });
        writeFileSync(`${path}.br`, packed);
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), precompress()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
  },
  server: { proxy: { "/api": PROXY, "/prometheus": PROXY } },
});
