/** The rate map at the start of a tile; docs/format.md, "Rate map". */

import { Cursor } from "./bytes.js";
import { CorruptFile } from "./errors.js";
import { MAX_RATE } from "./header.js";
import { RangeDecoder } from "./range.js";

class MapDecoder extends RangeDecoder {
  /** counts: [no, yes], changed by what comes out, 0 or 1. */
  private decision(counts: [number, number]): number {
    const [no, yes] = counts;
    const taken = this.bit(Math.min(Math.max(Math.floor((4096 * yes) / (no + yes)), 1), 4095) * 4096);
    counts[taken]! += 2;
    if (counts[0] + counts[1] > 255) {
      counts[0] = (counts[0] + 1) >> 1;
      counts[1] = (counts[1] + 1) >> 1;
    }
    return taken;
  }

  map(rows: number, columns: number, top: number): Int32Array {
    const repeats: [number, number][] = [[1, 4], [1, 4]];
    const hits: [number, number][] = [[1, 9], [1, 3], [1, 1]];
    const ups: [number, number] = [1, 1];
    const further: [number, number][] = [[1, 1], [1, 1], [1, 1]];
    const levels = new Int32Array(rows * columns);
    let above = new Int32Array(columns);
    let repeated = 1;
    for (let y = 0; y < rows; y++) {
      repeated = this.decision(repeats[repeated]!);
      const row = levels.subarray(y * columns, (y + 1) * columns);
      if (repeated) row.set(above);
      else {
        let west = above[0]!;
        let corner = west;
        for (let x = 0; x < columns; x++) {
          const north = above[x]!;
          const guess = Math.min(Math.max(west + north - corner, Math.min(west, north)), Math.max(west, north));
          const spread = Math.min(Math.abs(west - corner) + Math.abs(north - corner), 2);
          west = guess;
          corner = north;
          if (!this.decision(hits[spread]!)) {
            const up = guess === 0 || (guess < top && this.decision(ups));
            const room = up ? top - guess : guess;
            let far = 1;
            while (far < room && this.decision(further[Math.min(far, 3) - 1]!)) far += 1;
            west = up ? guess + far : guess - far;
          }
          row[x] = west;
        }
      }
      above = row;
    }
    return levels;
  }
}

/** What stands in a tile before its streams. */
export interface Ladder {
  /** The rate step of each level. */
  readonly rates: readonly number[];
  /** The coded levels; null where all positions have level 0. */
  readonly coded: Uint8Array | null;
  readonly streams: Uint8Array;
}

export function readLadder(tile: Uint8Array, rate: number): Ladder {
  const from = new Cursor(tile, "rate map");
  const length = from.varint(2 ** 20, "the length");
  if (length === 0) return { rates: [rate], coded: null, streams: tile.subarray(from.at) };
  const body = new Cursor(from.take(length), "rate map");
  const both = body.uint(2);
  const span = both >> 4;
  const top = both & 15;
  if (span < 1 || span > MAX_RATE || top < 1) throw new CorruptFile(`rate map: a span of ${span} in ${top + 1} levels`);
  if (rate + span > MAX_RATE) throw new CorruptFile(`rate map: a rate of ${rate + span} is above ${MAX_RATE}`);
  const rates = Array.from({ length: top + 1 }, (_, k) => rate + Math.floor((2 * k * span + top) / (2 * top)));
  return { rates, coded: body.take(body.left), streams: tile.subarray(from.at) };
}

/** The level of each of rows by columns positions of z, in raster order. */
export function readLevels(ladder: Ladder, rows: number, columns: number): Int32Array {
  if (!ladder.coded) return new Int32Array(rows * columns);
  return new MapDecoder(ladder.coded).map(rows, columns, ladder.rates.length - 1);
}
