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

test("a colour cache has 1 to 11 bits", () => {
  for (const bits of [0, 12, 15]) {
    const stream = Uint8Array.of(0x2f, 0, 0, 0, 0, 2 | (bits << 2), 0, 0, 0);
    assert.throws(() => readWebp(stream, 1, 1), /a colour cache of (0|12|15) bits/);
  }
});

test("a file of symbols has no picture without loss", () => {
  const name = Object.keys(FACTS).find((one) => FACTS[one]!.tiles.length)!;
  assert.equal(stored(parse(bytesOf(`${name}.rgo`))), null);
});

/** One pixel by five codes of one symbol each: green, red, blue, opacity, distance. */
function onePixel(red: number, green: number, blue: number): Uint8Array {
  const bits = [0, 0, 0]; // no transform, no colour cache, one group of codes
  for (const value of [green, red, blue, 255]) bits.push(1, 0, 1, ...Array.from({ length: 8 }, (_, k) => (value >> k) & 1));
  bits.push(1, 0, 0, 0);
  const stream = new Uint8Array(5 + Math.ceil(bits.length / 8));
  stream[0] = 0x2f;
  bits.forEach((bit, k) => (stream[5 + (k >> 3)]! |= bit << (k & 7)));
  return stream;
}

test("a stream of odd length may use the zeros that pad it, and no more", () => {
  const stream = onePixel(12, 34, 56);
  assert.equal(stream.length, 12);
  for (const length of [12, 11]) assert.equal(readWebp(stream.subarray(0, length), 1, 1)[0], 0xff0c2238);
  assert.throws(() => readWebp(stream.subarray(0, 10), 1, 1), CorruptFile);
});
