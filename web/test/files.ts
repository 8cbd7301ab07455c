/** The conformance files and the golden files of the repository. */

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const TESTS = fileURLToPath(new URL("../../../tests/", import.meta.url));

export const CONFORMANCE = `${TESTS}conformance/`;
export const GOLDEN = `${TESTS}golden/`;

export interface Facts {
  codec: string;
  feature: string;
  bytes: number;
  header: Record<string, number | boolean | string>;
  chunks: Record<string, number>;
  metadata: Record<string, number>;
  tile_bytes: number[];
  tiles: { symbol_crc: string; parts: [string, number, string][] }[];
}

export const FACTS = JSON.parse(readFileSync(`${CONFORMANCE}files.json`, "utf8")) as Record<string, Facts>;

export function bytesOf(name: string, folder = CONFORMANCE): Uint8Array {
  return new Uint8Array(readFileSync(`${folder}${name}`));
}

export const GOLDEN_FILES = readdirSync(GOLDEN).filter((name) => name.endsWith(".rgo"));
