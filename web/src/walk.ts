/** From the bytes of a tile to its latents: the walk of the plan, docs/light.md. */

import { crc32 } from "./bytes.js";
import { CorruptFile } from "./errors.js";
import { type Run, type Values, load } from "./engine.js";
import { type Header, MAX_RATE } from "./header.js";
import { readLadder, readLevels } from "./ratemap.js";
import { SymbolDecoder } from "./symbols.js";
import { type Table, factorizedTables } from "./tables.js";
import { type Tile } from "./tiles.js";
import { type Step, type Weights } from "./weights.js";

/** A codec whose graphs are loaded. */
export interface Codec {
  readonly weights: Weights;
  readonly steps: readonly { step: Step; run: Run | null }[];
  readonly synthesis: Run;
  readonly tables: Readonly<Record<string, readonly Table[]>>;
}

export async function loadCodec(weights: Weights): Promise<Codec> {
  const steps: { step: Step; run: Run | null }[] = [];
  for (const step of weights.plan.walk) steps.push({ step, run: step.both ? await load(weights, step.both) : null });
  const tables = Object.entries(weights.plan.priors).map(([stream, prior]) => [
    stream,
    factorizedTables(prior.lowest, prior.lengths, prior.counts),
  ]);
  return { weights, steps, synthesis: await load(weights, weights.plan.synthesis), tables: Object.fromEntries(tables) };
}

/** What a tile decodes to. */
export interface Latents {
  /** (1,C,h,w). */
  readonly yHat: Values;
  /** (1,C,grid,grid); null in models without prototypes. */
  readonly shallow: Values | null;
  /** (1,1,H / multiple,W / multiple). */
  readonly rate: Values;
  readonly symbolCrc: number;
}

/** The symbols of an array as the checksum sees them. */
function logged(symbols: Int32Array, crc: number): number {
  return crc32(new Uint8Array(symbols.buffer, symbols.byteOffset, symbols.byteLength), crc);
}

/** For each of `size` positions the row (or column) of a grid by grid array. */
export function cells(size: number, grid: number): BigInt64Array {
  return BigInt64Array.from({ length: size }, (_, k) => BigInt(Math.floor((k * grid) / size)));
}

/** Decodes a tile; the caller compares the checksum. CorruptFile where no writer made the bytes. */
export async function walk(codec: Codec, header: Header, tile: Tile): Promise<Latents> {
  const { network } = codec.weights.plan;
  const rows = Math.ceil(tile.height / network.multiple);
  const columns = Math.ceil(tile.width / network.multiple);
  let crc = 0;
  let { data } = tile;
  const rate = new Float32Array(rows * columns).fill(header.rate / MAX_RATE);
  if (header.varies) {
    if (network.regions !== "rate_map") throw new CorruptFile(`${codec.weights.plan.name} has no rate maps, but the file has one`);
    const ladder = readLadder(data, header.rate);
    const levels = readLevels(ladder, rows, columns);
    levels.forEach((level, k) => (rate[k] = ladder.rates[level]! / MAX_RATE));
    crc = logged(levels, crc);
    data = ladder.streams;
  }
  const known: Record<string, Values> = { rate: { data: rate, dims: [1, 1, rows, columns] } };
  for (const stride of [8, 16]) {
    const each = network.multiple / stride;
    known[`rows_${stride}`] = { data: cells(rows * each, header.grid), dims: [rows * each] };
    known[`columns_${stride}`] = { data: cells(columns * each, header.grid), dims: [columns * each] };
  }
  const decoder = new SymbolDecoder(data);
  for (const { step, run } of codec.steps) {
    if (run) Object.assign(known, await run(known));
    if (step.code === undefined) continue;
    const [symbols, values] = step.code === "gaussian" ? gaussian(decoder, step, known) : factorized(decoder, codec, step, header.grid);
    crc = logged(symbols, crc);
    known[step.decoded!] = values;
  }
  return { yHat: known["y_hat"]!, shallow: known["shallow"] ?? null, rate: known["rate"]!, symbolCrc: crc };
}

function gaussian(decoder: SymbolDecoder, step: Step, known: Record<string, Values>): [Int32Array, Values] {
  const [mean, level] = step.given!.map((name) => known[name]!) as [Values, Values];
  const symbols = decoder.gaussian(level.data as Float32Array);
  const means = mean.data as Float32Array;
  return [symbols, { data: Float32Array.from(symbols, (symbol, k) => symbol + means[k]!), dims: mean.dims }];
}

function factorized(decoder: SymbolDecoder, codec: Codec, step: Step, grid: number): [Int32Array, Values] {
  const tables = codec.tables[step.stream!]!;
  const { medians } = codec.weights.plan.priors[step.stream!]!;
  const each = grid * grid;
  const symbols = decoder.factorized(tables, each);
  const data = Float32Array.from(symbols, (symbol, k) => symbol + medians[Math.floor(k / each)]!);
  return [symbols, { data, dims: [1, tables.length, grid, grid] }];
}
