/** The range decoder against strings of Regio's writer, tests/conformance/streams.json. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { crc32 } from "../src/bytes.js";
import { CorruptFile } from "../src/errors.js";
import { expectedPatches, readPositions } from "../src/positions.js";
import { readLadder, readLevels } from "../src/ratemap.js";
import { SymbolDecoder } from "../src/symbols.js";
import { exactSum, factorizedTables, gaussian } from "../src/tables.js";
import { CONFORMANCE } from "./files.js";

type Vector = Record<string, any> & { kind: string; data: string };
const VECTORS = JSON.parse(readFileSync(`${CONFORMANCE}streams.json`, "utf8")) as Vector[];

function of(kind: string): Vector[] {
  const found = VECTORS.filter((vector) => vector.kind === kind);
  assert.ok(found.length);
  return found;
}

function decoder(vector: Vector): SymbolDecoder {
  return new SymbolDecoder(new Uint8Array(Buffer.from(vector.data, "hex")));
}

test("the Gaussian tables are those of the library, to the last count", () => {
  const [tables] = of("gaussian tables");
  for (let t = 0; t < 64; t++) {
    const { lowest, ends } = gaussian(t);
    const counts = ends.map((end, k) => end - (k ? ends[k - 1]! : 0));
    assert.equal(lowest, -tables!.reach[t]);
    assert.equal(crc32(new Uint8Array(counts.buffer)), parseInt(tables!.crc[t], 16), `table ${t}`);
  }
});

test("the exact sum is rounded once", () => {
  assert.equal(exactSum(Array<number>(10).fill(0.1)), 1);
  assert.equal(exactSum([1, 2 ** -53, 2 ** -106]), 1 + 2 ** -52);
  assert.equal(exactSum([2 ** 53, 1, 2 ** -60]), 2 ** 53 + 2);
});

test("numbers", () => {
  for (const vector of of("numbers")) {
    const from = decoder(vector);
    for (const value of vector.naturals) assert.equal(from.natural(), value);
    for (const value of vector["rice 3"]) assert.equal(from.rice(3), value);
    assert.equal(from.number(20), vector["number 20"]);
  }
});

test("factorised symbols and their escapes", () => {
  for (const vector of of("factorized")) {
    const tables = factorizedTables(vector.lowest, vector.lengths, vector.counts);
    const found = decoder(vector).factorized(tables, vector.symbols.length / tables.length);
    assert.deepEqual([...found], vector.symbols);
  }
});

test("Gaussian symbols, without and with guard lists", () => {
  for (const vector of of("gaussian")) {
    assert.deepEqual([...decoder(vector).gaussian(vector.levels, vector.guard)], vector.symbols, `guard ${vector.guard}`);
  }
});

test("symbols of mixtures", () => {
  for (const vector of of("mixtures")) {
    assert.deepEqual([...decoder(vector).mixtures(vector.tables, vector.offsets, vector.weights)], vector.symbols);
  }
});

test("kept patches", () => {
  for (const vector of of("positions")) {
    const found = readPositions(decoder(vector), vector.rows, vector.columns, vector.expected);
    assert.deepEqual([...found], vector.symbols);
  }
  const few = new SymbolDecoder(Uint8Array.of(0x80, 0x04)); // one patch of 4160
  assert.throws(() => readPositions(few, 64, 65, 4000), /1 kept patches of 4160/);
  assert.equal(expectedPatches([562], 0, 1000), 562);
  assert.equal(expectedPatches([60, 400, 800, 1000, 1000], 500, 100), 23);
});

test("rate maps", () => {
  for (const vector of of("rate map")) {
    const body = Buffer.from(vector.data, "hex");
    const length = body.length + 2;
    const span = 1000;
    const tile = Uint8Array.from([...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]), span >> 4, ((span & 15) << 4) | (vector.levels - 1), ...body, 42]);
    const ladder = readLadder(tile, 400);
    assert.deepEqual([...readLevels(ladder, vector.rows, vector.columns)], vector.symbols);
    assert.deepEqual(ladder.rates, [400, 600, 800, 1000, 1200, 1400]);
    assert.deepEqual([...ladder.streams], [42]);
    assert.throws(() => readLadder(tile, 3001), CorruptFile);
  }
  const none = readLadder(Uint8Array.of(0, 7), 400);
  assert.deepEqual(none, { rates: [400], coded: null, streams: Uint8Array.of(7) });
  assert.deepEqual(readLevels(none, 2, 1), new Int32Array(2));
});

test("damaged strings end in symbols or in a named error, never in anything else", () => {
  let errors = 0;
  const [vector] = of("gaussian");
  for (let at = 0; at < 200; at++) {
    const data = new Uint8Array(Buffer.from(vector!.data, "hex"));
    data[at % data.length]! ^= 1 << (at % 8);
    try {
      new SymbolDecoder(data).gaussian(vector!.levels);
    } catch (error) {
      assert.ok(error instanceof CorruptFile, String(error));
      errors += 1;
    }
  }
  assert.ok(errors);
  assert.throws(() => new SymbolDecoder(new Uint8Array(8).fill(255)).number(1), CorruptFile);
});
