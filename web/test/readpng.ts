/** Reads the PNG files of the tests: 8 bits, grey or RGB, with or without opacity. */

import { inflateSync } from "node:zlib";

import { type Rgba } from "../src/pixels.js";

export function readPng(data: Uint8Array): Rgba {
  const view = Buffer.from(data);
  const parts: Buffer[] = [];
  const [width, height, kind] = [view.readUInt32BE(16), view.readUInt32BE(20), view[25]!];
  for (let at = 8; at < view.length; at += 12 + view.readUInt32BE(at)) {
    if (view.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(view.subarray(at + 8, at + 8 + view.readUInt32BE(at)));
  }
  const rows = inflateSync(Buffer.concat(parts));
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[kind]!;
  const line = width * channels;
  const plane = new Uint8Array(line * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (line + 1)]!;
    for (let x = 0; x < line; x++) {
      const at = y * line + x;
      const left = x < channels ? 0 : plane[at - channels]!;
      const up = y ? plane[at - line]! : 0;
      const corner = y && x >= channels ? plane[at - line - channels]! : 0;
      const guess = left + up - corner;
      const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
      const paeth = a <= b && a <= c ? left : b <= c ? up : corner;
      plane[at] = rows[at + y + 1]! + [0, left, up, (left + up) >> 1, paeth][filter]!;
    }
  }
  const out = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let k = 0; k < width * height; k++) {
    for (let c = 0; c < 3; c++) out[4 * k + c] = plane[k * channels + (channels < 3 ? 0 : c)]!;
    if (channels % 2 === 0) out[4 * k + 3] = plane[k * channels + channels - 1]!;
  }
  return { width, height, data: out };
}
