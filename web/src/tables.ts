/** Tables of counts; docs/format.md, "Factorised symbols" and "Gaussian symbols". */

import { TOTAL } from "./range.js";

/** A table: the symbol of its first entry, and the running sums of its counts. The last entry is the escape. */
export interface Table {
  readonly lowest: number;
  readonly ends: Uint32Array;
}

export function table(lowest: number, counts: ArrayLike<number>): Table {
  const ends = new Uint32Array(counts.length);
  let sum = 0;
  for (let k = 0; k < counts.length; k++) {
    sum += counts[k]!;
    ends[k] = sum;
  }
  if (sum !== TOTAL) throw new Error(`a table of sum ${sum}, not 2^24`);
  return { lowest, ends };
}

/** The tables of a factorised stream, one for each channel. */
export function factorizedTables(lowest: ArrayLike<number>, lengths: ArrayLike<number>, counts: ArrayLike<number>): Table[] {
  const tables: Table[] = [];
  for (let c = 0, at = 0; c < lengths.length; at += lengths[c]!, c++) {
    tables.push(table(lowest[c]!, Array.prototype.slice.call(counts, at, at + lengths[c]!)));
  }
  return tables;
}

/** The normal distribution function, by the steps that the format prescribes. */
export function normal(x: number): number {
  const size = Math.min(Math.abs(x), 9);
  const square = size * size;
  let term = size;
  let total = size;
  for (let n = 1; n < 220; n++) {
    term = (term * square) / (2 * n + 1);
    total += term;
  }
  const small = (square * 0.5) / 256;
  let power = 1;
  for (let n = 18; n > 0; n--) power = 1 + (power * small) / n;
  for (let n = 0; n < 8; n++) power *= power;
  const upper = 0.5 + Math.min((1 / power) * 0.3989422804014327 * total, 0.5);
  return x < 0 ? 1 - upper : upper;
}

// 0x1.2185b3f1454aap+0
const RATIO = 1 + 0x2185b3f1454aa / 2 ** 52;

/** The standard deviation of table t. */
export function scaleOf(t: number): number {
  let scale = 0.11;
  for (let k = 0; k < t; k++) scale *= RATIO;
  return scale;
}

/** The exact sum of positive numbers, rounded once. */
export function exactSum(values: readonly number[]): number {
  // partial sums that do not overlap, in rising order, after Shewchuk
  let partials: number[] = [];
  for (let x of values) {
    const kept: number[] = [];
    for (let y of partials) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low) kept.push(low);
      x = high;
    }
    partials = [...kept, x];
  }
  let high = partials.pop() ?? 0;
  let low = 0;
  while (partials.length && !low) {
    const x = high;
    const y = partials.pop()!;
    high = x + y;
    low = y - (high - x);
  }
  // a tie is broken by what lies below it
  const below = partials.at(-1) ?? 0;
  if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
    const doubled = 2 * low;
    const x = high + doubled;
    if (x - high === doubled) high = x;
  }
  return high;
}

/** Table t = 0..63 of the Gaussian streams. */
export function gaussianTable(t: number): Table {
  const scale = scaleOf(t);
  const reach = Math.max(1, Math.ceil(4.3 * scale));
  const edges = Array.from({ length: 2 * reach + 2 }, (_, k) => normal((k - reach - 0.5) / scale));
  const inside = edges.slice(1).map((edge, k) => edge - edges[k]!);
  const total = exactSum(inside);
  const escape = Math.max(1 - total, 2 ** -16);
  const share = (1 - escape) / total;
  const shares = [...inside.map((p) => p * share), escape];
  const counts = shares.map((p) => Math.max(1, Math.floor(p * TOTAL + 0.5)));
  const largest = shares.indexOf(shares.reduce((a, b) => Math.max(a, b)));
  counts[largest]! += TOTAL - counts.reduce((a, b) => a + b);
  return table(-reach, counts);
}

const gaussians: Table[] = [];

/** The same, computed once. */
export function gaussian(t: number): Table {
  return (gaussians[t] ??= gaussianTable(t));
}
