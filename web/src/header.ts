/** The header of a file; docs/format.md, "Header". */

import { type Cursor } from "./bytes.js";
import { CorruptFile, UnsupportedFile } from "./errors.js";

export const MAX_RATE = 4000;
export const MAX_SIDE = 2 ** 20;
const MAX_MODEL = 2 ** 21 - 1;

export interface Header {
  /** Catalog id of the weights; 0 for custom weights. */
  readonly model: number;
  /** First two bytes of the fingerprint of the weights. */
  readonly fingerprint: number;
  /** Columns of the picture that a reader produces. */
  readonly width: number;
  /** Rows of the picture that a reader produces. */
  readonly height: number;
  /** Quality times 40; the lowest where rates vary. */
  readonly rate: number;
  /** Regions of the SegPIC family: a grid of this many by as many. */
  readonly grid: number;
  readonly grey: boolean;
  /** Rates vary over the picture; each tile begins with a rate map. */
  readonly varies: boolean;
  readonly hasChunks: boolean;
  /** The picture is coded at 1 / 2^log2Scale of its size. */
  readonly log2Scale: number;
  readonly check: number;
}

/** Reads the header; the cursor stands behind it afterwards. */
export function readHeader(from: Cursor): Header {
  if (from.left < 2 || from.uint(2) !== 0xd752) {
    throw new CorruptFile("this is not a .rgo file: it does not begin with the bytes D7 52");
  }
  const flags = from.uint(1);
  if (flags >> 4 !== 1) {
    throw new UnsupportedFile(`version ${flags >> 4} of the format; this decoder knows version 1`);
  }
  const model = from.varint(MAX_MODEL, "the model");
  const fingerprint = from.uint(2);
  const width = side(from, "width");
  const height = side(from, "height");
  const both = from.uint(2);
  const rate = both >> 4;
  if (rate > MAX_RATE) throw new CorruptFile(`header: rate ${rate} is above ${MAX_RATE}`);
  const log2Scale = flags & 8 ? further(from.uint(1)) : 0;
  return {
    model,
    fingerprint,
    width,
    height,
    rate,
    grid: (both & 15) + 1,
    grey: Boolean(flags & 2),
    varies: Boolean(flags & 4),
    hasChunks: Boolean(flags & 1),
    log2Scale,
    check: from.uint(4),
  };
}

function side(from: Cursor, name: string): number {
  const value = from.varint(MAX_SIDE, `the ${name}`);
  if (value === 0) throw new CorruptFile(`header: a ${name} of 0`);
  return value;
}

/** The byte of further fields: log2Scale. */
function further(byte: number): number {
  if (byte > 2) throw new UnsupportedFile("the file uses a feature of a later release; update the decoder");
  if (byte === 0) throw new CorruptFile("header: further fields are announced, and all of them are 0");
  return byte;
}

/** Columns and rows of the picture that is coded: that of the header, or a smaller one. */
export function codedSize(header: Header): [width: number, height: number] {
  const factor = 2 ** header.log2Scale;
  return [Math.ceil(header.width / factor), Math.ceil(header.height / factor)];
}
