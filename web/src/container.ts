/** Takes a file apart, as far as that needs no weights; docs/format.md. */

import { Cursor, crc32, fourBytes, hex } from "./bytes.js";
import { type Chunks, type CustomWeights, KINDS, type Metadata, customWeights, metadataOf, readChunks } from "./chunks.js";
import { CorruptFile, LimitExceeded } from "./errors.js";
import { type Header, codedSize, readHeader } from "./header.js";
import { deflatedRows, readAlpha } from "./png.js";
import { readLadder } from "./ratemap.js";
import { type Tiling, readTiles } from "./tiles.js";
import { beginsAs } from "./webp.js";

/** Pixels that a picture may have, both sides rounded up to multiples of 64. */
export const MAX_PIXELS = 2 ** 28;

/** Pixels that are decoded in one piece: a tile, or a picture without tiles. */
export const MAX_PIECE = 5 * 2 ** 20;

export interface RgoFile {
  readonly header: Header;
  readonly chunks: Chunks;
  readonly tiling: Tiling;
  readonly weights: CustomWeights | null;
  readonly metadata: Metadata;
  /** CRC-32 of all bytes that the check covers. */
  readonly bytesCrc: number;
}

const round64 = (side: number): number => Math.ceil(side / 64) * 64;

/** The parts of a file; an error names the first rule that it breaks. */
export function parse(data: Uint8Array, maxPixels = MAX_PIXELS): RgoFile {
  const from = new Cursor(data, "header");
  const header = readHeader(from);
  const behindCheck = from.at;
  const pixels = round64(header.width) * round64(header.height);
  if (pixels > maxPixels) {
    throw new LimitExceeded(`a picture of ${header.width} by ${header.height} is above the limit of ${maxPixels} pixels`);
  }
  const chunks: Chunks = header.hasChunks ? readChunks(from, header) : new Map();
  const weights = customWeights(chunks, header);
  const metadata = metadataOf(chunks);
  const alpha = chunks.get(KINDS.alpha);
  if (alpha && alpha.length !== 1) deflatedRows(alpha, header.width, header.height);
  const coded = codedSize(header);
  const tiling = readTiles(chunks.get(KINDS.tiles), data.subarray(from.at), ...coded);
  const bytesCrc = crc32(data.subarray(behindCheck), crc32(data.subarray(0, behindCheck - 4)));
  const file = { header, chunks, tiling, weights, metadata, bytesCrc };
  if (chunks.has(KINDS.lossless)) {
    checkLossless(file, from.left);
    return file;
  }
  const [wide, high] = coded.map((side) => Math.min(round64(side), tiling.side ?? Infinity)) as [number, number];
  if (wide * high > MAX_PIECE) throw new LimitExceeded(`${wide} by ${high} pixels in one piece, the limit is ${MAX_PIECE}`);
  if (header.varies) for (const tile of tiling.tiles) readLadder(tile.data, header.rate);
  if (tiling.side !== null) verifyCheck(file, tiling.tiles.map((tile) => tile.check!));
  return file;
}

/** CorruptFile unless a file that holds the picture without loss is whole and codes nothing else. */
function checkLossless(file: RgoFile, payload: number): void {
  const { rate, grid, varies, log2Scale, width, height } = file.header;
  if (payload || file.chunks.has(KINDS.tiles) || rate || grid !== 1 || varies || log2Scale) {
    throw new CorruptFile("a picture without loss has no tiles, no payload and no rates");
  }
  if (!beginsAs(file.chunks.get(KINDS.lossless)!, width, height)) {
    throw new CorruptFile(`lossless chunk: not a WebP bit stream of ${width} by ${height} without opacity`);
  }
  verifyCheck(file, [0]);
}

/** The check of a file, by the symbol CRC of each tile (one for a file without tiles). */
export function verifyCheck(file: RgoFile, crcs: readonly number[]): void {
  const symbols = file.tiling.side === null ? crcs[0]! : crcs.reduce((crc, one) => crc32(fourBytes(one), crc), 0);
  const check = crc32(fourBytes(symbols), file.bytesCrc);
  if (check !== file.header.check) {
    throw new CorruptFile(`the file is damaged: its check is ${hex(file.header.check)}, but its content gives ${hex(check)}`);
  }
}

/** The opacity of each pixel in raster order; null where the file is opaque. */
export function alphaOf(file: RgoFile): Uint8Array | null {
  const body = file.chunks.get(KINDS.alpha);
  return body ? readAlpha(body, file.header.width, file.header.height) : null;
}
