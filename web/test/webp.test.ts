/** Pictures without loss: the files of the conformance suite, and streams that are damaged. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { KINDS } from "../src/chunks.js";
import { parse } from "../src/container.js";
import { stored } from "../src/decode.js";
import { CorruptFile } from "../src/errors.js";
import { beginsAs, readWebp } from "../src/webp.js";
import { FACTS, bytesOf } from "./files.js";
import { readPng } from "./readpng.js";

const EXACT = Object.entries(FACTS).flatMap(([name, facts]) => (facts.tiles.length ? [] : [name]));

test("there are such files", () => assert.ok(EXACT.length >= 3));

for (const name of EXACT) {
  test(`${name}: the pixels are those of its picture`, () => {
    const found = stored(parse(bytesOf(`${name}.rgo`)))!;
    assert.deepEqual(found, readPng(bytesOf(`${name}.png`)));
  });
}

for (const name of EXACT) {
  test(`${name}: a damaged stream is an error of ours, or a picture`, () => {
    const { header, chunks } = parse(bytesOf(`${name}.rgo`));
    const body = chunks.get(KINDS.lossless)!;
    assert.ok(beginsAs(body, header.width, header.height));
    assert.ok(!beginsAs(body, header.width + 1, header.height));
    let errors = 0;
    for (let k = 5; k < body.length; k++) {
      for (const bad of [body.subarray(0, k), body.map((byte, at) => (at === k ? byte ^ (1 << k % 8) : byte))]) {
        try {
          readWebp(bad, header.width, header.height);
        } catch (error) {
          assert.ok(error instanceof CorruptFile, String(error));
          errors++;
        }
      }
      if (k > 400) k += 50;
    }
    assert.ok(errors > 20);
  });
}

test("a file of symbols has no picture without loss", () => {
  const name = Object.keys(FACTS).find((one) => FACTS[one]!.tiles.length)!;
  assert.equal(stored(parse(bytesOf(`${name}.rgo`))), null);
});
