/** The chunks between header and payload; docs/format.md, "Chunks". */

import { type Cursor, crc32, hex } from "./bytes.js";
import { CorruptFile, LimitExceeded, UnsupportedFile } from "./errors.js";
import { type Header } from "./header.js";
import { inflate } from "./inflate.js";

export const MAX_CHUNK = 16 * 2 ** 20;

export const KINDS = {
  icc: 1,
  exif: 2,
  xmp: 3,
  alpha: 4,
  tiles: 5,
  weights: 6,
  colour: 7,
  iccDeflated: 8,
  lossless: 9,
  exifDeflated: 130,
  xmpDeflated: 131,
} as const;
const KNOWN: ReadonlySet<number> = new Set(Object.values(KINDS));

/** Names of the colours that a file can state instead of a profile; 5 to 7 are grey. */
export const COLOURS: Readonly<Record<number, string>> = {
  1: "Display P3",
  2: "Adobe RGB (1998)",
  3: "Rec. 2020",
  4: "Rec. 2020, gamma 2.4",
  5: "Grey, gamma 2.2",
  6: "Grey, gamma 1.8",
  7: "Grey, linear",
};

/** The bodies by kind; those of unknown kinds that may be ignored are left out. */
export type Chunks = ReadonlyMap<number, Uint8Array>;

export function readChunks(from: Cursor, header: Header): Chunks {
  const bodies = new Map<number, Uint8Array>();
  const seen = new Set<number>();
  for (let kind = from.uint(1); kind !== 0; kind = from.uint(1)) {
    if (seen.has(kind)) throw new CorruptFile(`two chunks of kind ${kind}`);
    seen.add(kind);
    const length = from.varint(2 ** 32 - 1, `the length of chunk ${kind}`);
    const body = from.take(length);
    const each = kind === KINDS.lossless ? 4 : kind === KINDS.alpha || kind === KINDS.tiles ? 1 : 0;
    const perPixel = each * header.width * header.height;
    if (length > MAX_CHUNK + perPixel) throw new LimitExceeded(`chunk ${kind} has ${length} bytes, more than ${MAX_CHUNK + perPixel}`);
    const crc = from.uint(4);
    if (crc32(body) !== crc) throw new CorruptFile(`chunk ${kind} is damaged: its CRC is ${hex(crc32(body))}, not ${hex(crc)}`);
    if (KNOWN.has(kind)) bodies.set(kind, body);
    else if (kind < 128) throw new UnsupportedFile(`a chunk of kind ${kind}, from a later release; update the decoder`);
  }
  if (seen.size === 0) throw new CorruptFile("the list of chunks is empty");
  checkTogether(bodies, header);
  return bodies;
}

/** What chunks must satisfy together and beside the header. */
function checkTogether(bodies: Map<number, Uint8Array>, header: Header): void {
  const { icc, colour, iccDeflated, exif, exifDeflated, xmp, xmpDeflated } = KINDS;
  for (const group of [[icc, colour, iccDeflated], [exif, exifDeflated], [xmp, xmpDeflated]]) {
    const both = group.filter((kind) => bodies.has(kind));
    if (both.length > 1) throw new CorruptFile(`chunks of kinds ${both.join(" and ")} exclude each other`);
  }
  const code = bodies.get(colour);
  if (code) {
    if (code.length !== 1) throw new CorruptFile(`the colour chunk has ${code.length} bytes, not 1`);
    if (!(code[0]! in COLOURS)) throw new UnsupportedFile(`colour ${code[0]}, from a later release; update the decoder`);
    const grey = code[0]! >= 5;
    if (grey !== header.grey) throw new CorruptFile(`colour ${code[0]} does not fit ${header.grey ? "a grey" : "an RGB"} picture`);
  }
}

/** The bodies of metadata, inflated where they are deflated. */
export interface Metadata {
  readonly icc?: Uint8Array;
  readonly exif?: Uint8Array;
  readonly xmp?: Uint8Array;
  /** One of `COLOURS`. */
  readonly colour?: number;
}

export function metadataOf(chunks: Chunks): Metadata {
  const body = (plain: number, deflated: number): Uint8Array | undefined => {
    const packed = chunks.get(deflated);
    return packed ? inflate(packed, MAX_CHUNK) : chunks.get(plain);
  };
  const icc = body(KINDS.icc, KINDS.iccDeflated);
  const exif = body(KINDS.exif, KINDS.exifDeflated);
  const xmp = body(KINDS.xmp, KINDS.xmpDeflated);
  const colour = chunks.get(KINDS.colour)?.[0];
  return { ...(icc && { icc }), ...(exif && { exif }), ...(xmp && { xmp }), ...(colour !== undefined && { colour }) };
}

/** The custom weights that a file names. */
export interface CustomWeights {
  readonly fingerprint: Uint8Array;
  readonly name: string;
}

export function customWeights(chunks: Chunks, header: Header): CustomWeights | null {
  const body = chunks.get(KINDS.weights);
  if ((header.model === 0) !== (body !== undefined)) {
    throw new CorruptFile(body ? `weights are named, but model is ${header.model}` : "model is 0, but no weights are named");
  }
  if (!body) return null;
  if (body.length < 17 || body.length > 16 + 255) throw new CorruptFile(`the weights chunk has ${body.length} bytes, not 17 to 271`);
  const fingerprint = body.subarray(0, 16);
  if (fingerprint[0]! * 256 + fingerprint[1]! !== header.fingerprint) {
    throw new CorruptFile("the weights chunk has another fingerprint than the header");
  }
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body.subarray(16));
  } catch {
    throw new CorruptFile("the name of the weights is not UTF-8");
  }
  if (!/^[^\p{C}\p{Z}]*$/u.test(name.replaceAll(" ", ""))) {
    throw new CorruptFile("the name of the weights has characters that cannot be printed");
  }
  return { fingerprint, name };
}
