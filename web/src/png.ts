/** The alpha plane: a grey PNG of 8 bits that has only the necessary chunks; docs/format.md, "alpha". */

import { Cursor, crc32 } from "./bytes.js";
import { CorruptFile } from "./errors.js";
import { inflate } from "./inflate.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

function damaged(what: string): CorruptFile {
  return new CorruptFile(`alpha chunk: ${what}`);
}

/** The opacity of each pixel in raster order. */
export function readAlpha(body: Uint8Array, width: number, height: number): Uint8Array {
  if (body.length === 1) return new Uint8Array(width * height).fill(body[0]!);
  return unfilter(inflate(deflatedRows(body, width, height), (width + 1) * height), width, height);
}

/** The data of the IDAT chunks, after all has been checked that can be without inflating it. */
export function deflatedRows(body: Uint8Array, width: number, height: number): Uint8Array {
  const from = new Cursor(body, "alpha chunk");
  if (body.length < 8 || SIGNATURE.some((byte, k) => body[k] !== byte)) throw damaged("neither one byte nor a PNG");
  from.take(8);
  const parts: Uint8Array[] = [];
  for (let count = 0; ; count++) {
    const length = from.uint(4);
    const start = from.at;
    const kind = String.fromCharCode(...from.take(4));
    const data = from.take(length);
    if (crc32(body.subarray(start, from.at)) !== from.uint(4)) throw damaged(`${kind} has a wrong CRC`);
    if ((count === 0) !== (kind === "IHDR")) throw damaged("IHDR is not its first chunk");
    if (kind === "IHDR") checkSize(data, width, height);
    else if (kind === "IDAT") parts.push(data);
    else if (kind === "IEND") break;
    else throw damaged(`a PNG chunk ${JSON.stringify(kind)}; only IHDR, IDAT and IEND are allowed`);
  }
  if (from.left) throw damaged("bytes follow the PNG");
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

function checkSize(data: Uint8Array, width: number, height: number): void {
  if (data.length !== 13) throw damaged("IHDR has a wrong length");
  const from = new Cursor(data, "alpha chunk");
  const [w, h] = [from.uint(4), from.uint(4)];
  if (w !== width || h !== height) throw damaged(`a PNG of ${w} by ${h} for a picture of ${width} by ${height}`);
  if (from.uint(1) !== 8 || from.uint(1) !== 0) throw damaged("the PNG is not grey with 8 bits");
  if (from.uint(3) !== 0) throw damaged("the PNG is interlaced or uses unknown methods");
}

function unfilter(rows: Uint8Array, width: number, height: number): Uint8Array {
  if (rows.length !== (width + 1) * height) throw damaged("the PNG has too few pixels");
  const plane = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (width + 1)]!;
    if (filter > 4) throw damaged(`a PNG filter ${filter}`);
    for (let x = 0, at = y * width; x < width; x++, at++) {
      const left = x ? plane[at - 1]! : 0;
      const up = y ? plane[at - width]! : 0;
      const corner = x && y ? plane[at - width - 1]! : 0;
      plane[at] = rows[at + y + 1]! + predict(filter, left, up, corner);
    }
  }
  return plane;
}

function predict(filter: number, left: number, up: number, corner: number): number {
  if (filter < 4) return [0, left, up, (left + up) >> 1][filter]!;
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
