/** The tile index; docs/format.md, "tiles". */

import { Cursor } from "./bytes.js";
import { CorruptFile } from "./errors.js";

/** One tile of the coded picture, and the bytes that hold it. */
export interface Tile {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
  /** CRC-32 of its symbols; null in a file without tiles, whose check covers them. */
  readonly check: number | null;
}

export interface Tiling {
  /** Side of a tile, a power of two; null: the picture is one tile. */
  readonly side: number | null;
  /** In raster order. */
  readonly tiles: readonly Tile[];
}

/** width, height: of the coded picture. */
export function readTiles(index: Uint8Array | undefined, payload: Uint8Array, width: number, height: number): Tiling {
  if (!index) return { side: null, tiles: [{ left: 0, top: 0, width, height, data: payload, check: null }] };
  const from = new Cursor(index, "tiles chunk");
  const log2 = from.uint(1);
  if (log2 < 6 || log2 > 15) throw new CorruptFile(`tiles chunk: 2^${log2} as the side of a tile, not 2^6 to 2^15`);
  const side = 2 ** log2;
  const count = Math.ceil(width / side) * Math.ceil(height / side);
  if (from.left < 5 * count) throw new CorruptFile(`tiles chunk: ${from.left} bytes for ${count} tiles`);
  const tiles: Tile[] = [];
  let at = 0;
  for (let top = 0; top < height; top += side) {
    for (let left = 0; left < width; left += side) {
      const length = from.varint(2 ** 32 - 1, "the length of a tile");
      const check = from.uint(4);
      const data = payload.subarray(at, at + length);
      tiles.push({ left, top, width: Math.min(side, width - left), height: Math.min(side, height - top), data, check });
      at += length;
    }
  }
  if (from.left) throw new CorruptFile(`tiles chunk: ${from.left} bytes too many`);
  if (at !== payload.length) throw new CorruptFile(`tiles have ${at} bytes, the payload ${payload.length}`);
  return { side, tiles };
}
