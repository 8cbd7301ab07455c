import assert from "node:assert/strict";
import { test } from "node:test";
import { deflateSync } from "node:zlib";

import { Cursor, crc32, fourBytes } from "../src/bytes.js";
import { alphaOf, parse, verifyCheck } from "../src/container.js";
import { CorruptFile, LimitExceeded, RgoError, UnsupportedFile } from "../src/errors.js";
import { inflate } from "../src/inflate.js";
import { FACTS, GOLDEN, GOLDEN_FILES, bytesOf } from "./files.js";

const EXAMPLE = bytesFromHex("D752 11 01 ABCD 04 03 9603 5133A2E7 04 01 80 3FBA6CAD 00 1234");

function bytesFromHex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(" ", "").match(/../g)!, (byte) => parseInt(byte, 16));
}

function changed(data: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = data.slice();
  copy[at] = byte;
  return copy;
}

test("the CRC is that of the page", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("the example of the page parses, and its check holds", () => {
  const file = parse(EXAMPLE);
  const { model, fingerprint, width, height, rate, grid, grey, varies } = file.header;
  assert.deepEqual([model, fingerprint, width, height, rate, grid, grey, varies], [1, 0xabcd, 4, 3, 2400, 4, false, false]);
  assert.deepEqual(alphaOf(file), new Uint8Array(12).fill(128));
  assert.deepEqual([...file.tiling.tiles[0]!.data], [0x12, 0x34]);
  verifyCheck(file, [0x89abcdef]);
  assert.throws(() => verifyCheck(file, [0x89abcdee]), CorruptFile);
});

test("a varint has one spelling", () => {
  const read = (bytes: number[]): number => new Cursor(Uint8Array.from(bytes), "here").varint(2 ** 20, "it");
  assert.equal(read([0xac, 2]), 300);
  assert.equal(read([0x80, 0x80, 0x40]), 2 ** 20);
  for (const bytes of [[0x80], [0x80, 0], [0x81, 0x80, 0x40], [0x80, 0x80, 0x80, 1]]) {
    assert.throws(() => read(bytes), CorruptFile);
  }
});

for (const [name, facts] of Object.entries(FACTS)) {
  test(`${name} parses to what files.json says`, () => {
    const data = bytesOf(`${name}.rgo`);
    const file = parse(data);
    const { header } = file;
    assert.deepEqual(
      {
        width: header.width,
        height: header.height,
        grey: header.grey,
        varies: header.varies,
        has_chunks: header.hasChunks,
        model: header.model,
        rate: header.rate,
        grid: header.grid,
        log2_scale: header.log2Scale,
        check: header.check,
        fingerprint: header.fingerprint.toString(16).padStart(4, "0"),
      },
      facts.header,
    );
    assert.deepEqual(Object.fromEntries([...file.chunks].map(([kind, body]) => [kind, body.length])), facts.chunks);
    assert.deepEqual(file.tiling.tiles.map((tile) => tile.data.length), facts.tile_bytes);
    verifyCheck(file, facts.tiles.map((tile) => parseInt(tile.symbol_crc, 16)));
    const lengths = Object.entries(file.metadata).flatMap(([kind, body]) => (typeof body === "number" ? [] : [[kind, body.length]]));
    assert.deepEqual(Object.fromEntries(lengths), facts.metadata);
    const alpha = alphaOf(file);
    if (alpha) assert.equal(alpha.length, header.width * header.height);
  });

  test(`${name}: every beginning is refused, or fails its check`, () => {
    const data = bytesOf(`${name}.rgo`);
    const crcs = facts.tiles.map((tile) => parseInt(tile.symbol_crc, 16));
    for (let end = 0; end < data.length; end++) {
      assert.throws(() => verifyCheck(parse(data.subarray(0, end)), crcs), CorruptFile, `of ${end} bytes`);
    }
  });
}

for (const name of GOLDEN_FILES) {
  test(`the golden file ${name} parses`, () => {
    const file = parse(bytesOf(name, GOLDEN));
    alphaOf(file);
    assert.equal(file.weights === null, file.header.model !== 0);
  });

  test(`the golden file ${name}: any changed byte is noticed by a named error, or changes what the check covers`, () => {
    const data = bytesOf(name, GOLDEN);
    const { bytesCrc, header } = parse(data);
    for (let at = 0; at < data.length; at++) {
      for (const mask of [1, 128, 255]) {
        try {
          const file = parse(changed(data, at, data[at]! ^ mask));
          assert.ok(file.bytesCrc !== bytesCrc || file.header.check !== header.check);
        } catch (error) {
          assert.ok(error instanceof RgoError, `byte ${at}: ${error}`);
          assert.ok(!error.message.includes("\n"));
        }
      }
    }
  });
}

test("other files, later versions and features have errors of their own", () => {
  assert.throws(() => parse(bytesFromHex("89504E470D0A1A0A")), /not a \.rgo file/);
  assert.throws(() => parse(new Uint8Array()), CorruptFile);
  assert.throws(() => parse(changed(EXAMPLE, 2, 0x21)), UnsupportedFile);
  const later = bytesFromHex("D752 18 05 ABCD 04 03 9603 04 00000000");
  assert.throws(() => parse(later), UnsupportedFile);
  assert.throws(() => parse(changed(later, 10, 3)), UnsupportedFile);
  assert.throws(() => parse(changed(later, 10, 0)), CorruptFile);
});

/** A file of 4 by 3 pixels with these chunks; its check is wrong. */
function withChunks(...chunks: [kind: number, body: Uint8Array][]): Uint8Array {
  const parts = chunks.flatMap(([kind, body]) => [kind, ...(body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7]), ...body, ...fourBytes(crc32(body))]);
  return Uint8Array.from([...bytesFromHex("D752 11 01 ABCD 04 03 9603 00000000"), ...parts, 0]);
}

test("chunks: kinds once, unknown ones by their number, exclusive ones alone", () => {
  const body = Uint8Array.of(1);
  assert.equal(parse(withChunks([200, body])).chunks.size, 0);
  assert.throws(() => parse(withChunks()), CorruptFile);
  assert.throws(() => parse(withChunks([100, body])), UnsupportedFile);
  assert.throws(() => parse(withChunks([200, body], [200, body])), CorruptFile);
  assert.throws(() => parse(withChunks([7, body], [1, body])), CorruptFile);
  assert.throws(() => parse(withChunks([7, Uint8Array.of(99)])), UnsupportedFile);
  assert.throws(() => parse(withChunks([7, Uint8Array.of(5)])), CorruptFile);
  assert.throws(() => parse(withChunks([6, new Uint8Array(20)])), CorruptFile);
  assert.throws(() => parse(withChunks([4, new Uint8Array(20)])), CorruptFile);
  assert.throws(() => parse(withChunks([131, body])), CorruptFile);
});

test("a picture above the limit is refused before anything else is read", () => {
  assert.throws(() => parse(bytesFromHex("D752 10 05 ABCD 808040 808040 9603 00000000")), LimitExceeded);
  assert.throws(() => parse(EXAMPLE, 64 * 64 - 1), LimitExceeded);
});

test("inflating is that of zlib, bounded, and complete", () => {
  const noise = Uint8Array.from({ length: 70000 }, (_, k) => (k * k * 31 + (k >> 5)) & 255);
  const text = new TextEncoder().encode("the same again and ".repeat(3000));
  for (const plain of [new Uint8Array(), noise, text]) {
    for (const level of [0, 1, 6, 9]) {
      const packed = new Uint8Array(deflateSync(plain, { level }));
      assert.deepEqual(inflate(packed, plain.length), plain);
      if (plain.length) assert.throws(() => inflate(packed, plain.length - 1), CorruptFile);
      assert.throws(() => inflate(packed.subarray(0, -1), plain.length), CorruptFile);
      assert.throws(() => inflate(Uint8Array.from([...packed, 0]), plain.length), CorruptFile);
    }
  }
});
