/** From planes of floats to RGBA of 8 bits, and the enlargement of pictures that are coded smaller. */

import { type Piece } from "./synthesis.js";

/** 8 bits for each channel of each pixel, in the order red, green, blue, opacity. */
export interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export function opaque(width: number, height: number): Rgba {
  return { width, height, data: new Uint8ClampedArray(4 * width * height).fill(255) };
}

/** The nearest whole number, halves to even. Uint8ClampedArray rounds so by itself, and limits. */
export function put(piece: Piece, into: Rgba, grey: boolean): void {
  const { planes, left, top } = piece;
  const width = Math.min(piece.width, into.width - left);
  const height = Math.min(piece.height, into.height - top);
  const each = piece.width * piece.height;
  for (let y = 0; y < height; y++) {
    let from = y * piece.width;
    let to = 4 * ((top + y) * into.width + left);
    for (let x = 0; x < width; x++, from++, to += 4) {
      let [red, green, blue] = [planes[from]!, planes[from + each]!, planes[from + 2 * each]!];
      if (grey) red = green = blue = Math.fround(red + green + blue) / 3;
      into.data[to] = red * 255;
      into.data[to + 1] = green * 255;
      into.data[to + 2] = blue * 255;
    }
  }
}

/** For each phase: offset of the first neighbour, and the weights in 256ths. */
const PHASES: Readonly<Record<number, readonly [number, readonly number[]][]>> = {
  2: [
    [-3, [2, -17, 69, 228, -34, 8]],
    [-2, [8, -34, 228, 69, -17, 2]],
  ],
  4: [
    [-3, [4, -27, 112, 197, -38, 8]],
    [-3, [0, -8, 31, 250, -22, 5]],
    [-2, [5, -22, 250, 31, -8, 0]],
    [-2, [8, -38, 197, 112, -27, 4]],
  ],
};

/** docs/format.md, "more, later, log2_scale". The result is opaque. */
export function enlarged(small: Rgba, width: number, height: number, factor: number): Rgba {
  const phases = PHASES[factor]!;
  const large = opaque(width, height);
  const rows = new Int32Array(3 * small.width); // sums over rows, for each column of the coded picture
  for (let y = 0; y < height; y++) {
    const [first, weights] = phases[y % factor]!;
    rows.fill(0);
    for (let k = 0; k < 6; k++) {
      const row = Math.min(Math.max(Math.floor(y / factor) + first + k, 0), small.height - 1);
      for (let x = 0, from = 4 * row * small.width; x < rows.length; x += 3, from += 4) {
        for (let c = 0; c < 3; c++) rows[x + c]! += weights[k]! * small.data[from + c]!;
      }
    }
    for (let x = 0, to = 4 * y * width; x < width; x++, to += 4) {
      const [start, across] = phases[x % factor]!;
      for (let c = 0; c < 3; c++) {
        let sum = 32768;
        for (let k = 0; k < 6; k++) {
          const column = Math.min(Math.max(Math.floor(x / factor) + start + k, 0), small.width - 1);
          sum += across[k]! * rows[3 * column + c]!;
        }
        large.data[to + c] = Math.floor(sum / 65536);
      }
    }
  }
  return large;
}

/** Sets the opacity of a part of a picture, rows top to bottom. */
export function putAlpha(into: Rgba, alpha: Uint8Array): void {
  for (let k = 0; k < alpha.length; k++) into.data[4 * k + 3] = alpha[k]!;
}
