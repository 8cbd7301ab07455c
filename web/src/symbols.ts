/** The parts of the streams; docs/format.md, "Symbols". */

import { CorruptFile } from "./errors.js";
import { type Width, mixtureTable, mixtureWidth } from "./mixtures.js";
import { RangeDecoder } from "./range.js";
import { type Table, gaussian } from "./tables.js";

export class SymbolDecoder extends RangeDecoder {
  private escape(table: Table): number {
    const below = this.number(1);
    const beyond = this.natural();
    return below ? table.lowest - 1 - beyond : table.lowest + table.ends.length - 1 + beyond;
  }

  /** Symbols of one table, at some places of `into`: then their escapes. */
  private group(table: Table, places: ArrayLike<number>, from: number, to: number, into: Int32Array): void {
    const last = table.ends.length - 1;
    let escapes = false;
    for (let k = from; k < to; k++) {
      const entry = this.symbol(table.ends);
      if (entry === last) escapes = true;
      into[places[k]!] = table.lowest + entry;
    }
    if (!escapes) return;
    for (let k = from; k < to; k++) {
      if (into[places[k]!] === table.lowest + last) into[places[k]!] = this.escape(table);
    }
  }

  /** A factorised stream: `count` symbols for each table, one channel after the other. */
  factorized(tables: readonly Table[], count: number): Int32Array {
    const symbols = new Int32Array(tables.length * count);
    const places = Uint32Array.from({ length: count }, (_, k) => k);
    tables.forEach((table, c) => this.group(table, places, 0, count, symbols.subarray(c * count, (c + 1) * count)));
    return symbols;
  }

  /** One part of a Gaussian stream, by the level of each position; guard: the guard width, or null. */
  gaussian(levels: ArrayLike<number>, guard: number | null = null): Int32Array {
    const count = levels.length;
    const tables = new Uint8Array(count);
    for (let k = 0; k < count; k++) tables[k] = limit(Math.floor(levels[k]! + 0.5), 0, 63);
    if (guard !== null) this.guard(levels, tables, guard <= 0.00001);
    const starts = new Uint32Array(65);
    for (let k = 0; k < count; k++) starts[tables[k]! + 1]!++;
    for (let t = 0; t < 64; t++) starts[t + 1]! += starts[t]!;
    const next = starts.slice();
    const places = new Uint32Array(count);
    for (let k = 0; k < count; k++) places[next[tables[k]!]!++] = k;
    const symbols = new Int32Array(count);
    for (let t = 0; t < 64; t++) {
      if (starts[t]! < starts[t + 1]!) this.group(gaussian(t), places, starts[t]!, starts[t + 1]!, symbols);
    }
    return symbols;
  }

  /** Uses the listed tables instead of those of the levels. */
  private guard(levels: ArrayLike<number>, tables: Uint8Array, rare: boolean): void {
    const n = levels.length;
    if (rare && !this.bit(32 * limit(n, 512, 2 ** 18))) return;
    const count = this.natural();
    if (count > n) throw new CorruptFile(`the payload is damaged: a guard list of ${count} positions out of ${n}`);
    const gap = Math.floor((69 * n) / (100 * Math.max(count, 1)));
    const k = gap ? Math.floor(Math.log2(gap)) : 0;
    for (let at = -1, left = count; left > 0; left--) {
      at += 1 + this.rice(k);
      const up = this.number(1);
      if (at >= n) throw new CorruptFile(`the payload is damaged: position ${at} of a guard list of ${n}`);
      tables[at] = limit(Math.floor(levels[at]!) + up, 0, 63);
    }
  }

  /**
   * One part of a stream of mixtures. Position p has the components 3·p to 3·p + 2: their tables,
   * offsets in eighths and weights in 128ths.
   */
  mixtures(tables: ArrayLike<number>, offsets: ArrayLike<number>, weights: ArrayLike<number>): Int32Array {
    const count = tables.length / 3;
    const groups = new Map<number, { width: Width; places: number[] }>();
    for (let p = 0; p < count; p++) {
      const width = mixtureWidth(tables, offsets, weights, 3 * p);
      const key = width.shift * 256 + width.reach;
      const group = groups.get(key);
      if (group) group.places.push(p);
      else groups.set(key, { width, places: [p] });
    }
    const symbols = new Int32Array(count);
    for (const key of [...groups.keys()].sort((a, b) => a - b)) {
      const { width, places } = groups.get(key)!;
      const size = Math.floor(2 ** 16 / (2 * width.reach + 2));
      for (let start = 0; start < places.length; start += size) {
        this.piece(places.slice(start, start + size), width, tables, offsets, weights, symbols);
      }
    }
    return symbols;
  }

  private piece(
    places: readonly number[],
    { shift, reach }: Width,
    tables: ArrayLike<number>,
    offsets: ArrayLike<number>,
    weights: ArrayLike<number>,
    symbols: Int32Array,
  ): void {
    const last = 2 * reach + 1;
    const lowest = -reach * 2 ** shift;
    const ends = new Uint32Array(last + 1);
    const entries = places.map((p) => {
      mixtureTable(tables, offsets, weights, 3 * p, { shift, reach }, ends);
      return this.symbol(ends);
    });
    const rests = entries.map((entry) => (entry === last ? 0 : this.number(shift)));
    entries.forEach((entry, k) => {
      let symbol = lowest + entry * 2 ** shift + rests[k]!;
      if (entry === last) {
        const below = this.number(1);
        const beyond = this.natural();
        symbol = below ? lowest - 1 - beyond : lowest + last * 2 ** shift + beyond;
      }
      symbols[places[k]!] = symbol;
    });
  }
}

export function limit(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

