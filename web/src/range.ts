/** The range decoder; docs/format.md, "Range coder". */

import { CorruptFile } from "./errors.js";

const WORD = 2 ** 32;
export const TOTAL = 2 ** 24;

/**
 * Symbols of one byte string. Its two numbers of 64 bits are kept as two halves of 32 bits; all
 * products are cut so that doubles hold them exactly.
 */
export class RangeDecoder {
  private at = 0;
  private rangeHigh = WORD - 1;
  private rangeLow = WORD - 1;
  private offsetHigh: number;
  private offsetLow: number;
  private scale = 0;

  constructor(private readonly data: Uint8Array) {
    this.offsetHigh = this.word();
    this.offsetLow = this.word();
  }

  private word(): number {
    const { data, at } = this;
    this.at += 4;
    if (at + 4 <= data.length) return ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0;
    let word = 0;
    for (let k = at; k < at + 4; k++) word = word * 256 + (data[k] ?? 0);
    return word;
  }

  /** Which of the 2^24 shares of the interval the offset lies in; `consume` must follow. */
  quantile(): number {
    const scale = this.rangeHigh * 256 + Math.floor(this.rangeLow / TOTAL);
    this.scale = scale;
    const exactly = (this.offsetHigh * WORD + this.offsetLow) / scale;
    let quantile = Math.floor(exactly);
    // a double has the quotient to 2^-27, so only close to a whole number can it be on the wrong side
    if (exactly - quantile < 1e-6 || exactly - quantile > 1 - 1e-6) {
      quantile = Number(((BigInt(this.offsetHigh) << 32n) | BigInt(this.offsetLow)) / BigInt(scale));
    }
    if (quantile >= TOTAL) throw new CorruptFile("the payload is damaged: no writer produces it");
    return quantile;
  }

  /** Takes the shares from `start` on, `count` of them, as those of the symbol. */
  consume(start: number, count: number): void {
    const { scale } = this;
    const high = scale * (start >>> 12);
    const low = scale * (start & 4095);
    const highTop = Math.floor(high / 2 ** 20);
    const lowTop = Math.floor(low / WORD);
    this.offsetHigh -= highTop + lowTop;
    this.offsetLow -= (high - highTop * 2 ** 20) * 4096 + (low - lowTop * WORD);
    while (this.offsetLow < 0) {
      this.offsetLow += WORD;
      this.offsetHigh -= 1;
    }
    const wide = scale * (count >>> 12);
    const wideTop = Math.floor(wide / 2 ** 20);
    const narrow = scale * (count & 4095);
    const narrowTop = Math.floor(narrow / WORD);
    this.rangeHigh = wideTop + narrowTop;
    this.rangeLow = (wide - wideTop * 2 ** 20) * 4096 + (narrow - narrowTop * WORD);
    if (this.rangeLow >= WORD) {
      this.rangeLow -= WORD;
      this.rangeHigh += 1;
    }
    if (this.rangeHigh === 0) {
      this.rangeHigh = this.rangeLow;
      this.rangeLow = 0;
      this.offsetHigh = this.offsetLow;
      this.offsetLow = this.word();
    }
  }

  /** ends: the sums of the first 1, 2, ... counts; the last is 2^24 -> index of the symbol. */
  symbol(ends: Uint32Array): number {
    const quantile = this.quantile();
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (quantile < ends[middle]!) high = middle;
      else low = middle + 1;
    }
    const start = low ? ends[low - 1]! : 0;
    this.consume(start, ends[low]! - start);
    return low;
  }

  /** One of two symbols; `ones` of the 2^24 shares are those of 1. */
  bit(ones: number): number {
    const bit = this.quantile() >= TOTAL - ones ? 1 : 0;
    if (bit) this.consume(TOTAL - ones, ones);
    else this.consume(0, TOTAL - ones);
    return bit;
  }

  /** A whole number of `bits` bits, all equally likely; at most 24. */
  number(bits: number): number {
    if (bits === 0) return 0;
    const width = 2 ** (24 - bits);
    const value = Math.floor(this.quantile() / width);
    this.consume(value * width, width);
    return value;
  }

  natural(): number {
    const bits = this.number(5);
    if (bits > 23) throw new CorruptFile(`the payload is damaged: a number of ${bits} bits`);
    return 2 ** bits + this.number(bits) - 1;
  }

  rice(k: number): number {
    let ones = 0;
    while (this.number(1)) ones += 1;
    return ones * 2 ** k + this.number(k);
  }
}
