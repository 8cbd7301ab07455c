/** Bundles the decoder into dist/, or the folder given: what a site serves. pack.py puts weights there. */

import { copyFileSync, mkdirSync, rmSync } from "node:fs";

import { build } from "esbuild";

const ENTRIES = {
  "regio-decode": "src/index.ts",
  "regio-worker": "src/worker.ts",
  "regio-embed": "src/embed.ts",
  page: "page/page.ts",
};
const WASM = "ort-wasm-simd-threaded.wasm";
const folder = process.argv[2] ?? "dist";

mkdirSync(folder, { recursive: true });
rmSync(`${folder}/types`, { recursive: true, force: true }); // tsc leaves those of files that are gone
await build({
  entryPoints: Object.entries(ENTRIES).map(([out, file]) => ({ in: file, out })),
  outdir: folder,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  platform: "browser",
  legalComments: "eof",
  logLevel: "warning",
});
for (const name of ["index.html", "page.css"]) copyFileSync(`page/${name}`, `${folder}/${name}`);
copyFileSync(`node_modules/onnxruntime-web/dist/${WASM}`, `${folder}/${WASM}`);
for (const path of ["../LICENSE", "NOTICE"]) copyFileSync(path, `${folder}/${path.split("/").at(-1)}`);
