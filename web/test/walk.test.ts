/** With the graphs, the symbols of every file are those that its writer coded. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

import { decodeWith } from "../src/decode.js";
import { parse, verifyCheck } from "../src/container.js";
import { prepare } from "../src/engine.js";
import { type Codec, loadCodec, walk } from "../src/walk.js";
import { checkWeights, readWeights } from "../src/weights.js";
import { readPng } from "./readpng.js";
import { FACTS, bytesOf } from "./files.js";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const WASM = fileURLToPath(new URL("../../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm", import.meta.url));
const CODED = Object.entries(FACTS).filter(([, facts]) => facts.tiles.length);
const codecs = new Map<string, Promise<Codec>>();

function codec(name: string): Promise<Codec> {
  if (codecs.size === 0) prepare(readFileSync(WASM).buffer as ArrayBuffer, 1);
  if (!codecs.has(name)) codecs.set(name, loadCodec(readWeights(new Uint8Array(readFileSync(`${DIST}${name}.rgow`)))));
  return codecs.get(name)!;
}

for (const [name, facts] of CODED) {
  const skip = existsSync(`${DIST}${facts.codec}.rgow`) ? false : `no ${facts.codec}.rgow; run pack.py`;
  test(`${name}: the symbols are those of files.json`, { skip }, async () => {
    const file = parse(bytesOf(`${name}.rgo`));
    const loaded = await codec(facts.codec);
    checkWeights(loaded.weights.plan, file.header.model, file.header.fingerprint);
    const crcs: number[] = [];
    for (const tile of file.tiling.tiles) crcs.push((await walk(loaded, file.header, tile)).symbolCrc);
    assert.deepEqual(crcs, facts.tiles.map((tile) => parseInt(tile.symbol_crc, 16)));
    verifyCheck(file, crcs);
  });
}

for (const [name, facts] of CODED) {
  const skip = existsSync(`${DIST}${facts.codec}.rgow`) ? false : `no ${facts.codec}.rgow; run pack.py`;
  test(`${name}: the pixels are those of its picture, within 1 of 255`, { skip }, async () => {
    const file = parse(bytesOf(`${name}.rgo`));
    const found = await decodeWith(await codec(facts.codec), file);
    const expected = readPng(bytesOf(`${name}.png`));
    assert.deepEqual([found.width, found.height], [expected.width, expected.height]);
    let most = 0;
    found.data.forEach((value, k) => {
      const difference = Math.abs(value - expected.data[k]!);
      most = Math.max(most, k % 4 === 3 ? 255 * difference : difference);
    });
    assert.ok(most <= 1, `a difference of ${most}`);
  });
}
