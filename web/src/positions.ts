/** Which patches a file keeps; docs/format.md, "Kept patches". */

import { CorruptFile } from "./errors.js";
import { MAX_RATE } from "./header.js";
import { TOTAL } from "./range.js";
import { type SymbolDecoder, limit } from "./symbols.js";

const E = [1024, 1269, 1572, 1947, 2413, 2990, 3704, 4589, 5686, 7045, 8729, 10815, 13400, 16603, 20572];
/** Rows, columns, weight of the neighbours. */
const NEAR = [[0, -1, 4], [-1, 0, 4], [-1, -1, 2], [-1, 1, 2], [0, -2, 1], [-2, 0, 1]] as const;

/** How many of `total` patches models with rates expect; shares in thousandths. */
export function expectedPatches(shares: readonly number[], rate: number, total: number): number {
  let [s, u] = [shares[0]!, 1000];
  if (shares.length > 1) {
    const v = MAX_RATE / (shares.length - 1);
    const p = Math.min(Math.floor(rate / v), shares.length - 2);
    s = shares[p]! * (v - rate + p * v) + shares[p + 1]! * (rate - p * v);
    u = 1000 * v;
  }
  return Math.max(1, Math.floor((total * s + u / 2) / u));
}

/** 1 where a patch is kept, in raster order. */
export function readPositions(from: SymbolDecoder, rows: number, columns: number, expected: number): Int32Array {
  const total = rows * columns;
  const count = from.number(1) ? from.number(32 - Math.clz32(total)) : expected;
  const few = total > 4096 && 8 * count < expected;
  if (count < 1 || count > total || few) throw new CorruptFile(`the payload is damaged: ${count} kept patches of ${total}`);
  const modelled = from.number(1);
  const usual = E[Math.floor((14 * count + (total >> 1)) / total)]!;
  const seen: [number, number][] = Array.from({ length: 8 }, () => [0, 0]);
  const grid = new Int32Array(total);
  for (let at = 0, k = count; at < total; at++) {
    const n = total - at;
    if (k === 0 || k === n) {
      grid[at] = k ? 1 : 0;
      k -= grid[at]!;
      continue;
    }
    const score = scoreOf(grid, at, columns, count, total);
    const outcomes = seen[score >> 1]!;
    let c = limit(Math.floor((k * TOTAL + (n >> 1)) / n), 1, TOTAL - 1);
    if (modelled) {
      const share = Number((BigInt(k * E[score]!) * BigInt(TOTAL)) / BigInt(k * E[score]! + (n - k) * usual));
      c = Math.floor((share * 10 + outcomes[1] * TOTAL) / (10 + outcomes[0] + outcomes[1]));
      c = limit(c, 1024, TOTAL - 1024);
    }
    const bit = from.bit(c);
    grid[at] = bit;
    outcomes[bit]! += 1;
    k -= bit;
  }
  return grid;
}

function scoreOf(grid: Int32Array, at: number, columns: number, count: number, total: number): number {
  const row = Math.floor(at / columns);
  const column = at % columns;
  let score = 0;
  let beyond = 0;
  for (const [down, across, weight] of NEAR) {
    const y = row + down;
    const x = column + across;
    if (y >= 0 && x >= 0 && x < columns) score += weight * grid[y * columns + x]!;
    else beyond += weight;
  }
  return score + Math.floor((beyond * count + (total >> 1)) / total);
}
