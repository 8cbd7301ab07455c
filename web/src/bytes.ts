/** Bounded reading of bytes, and CRC-32; docs/format.md, "Numbers". */

import { CorruptFile } from "./errors.js";

/** Reads from the front of some bytes and never beyond their end. */
export class Cursor {
  at = 0;

  constructor(
    readonly data: Uint8Array,
    readonly where: string,
  ) {}

  get left(): number {
    return this.data.length - this.at;
  }

  take(count: number): Uint8Array {
    if (count > this.left) {
      throw new CorruptFile(
        `${this.where}: ${count} bytes expected at offset ${this.at}, ${this.left} left; is the file cut?`,
      );
    }
    this.at += count;
    return this.data.subarray(this.at - count, this.at);
  }

  /** An unsigned big-endian number of 1 to 4 bytes. */
  uint(bytes: number): number {
    return this.take(bytes).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** An unsigned LEB128 number of at most `bound`, in its only spelling. */
  varint(bound: number, what: string): number {
    let value = 0;
    for (let factor = 1; factor <= bound; factor *= 128) {
      const byte = this.uint(1);
      value += (byte % 128) * factor;
      if (byte >= 128) continue;
      if (byte === 0 && factor > 1) break;
      if (value > bound) break;
      return value;
    }
    throw new CorruptFile(`${this.where}: ${what} is no number from 0 to ${bound} in its shortest form`);
  }
}

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** The CRC-32 of `data`, or of what `start` is the CRC of and `data` after it. */
export function crc32(data: Uint8Array, start = 0): number {
  let crc = ~start;
  for (let at = 0; at < data.length; at++) crc = CRCS[(crc ^ data[at]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A number as four bytes, big endian. */
export function fourBytes(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Eight hexadecimal digits. */
export function hex(value: number, digits = 8): string {
  return value.toString(16).padStart(digits, "0").toUpperCase();
}
