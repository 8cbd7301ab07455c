/** Lossless WebP bit streams (RFC 9649, section 3), to pixels. Pixels are words: alpha, red, green, blue from the top byte. */

import { CorruptFile } from "./errors.js";
import { Prefix } from "./prefix.js";

const GREEN_LENGTHS = 24; // symbols of the green alphabet that stand for lengths of copies
const DISTANCES = 40;
const CODE_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const BLACK = 0xff000000;

function damaged(what: string): CorruptFile {
  return new CorruptFile(`the picture without loss is damaged: ${what}`);
}

const HEAD = 5; // bytes that `beginsAs` looks at

/** Bits from the lowest up, behind the head. A stream of odd length is followed by a byte of zeros, as in a WebP file. */
class Bits {
  private at = 8 * HEAD;
  private readonly end: number;

  constructor(private readonly data: Uint8Array) {
    this.end = 8 * (data.length + (data.length % 2));
  }

  read(count: number): number {
    let value = 0;
    for (let k = 0; k < count; k++) value |= this.bit() << k;
    return value;
  }

  readonly bit = (): number => {
    if (this.at >= this.end) throw damaged("it ends too early");
    const byte = this.data[this.at >> 3] ?? 0;
    return (byte >> (this.at++ & 7)) & 1;
  };
}

/** A code that is complete, or has one symbol, which takes no bits. */
function makeCode(lengths: Uint8Array): Prefix {
  const code = new Prefix(lengths);
  if (code.symbols.length === 0 || (code.symbols.length > 1 && code.free !== 0)) throw damaged("a prefix code is not complete");
  return code;
}

function symbolOf(code: Prefix, bits: Bits): number {
  return code.symbols.length === 1 ? code.symbols[0]! : code.read(bits.bit);
}

function readPrefix(bits: Bits, alphabet: number): Prefix {
  const lengths = new Uint8Array(alphabet);
  const set = (symbol: number): void => {
    if (symbol >= alphabet) throw damaged("a symbol outside its alphabet");
    lengths[symbol] = 1;
  };
  if (bits.bit()) {
    const two = bits.bit();
    set(bits.read(bits.bit() ? 8 : 1));
    if (two) set(bits.read(8));
    return makeCode(lengths);
  }
  const codeLengths = new Uint8Array(CODE_ORDER.length);
  const stated = 4 + bits.read(4);
  for (let k = 0; k < stated; k++) codeLengths[CODE_ORDER[k]!] = bits.read(3);
  const code = makeCode(codeLengths);
  let left = bits.bit() ? 2 + bits.read(2 + 2 * bits.read(3)) : alphabet;
  if (left > alphabet) throw damaged("more code lengths than symbols");
  let previous = 8;
  for (let symbol = 0; symbol < alphabet && left > 0; left--) {
    const length = symbolOf(code, bits);
    if (length < 16) {
      lengths[symbol++] = length;
      if (length) previous = length;
      continue;
    }
    const repeat = length === 16 ? 3 + bits.read(2) : length === 17 ? 3 + bits.read(3) : 11 + bits.read(7);
    if (symbol + repeat > alphabet) throw damaged("more code lengths than symbols");
    lengths.fill(length === 16 ? previous : 0, symbol, symbol + repeat);
    symbol += repeat;
  }
  return makeCode(lengths);
}

/** Columns and rows back to a pixel nearby, nearest first: what the first 120 distances stand for. */
const NEARBY: readonly (readonly [number, number])[] = (() => {
  const places: [number, number][] = [];
  for (let y = 0; y <= 7; y++) for (let x = y ? -7 : 1; x <= 8; x++) places.push([x, y]);
  return places.sort(([a, b], [c, d]) => a * a + b * b - c * c - d * d || Math.abs(a) - Math.abs(c) || c - a);
})();

function readAmount(bits: Bits, prefix: number): number {
  if (prefix < 4) return prefix + 1;
  const extra = (prefix - 2) >> 1;
  return ((2 + (prefix & 1)) << extra) + bits.read(extra) + 1;
}

function distanceOf(code: number, width: number): number {
  if (code > NEARBY.length) return code - NEARBY.length;
  const [x, y] = NEARBY[code - 1]!;
  return Math.max(1, x + y * width);
}

const blocks = (side: number, bits: number): number => (side + (1 << bits) - 1) >> bits;

/** An image coded by prefix codes and copies. main: the picture itself, which may have several groups of codes. */
function readImage(bits: Bits, width: number, height: number, main: boolean): Uint32Array {
  const cached = bits.bit() === 1;
  const cacheBits = cached ? bits.read(4) : 0;
  if (cached && (cacheBits < 1 || cacheBits > 11)) throw damaged(`a colour cache of ${cacheBits} bits`);
  const cache = new Uint32Array(cacheBits ? 1 << cacheBits : 0);
  let groupBits = 0;
  let groupOf: Uint32Array | null = null;
  let count = 1;
  if (main && bits.bit()) {
    groupBits = 2 + bits.read(3);
    groupOf = readImage(bits, blocks(width, groupBits), blocks(height, groupBits), false);
    for (let k = 0; k < groupOf.length; k++) {
      groupOf[k] = (groupOf[k]! >>> 8) & 0xffff;
      count = Math.max(count, groupOf[k]! + 1);
    }
  }
  const alphabets = [256 + GREEN_LENGTHS + cache.length, 256, 256, 256, DISTANCES];
  const groups = Array.from({ length: count }, () => alphabets.map((alphabet) => readPrefix(bits, alphabet)));
  const across = blocks(width, groupBits);
  const pixels = new Uint32Array(width * height);
  const put = (at: number, pixel: number): void => {
    pixels[at] = pixel;
    if (cacheBits) cache[Math.imul(0x1e35a7bd, pixel) >>> (32 - cacheBits)] = pixel;
  };
  for (let at = 0; at < pixels.length; ) {
    const group = groups[groupOf ? groupOf[((at / width) >> groupBits) * across + ((at % width) >> groupBits)]! : 0]!;
    const [green, red, blue, alpha, distance] = group as [Prefix, Prefix, Prefix, Prefix, Prefix];
    const symbol = symbolOf(green, bits);
    if (symbol < 256) {
      const high = symbolOf(red, bits);
      const low = symbolOf(blue, bits);
      put(at++, (symbolOf(alpha, bits) << 24) | (high << 16) | (symbol << 8) | low);
    } else if (symbol < 256 + GREEN_LENGTHS) {
      const length = readAmount(bits, symbol - 256);
      const back = distanceOf(readAmount(bits, symbolOf(distance, bits)), width);
      if (back > at || length > pixels.length - at) throw damaged("a copy reaches outside the picture");
      for (const end = at + length; at < end; at++) put(at, pixels[at - back]!);
    } else {
      put(at++, cache[symbol - 256 - GREEN_LENGTHS]!);
    }
  }
  return pixels;
}

/** Both words, each byte of its own modulo 256. */
function add(a: number, b: number): number {
  return (((a & 0xff00ff00) + (b & 0xff00ff00)) & 0xff00ff00) | (((a & 0xff00ff) + (b & 0xff00ff)) & 0xff00ff);
}

/** The mean of each byte, rounded down. */
function mean(a: number, b: number): number {
  return (((a ^ b) & 0xfefefefe) >>> 1) + (a & b);
}

function byBytes(a: number, b: number, c: number, of: (a: number, b: number, c: number) => number): number {
  let word = 0;
  for (let shift = 0; shift < 32; shift += 8) {
    const value = of((a >>> shift) & 255, (b >>> shift) & 255, (c >>> shift) & 255);
    word |= Math.min(Math.max(value, 0), 255) << shift;
  }
  return word;
}

function select(left: number, top: number, corner: number): number {
  let score = 0;
  for (let shift = 0; shift < 32; shift += 8) {
    const c = (corner >>> shift) & 255;
    score += Math.abs(((top >>> shift) & 255) - c) - Math.abs(((left >>> shift) & 255) - c);
  }
  return score < 0 ? left : top;
}

type Predictor = (left: number, top: number, right: number, corner: number) => number;

/** right: above and to the right; corner: above and to the left. */
const PREDICTORS: readonly Predictor[] = [
  () => BLACK,
  (left) => left,
  (_, top) => top,
  (_, __, right) => right,
  (_, __, ___, corner) => corner,
  (left, top, right) => mean(mean(left, right), top),
  (left, _, __, corner) => mean(left, corner),
  (left, top) => mean(left, top),
  (_, top, __, corner) => mean(corner, top),
  (_, top, right) => mean(top, right),
  (left, top, right, corner) => mean(mean(left, corner), mean(top, right)),
  (left, top, _, corner) => select(left, top, corner),
  (left, top, _, corner) => byBytes(left, top, corner, (a, b, c) => a + b - c),
  (left, top, _, corner) => byBytes(mean(left, top), corner, 0, (a, b) => a + Math.trunc((a - b) / 2)),
  () => BLACK,
  () => BLACK,
];

function predicted(pixels: Uint32Array, width: number, bits: number, modes: Uint32Array): Uint32Array {
  const across = blocks(width, bits);
  for (let at = 0; at < pixels.length; at++) {
    const x = at % width;
    const y = (at - x) / width;
    let guess: number;
    if (at === 0) guess = BLACK;
    else if (y === 0) guess = pixels[at - 1]!;
    else if (x === 0) guess = pixels[at - width]!;
    else {
      const mode = (modes[(y >> bits) * across + (x >> bits)]! >>> 8) & 15;
      guess = PREDICTORS[mode]!(pixels[at - 1]!, pixels[at - width]!, pixels[at - width + 1]!, pixels[at - width - 1]!);
    }
    pixels[at] = add(pixels[at]!, guess);
  }
  return pixels;
}

const signed = (byte: number): number => (byte << 24) >> 24;

function withColours(pixels: Uint32Array, width: number, bits: number, factors: Uint32Array): Uint32Array {
  const across = blocks(width, bits);
  const part = (factor: number, colour: number): number => (signed(factor) * signed(colour)) >> 5;
  for (let at = 0; at < pixels.length; at++) {
    const x = at % width;
    const factor = factors[(((at - x) / width) >> bits) * across + (x >> bits)]!;
    const pixel = pixels[at]!;
    const green = (pixel >>> 8) & 255;
    const red = ((pixel >>> 16) + part(factor & 255, green)) & 255;
    const blue = ((pixel & 255) + part((factor >>> 8) & 255, green) + part((factor >>> 16) & 255, red)) & 255;
    pixels[at] = (pixel & 0xff00ff00) | (red << 16) | blue;
  }
  return pixels;
}

function withGreen(pixels: Uint32Array): Uint32Array {
  for (let at = 0; at < pixels.length; at++) {
    const green = (pixels[at]! >>> 8) & 255;
    pixels[at] = add(pixels[at]!, (green << 16) | green);
  }
  return pixels;
}

function withPalette(packed: Uint32Array, width: number, bits: number, palette: Uint32Array): Uint32Array {
  const across = blocks(width, bits);
  const each = 8 >> bits;
  const height = packed.length / across;
  const pixels = new Uint32Array(width * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      const green = (packed[y * across + (x >> bits)]! >>> 8) & 255;
      pixels[at] = palette[(green >> (each * (x & ((1 << bits) - 1)))) & ((1 << each) - 1)] ?? 0;
    }
  }
  return pixels;
}

/** The bytes with which the stream of a picture begins: its size, and that it has no opacity. */
export function beginsAs(data: Uint8Array, width: number, height: number): boolean {
  if (data.length < HEAD || data[0] !== 0x2f || Math.max(width, height) > 16384) return false;
  const size = data[1]! | (data[2]! << 8) | (data[3]! << 16) | (data[4]! << 24);
  return size === ((width - 1) | ((height - 1) << 14));
}

/** The pixels of a stream that begins as `beginsAs` says; CorruptFile. */
export function readWebp(data: Uint8Array, width: number, height: number): Uint32Array {
  const bits = new Bits(data);
  const undo: ((pixels: Uint32Array) => Uint32Array)[] = [];
  const seen = new Set<number>();
  let coded = width;
  while (bits.bit()) {
    const kind = bits.read(2);
    if (seen.has(kind)) throw damaged("a transform stands twice");
    seen.add(kind);
    const across = coded;
    if (kind === 2) {
      undo.push(withGreen);
    } else if (kind === 3) {
      const palette = readImage(bits, bits.read(8) + 1, 1, false);
      for (let k = 1; k < palette.length; k++) palette[k] = add(palette[k]!, palette[k - 1]!);
      const packing = palette.length <= 2 ? 3 : palette.length <= 4 ? 2 : palette.length <= 16 ? 1 : 0;
      coded = blocks(across, packing);
      undo.push((pixels) => withPalette(pixels, across, packing, palette));
    } else {
      const size = bits.read(3) + 2;
      const numbers = readImage(bits, blocks(across, size), blocks(height, size), false);
      const apply = kind === 0 ? predicted : withColours;
      undo.push((pixels) => apply(pixels, across, size, numbers));
    }
  }
  return undo.reduceRight((pixels, step) => step(pixels), readImage(bits, coded, height, true));
}
