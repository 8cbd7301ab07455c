/** Canonical prefix codes, as zlib data and lossless WebP have them: shorter codes first, each length in order of symbols. */

const MOST_BITS = 15;

export class Prefix {
  /** Symbols that have a code, in the order of their codes; empty if there are too many codes. */
  readonly symbols: Uint16Array;
  /** What is left of the 2^15 codes of the greatest length: 0 if the code is complete, below 0 if it has too many. */
  readonly free: number;
  private readonly counts = new Uint16Array(MOST_BITS + 1);

  /** lengths: bits of the code of each symbol, 0 for none. */
  constructor(lengths: ArrayLike<number>) {
    for (let k = 0; k < lengths.length; k++) this.counts[lengths[k]!]!++;
    this.counts[0] = 0;
    const starts = new Uint16Array(MOST_BITS + 2);
    let free = 1;
    for (let length = 1; length <= MOST_BITS && free >= 0; length++) {
      free = 2 * free - this.counts[length]!;
      starts[length + 1] = starts[length]! + this.counts[length]!;
    }
    this.free = free;
    this.symbols = new Uint16Array(free < 0 ? 0 : starts[MOST_BITS + 1]!);
    if (free >= 0) for (let k = 0; k < lengths.length; k++) if (lengths[k]) this.symbols[starts[lengths[k]!]!++] = k;
  }

  /** The next symbol, by the next bits; -1 for bits that are no code. */
  read(bit: () => number): number {
    let code = 0;
    let first = 0;
    let at = 0;
    for (let length = 1; length <= MOST_BITS; length++) {
      code |= bit();
      const count = this.counts[length]!;
      if (code - first < count) return this.symbols[at + code - first]!;
      at += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return -1;
  }
}
