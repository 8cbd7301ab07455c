/** Writes pictures as PNG files, with what a file says of its colours, and its metadata. */

import { crc32, fourBytes } from "./bytes.js";
import { type Metadata } from "./chunks.js";

export interface Shown {
  readonly width: number;
  readonly height: number;
  /** RGBA, 8 bits each. */
  readonly data: Uint8ClampedArray;
  readonly grey: boolean;
  readonly alpha: boolean;
  readonly metadata: Metadata;
}

const STRIP = 2 ** 20; // bytes of rows that are filtered at a time
const LATIN = new TextEncoder();

function chunk(kind: string, body: Uint8Array): Uint8Array[] {
  const named = joined([LATIN.encode(kind), body]);
  return [fourBytes(body.length), named, fourBytes(crc32(named))];
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

/** The parts, compressed together as they come. */
async function deflated(parts: Iterable<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  const { readable, writable } = new CompressionStream("deflate");
  const whole = new Response(readable).arrayBuffer();
  const writer = writable.getWriter();
  for (const part of parts) {
    await writer.write(part);
    await new Promise((resolve) => setTimeout(resolve)); // browsers compress on the thread that asks
  }
  await writer.close();
  return new Uint8Array(await whole);
}

const D65 = [0.3127, 0.329];
const P3 = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06];
const ADOBE = [0.64, 0.33, 0.21, 0.71, 0.15, 0.06];
const REC2020 = [0.708, 0.292, 0.17, 0.797, 0.131, 0.046];

/** By code of the colour chunk: primaries, exponent of the curve, and codes of ITU-T H.273 where they say it exactly. */
const COLOURS: Readonly<Record<number, { primaries?: number[]; exponent: number; codes?: [number, number] }>> = {
  1: { primaries: P3, exponent: 2.2, codes: [12, 13] },
  2: { primaries: ADOBE, exponent: 2.19921875 },
  3: { primaries: REC2020, exponent: 2.2, codes: [9, 14] },
  4: { primaries: REC2020, exponent: 2.4 },
  5: { exponent: 2.2 },
  6: { exponent: 1.8 },
  7: { exponent: 1 },
};

async function colourChunks({ icc, colour }: Metadata): Promise<Uint8Array[]> {
  if (icc) return chunk("iCCP", joined([LATIN.encode("profile\0\0"), await deflated([icc.slice()])]));
  const found = colour === undefined ? undefined : COLOURS[colour];
  if (!found) return chunk("sRGB", Uint8Array.of(0));
  const chunks = found.codes ? chunk("cICP", Uint8Array.of(...found.codes, 0, 1)) : [];
  chunks.push(...chunk("gAMA", fourBytes(Math.round(100000 / found.exponent))));
  if (found.primaries) {
    const places = [...D65, ...found.primaries].map((place) => fourBytes(Math.round(100000 * place)));
    chunks.push(...chunk("cHRM", joined(places)));
  }
  return chunks;
}

/** Rows of samples, each the difference to the one above, in strips: the page stays free in between. */
function* filteredRows({ width, height, data, grey, alpha }: Shown): Generator<Uint8Array<ArrayBuffer>> {
  const channels = (grey ? 1 : 3) + (alpha ? 1 : 0);
  const places = [...(grey ? [0] : [0, 1, 2]), ...(alpha ? [3] : [])];
  const line = width * channels;
  const each = Math.max(1, Math.floor(STRIP / (line + 1)));
  let rows = new Uint8Array(0);
  const plain = [new Uint8Array(line), new Uint8Array(line)] as [Uint8Array, Uint8Array];
  for (let y = 0; y < height; y++) {
    const [above, here] = plain;
    for (let x = 0, to = 0; x < width; x++) {
      for (const place of places) here[to++] = data[4 * (y * width + x) + place]!;
    }
    if (y % each === 0) rows = new Uint8Array((line + 1) * Math.min(each, height - y));
    const start = (y % each) * (line + 1);
    rows[start] = 2;
    for (let k = 0; k < line; k++) rows[start + 1 + k] = here[k]! - above[k]!;
    plain.reverse();
    if (start + line + 1 === rows.length) yield rows;
  }
}

export async function writePng(shown: Shown): Promise<Blob> {
  const { width, height, grey, alpha, metadata } = shown;
  const head = joined([fourBytes(width), fourBytes(height), Uint8Array.of(8, (grey ? 0 : 2) + (alpha ? 4 : 0), 0, 0, 0)]);
  const parts = [Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10), ...chunk("IHDR", head), ...(await colourChunks(metadata))];
  if (metadata.exif) parts.push(...chunk("eXIf", metadata.exif));
  if (metadata.xmp) parts.push(...chunk("iTXt", joined([LATIN.encode("XML:com.adobe.xmp\0\0\0\0\0"), metadata.xmp])));
  parts.push(...chunk("IDAT", await deflated(filteredRows(shown))), ...chunk("IEND", new Uint8Array()));
  return new Blob([joined(parts)], { type: "image/png" });
}
