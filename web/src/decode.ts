/** A whole file to pixels, by a codec that is loaded. */

import { type RgoFile, alphaOf, verifyCheck } from "./container.js";
import { CorruptFile } from "./errors.js";
import { codedSize } from "./header.js";
import { type Rgba, enlarged, opaque, put, putAlpha } from "./pixels.js";
import { Synthesis } from "./synthesis.js";
import { type Codec, type Latents, walk } from "./walk.js";
import { checkWeights } from "./weights.js";

/** Called when a part of the picture is final; picture: all of it, the rest still empty. */
export type Progress = (picture: Rgba, left: number, top: number, width: number, height: number) => void;

/** Decodes a parsed file; RgoError if anything about it is wrong. pause: awaited before each tile and each part. */
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
