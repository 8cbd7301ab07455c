/** Inflates zlib data (RFC 1950, RFC 1951) up to a limit; the same in browsers and in Node. */

import { CorruptFile } from "./errors.js";
import { Prefix } from "./prefix.js";

const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function damaged(what: string): CorruptFile {
  return new CorruptFile(`deflated data: ${what}`);
}

function makeCode(lengths: ArrayLike<number>): Prefix {
  const code = new Prefix(lengths);
  if (code.free < 0) throw damaged("a prefix code has too many codes");
  return code;
}

const FIXED_LENGTHS = makeCode(Array.from({ length: 288 }, (_, k) => (k < 144 ? 8 : k < 256 ? 9 : k < 280 ? 7 : 8)));
const FIXED_DISTANCES = makeCode(new Array<number>(30).fill(5));

class Inflater {
  private at = 2;
  private bits = 0;
  private held = 0;
  private out: Uint8Array;
  private size = 0;
  private readonly bit = (): number => this.take(1);

  constructor(
    private readonly data: Uint8Array,
    private readonly limit: number,
  ) {
    this.out = new Uint8Array(Math.min(limit, 4 * data.length + 1024));
  }

  run(): Uint8Array {
    const { data } = this;
    if (data.length < 6 || (data[0]! & 15) !== 8 || data[0]! > 0x7f || (data[0]! * 256 + data[1]!) % 31 || data[1]! & 32) {
      throw damaged("no zlib data");
    }
    for (let last = 0; !last; ) {
      last = this.take(1);
      const kind = this.take(2);
      if (kind === 0) this.stored();
      else if (kind === 1) this.block(FIXED_LENGTHS, FIXED_DISTANCES);
      else if (kind === 2) this.block(...this.codes());
      else throw damaged("a block of an unknown kind");
    }
    const result = this.out.subarray(0, this.size);
    const tail = data.subarray(this.at);
    if (tail.length !== 4) throw damaged(tail.length < 4 ? "the data is cut" : "there are bytes behind its end");
    if (adler32(result) !== tail.reduce((sum, byte) => sum * 256 + byte, 0)) throw damaged("its checksum is wrong");
    return result;
  }

  private take(count: number): number {
    while (this.held < count) {
      if (this.at >= this.data.length) throw damaged("the data is cut");
      this.bits |= this.data[this.at++]! << this.held;
      this.held += 8;
    }
    const value = this.bits & ((1 << count) - 1);
    this.bits >>>= count;
    this.held -= count;
    return value;
  }

  private room(count: number): void {
    const needed = this.size + count;
    if (needed > this.limit) throw damaged(`it inflates to more than ${this.limit} bytes`);
    if (needed <= this.out.length) return;
    const larger = new Uint8Array(Math.min(this.limit, Math.max(needed, 2 * this.out.length)));
    larger.set(this.out);
    this.out = larger;
  }

  private stored(): void {
    this.bits = this.held = 0;
    const { data, at } = this;
    if (data.length < at + 4) throw damaged("the data is cut");
    const count = data[at]! + 256 * data[at + 1]!;
    if (count + data[at + 2]! + 256 * data[at + 3]! !== 65535) throw damaged("a stored block has a wrong length");
    if (data.length < at + 4 + count) throw damaged("the data is cut");
    this.room(count);
    this.out.set(data.subarray(at + 4, at + 4 + count), this.size);
    this.size += count;
    this.at += 4 + count;
  }

  private symbol(code: Prefix): number {
    const found = code.read(this.bit);
    if (found < 0) throw damaged("a code that its table does not have");
    return found;
  }

  private codes(): [Prefix, Prefix] {
    const lengths = this.take(5) + 257;
    const distances = this.take(5) + 1;
    const count = this.take(4) + 4;
    if (lengths > 286 || distances > 30) throw damaged("a prefix code has too many codes");
    const own = new Uint8Array(19);
    for (let k = 0; k < count; k++) own[ORDER[k]!] = this.take(3);
    const code = makeCode(own);
    const all = new Uint8Array(lengths + distances);
    for (let at = 0; at < all.length; ) {
      const symbol = this.symbol(code);
      if (symbol < 16) {
        all[at++] = symbol;
        continue;
      }
      if (symbol === 16 && at === 0) throw damaged("a length repeats nothing");
      const repeats = symbol === 16 ? 3 + this.take(2) : symbol === 17 ? 3 + this.take(3) : 11 + this.take(7);
      if (at + repeats > all.length) throw damaged("a length repeats too often");
      all.fill(symbol === 16 ? all[at - 1]! : 0, at, at + repeats);
      at += repeats;
    }
    if (!all[256]) throw damaged("a block has no end");
    return [makeCode(all.subarray(0, lengths)), makeCode(all.subarray(lengths))];
  }

  private block(lengths: Prefix, distances: Prefix): void {
    for (;;) {
      const symbol = this.symbol(lengths);
      if (symbol === 256) return;
      if (symbol < 256) {
        this.room(1);
        this.out[this.size++] = symbol;
        continue;
      }
      if (symbol > 285) throw damaged("a code that its table does not have");
      const length = LENGTHS[symbol - 257]! + this.take(LENGTH_BITS[symbol - 257]!);
      const far = this.symbol(distances);
      if (far > 29) throw damaged("a code that its table does not have");
      const bits = Math.max(0, (far >> 1) - 1);
      const distance = (far < 2 ? far : (2 + (far & 1)) << bits) + 1 + this.take(bits);
      if (distance > this.size) throw damaged("a copy from before its start");
      this.room(length);
      for (let k = 0; k < length; k++, this.size++) this.out[this.size] = this.out[this.size - distance]!;
    }
  }
}

function adler32(data: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let at = 0; at < data.length; ) {
    for (const end = Math.min(data.length, at + 4096); at < end; at++) {
      low += data[at]!;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return high * 65536 + low;
}

/** All of what `data` inflates to; an error beyond `limit` bytes, and if anything follows the data. */
export function inflate(data: Uint8Array, limit: number): Uint8Array {
  return new Inflater(data, limit).run();
}
