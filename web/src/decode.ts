/** A whole file to pixels, by a codec that is loaded. */

import { KINDS } from "./chunks.js";
import { type RgoFile, alphaOf, verifyCheck } from "./container.js";
import { CorruptFile } from "./errors.js";
import { codedSize } from "./header.js";
import { type Rgba, enlarged, opaque, put, putAlpha } from "./pixels.js";
import { Synthesis } from "./synthesis.js";
import { type Codec, type Latents, walk } from "./walk.js";
import { checkWeights } from "./weights.js";
import { readWebp } from "./webp.js";

/** Called when a part of the picture is final; picture: all of it, the rest still empty. */
export type Progress = (picture: Rgba, left: number, top: number, width: number, height: number) => void;

/** The picture that a file holds without loss; null for other files. */
export function stored(file: RgoFile): Rgba | null {
  const body = file.chunks.get(KINDS.lossless);
  if (!body) return null;
  const { width, height, grey } = file.header;
  const words = readWebp(body, width, height);
  const picture = opaque(width, height);
  words.forEach((word, k) => {
    const [red, green, blue] = [(word >>> 16) & 255, (word >>> 8) & 255, word & 255];
    if (grey && (red !== green || green !== blue)) throw new CorruptFile("the picture without loss has colours, and the header says that it is grey");
    picture.data.set([red, green, blue], 4 * k);
  });
  const alpha = alphaOf(file);
  if (alpha) putAlpha(picture, alpha);
  return picture;
}

/** Decodes a parsed file of symbols; RgoError if anything about it is wrong. pause: awaited before each tile and each part. */
export async function decodeWith(codec: Codec, file: RgoFile, progress?: Progress, pause?: () => Promise<void>): Promise<Rgba> {
  const { header, tiling } = file;
  checkWeights(codec.weights.plan, header.model, header.fingerprint);
  const { multiple } = codec.weights.plan.network;
  if (tiling.side !== null && tiling.side % multiple) throw new CorruptFile(`tiles of ${tiling.side} pixels do not fit this model`);
  const alpha = alphaOf(file);
  const fetch = async (k: number): Promise<Latents> => {
    await pause?.();
    const tile = tiling.tiles[k]!;
    const latents = await walk(codec, header, tile);
    if (tile.check === null) verifyCheck(file, [latents.symbolCrc]);
    else if (latents.symbolCrc !== tile.check) throw new CorruptFile(`the file is damaged: tile ${k} fails its check`);
    return latents;
  };
  const [width, height] = codedSize(header);
  const coded = opaque(width, height);
  const early = header.log2Scale === 0;
  if (early && alpha) putAlpha(coded, alpha);
  for await (const piece of new Synthesis(codec, width, height, tiling.side, header.grid, fetch).pieces()) {
    put(piece, coded, header.grey);
    if (early) progress?.(coded, piece.left, piece.top, Math.min(piece.width, width - piece.left), Math.min(piece.height, height - piece.top));
    await pause?.();
  }
  if (early) return coded;
  const large = enlarged(coded, header.width, header.height, 2 ** header.log2Scale);
  if (alpha) putAlpha(large, alpha);
  progress?.(large, 0, 0, large.width, large.height);
  return large;
}
