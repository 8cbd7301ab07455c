/** From the latents of tiles to pixels, window by window; docs/format.md, "tiles", "Pixels". */

import { type Values } from "./engine.js";
import { Axis, FADE, type Span } from "./layout.js";
import { type Codec, type Latents } from "./walk.js";

/** Pixels that are final: three planes of floats, not limited, in raster order. */
export interface Piece {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly planes: Float32Array;
}

const length = (span: Span): number => span.stop - span.start;

/** A rectangle out of arrays (C,h,w), pasted into others. */
function paste(
  from: Float32Array,
  fromDims: readonly number[],
  into: Float32Array,
  intoDims: readonly number[],
  y: number,
  x: number,
  part: { y: Span; x: Span },
): void {
  const [channels, h, w] = fromDims as [number, number, number];
  const [, rows, columns] = intoDims as [number, number, number];
  for (let c = 0; c < channels; c++) {
    for (let row = part.y.start; row < part.y.stop; row++) {
      const start = (c * h + row) * w;
      into.set(from.subarray(start + part.x.start, start + part.x.stop), (c * rows + y + row - part.y.start) * columns + x);
    }
  }
}

export class Synthesis {
  readonly rows: Axis;
  readonly columns: Axis;
  private readonly held = new Map<number, Latents>();
  private left: Float32Array | null = null;
  private above = new Map<number, Float32Array>();

  constructor(
    private readonly codec: Codec,
    width: number,
    height: number,
    side: number | null,
    private readonly grid: number,
    private readonly fetch: (tile: number) => Promise<Latents>,
  ) {
    const { network } = codec.weights.plan;
    this.rows = new Axis(height, side, network);
    this.columns = new Axis(width, side, network);
  }

  /** The picture in pieces, in raster order of the blocks; together they cover it, filled up to multiples. */
  async *pieces(): AsyncGenerator<Piece> {
    const { rows, columns } = this;
    for (let row = 0; row < rows.blocks; row++) {
      for (let column = 0; column < columns.blocks; column++) {
        const window = { y: rows.window(row), x: columns.window(column) };
        await this.fetchFor(window);
        const xHat = await this.window(row, column, window);
        yield this.faded(row, column, this.cropped(xHat, row, column, window));
        this.drop(row, column);
      }
    }
  }

  private async fetchFor(window: { y: Span; x: Span }): Promise<void> {
    const [down, across] = [this.rows.tilesIn(window.y), this.columns.tilesIn(window.x)];
    for (let y = down.start; y < down.stop; y++) {
      for (let x = across.start; x < across.stop; x++) {
        const k = y * this.columns.tiles + x;
        if (!this.held.has(k)) this.held.set(k, await this.fetch(k));
      }
    }
  }

  /** Forgets the tiles that no later block sees. */
  private drop(row: number, column: number): void {
    const next = row + 1 < this.rows.blocks ? this.rows.tilesIn(this.rows.window(row + 1)).start : this.rows.tiles;
    const end = column + 1 < this.columns.blocks ? this.columns.tilesIn(this.columns.window(column + 1)).start : this.columns.tiles;
    for (const k of this.held.keys()) {
      if (Math.floor(k / this.columns.tiles) < next && k % this.columns.tiles < end) this.held.delete(k);
    }
  }

  private async window(row: number, column: number, window: { y: Span; x: Span }): Promise<Values> {
    const { rows, columns, grid } = this;
    const { stride, multiple } = this.codec.weights.plan.network;
    const inputs: Record<string, Values> = this.assembled(window);
    for (const at of [8, 16]) {
      const factor = stride / at;
      for (const [name, axis, span, inner] of [
        ["rows", rows, window.y, rows.inner(row)],
        ["columns", columns, window.x, columns.inner(column)],
      ] as const) {
        const data = axis.cells(span, grid, factor);
        const start = (inner.start - span.start) * factor;
        const seen = BigInt64Array.from({ length: length(inner) * factor }, (_, k) => BigInt(start + k));
        inputs[`${name}_${at}`] = { data, dims: [data.length] };
        inputs[`inner_${name}_${at}`] = { data: seen, dims: [seen.length] };
      }
    }
    if (length(window.y) % (multiple / stride) || length(window.x) % (multiple / stride)) throw new Error("a window that does not fit");
    return (await this.codec.synthesis(inputs))["x_hat"]!;
  }

  /** Latents, rates and prototypes of a window, put together from its tiles. */
  private assembled(window: { y: Span; x: Span }): Record<string, Values> {
    const { rows, columns, grid } = this;
    const { stride, multiple } = this.codec.weights.plan.network;
    const coarse = multiple / stride;
    const [h, w] = [length(window.y), length(window.x)];
    const [down, across] = [rows.tilesIn(window.y), columns.tilesIn(window.x)];
    const first = this.held.get(down.start * columns.tiles + across.start)!;
    const latent = first.yHat.dims[1]!;
    const yHat = new Float32Array(latent * h * w);
    const rate = new Float32Array((h / coarse) * (w / coarse));
    const prototypes = first.shallow?.dims[1] ?? 0;
    const size = [length(down) * grid, length(across) * grid] as const;
    const shallow = new Float32Array(prototypes * size[0] * size[1]);
    for (let y = down.start; y < down.stop; y++) {
      for (let x = across.start; x < across.stop; x++) {
        const tile = this.held.get(y * columns.tiles + x)!;
        const [tileRows, tileColumns] = [rows.tileSpan(y), columns.tileSpan(x)];
        const part = { y: common(tileRows, window.y), x: common(tileColumns, window.x) };
        const to = [part.y.start + tileRows.start - window.y.start, part.x.start + tileColumns.start - window.x.start] as const;
        paste(tile.yHat.data as Float32Array, tile.yHat.dims.slice(1), yHat, [latent, h, w], ...to, part);
        const rated = { y: divided(part.y, coarse), x: divided(part.x, coarse) };
        paste(tile.rate.data as Float32Array, tile.rate.dims.slice(1), rate, [1, h / coarse, w / coarse], to[0] / coarse, to[1] / coarse, rated);
        if (tile.shallow) {
          const whole = { y: { start: 0, stop: grid }, x: { start: 0, stop: grid } };
          const place = [(y - down.start) * grid, (x - across.start) * grid] as const;
          paste(tile.shallow.data as Float32Array, [prototypes, grid, grid], shallow, [prototypes, ...size], ...place, whole);
        }
      }
    }
    return {
      y_hat: { data: yHat, dims: [1, latent, h, w] },
      rate: { data: rate, dims: [1, 1, h / coarse, w / coarse] },
      ...(first.shallow && { shallow: { data: shallow, dims: [1, prototypes, ...size] } }),
    };
  }

  /** The reach of a block out of what its window gives. */
  private cropped(xHat: Values, row: number, column: number, window: { y: Span; x: Span }): Piece {
    const { stride } = this.codec.weights.plan.network;
    const [y, x] = [this.rows.reach(row), this.columns.reach(column)];
    const [width, height] = [length(x) * stride, length(y) * stride];
    const planes = new Float32Array(3 * width * height);
    const part = { y: scaled(y, window.y.start, stride), x: scaled(x, window.x.start, stride) };
    paste(xHat.data as Float32Array, xHat.dims.slice(1), planes, [3, height, width], 0, 0, part);
    return { left: x.start * stride, top: y.start * stride, width, height, planes };
  }

  /** Mixes the overlaps with the blocks to the left and above -> what is final. */
  private faded(row: number, column: number, reach: Piece): Piece {
    const { rows, columns } = this;
    const { stride } = this.codec.weights.plan.network;
    const overlap = 2 * FADE * stride;
    const lastColumn = column === columns.blocks - 1;
    const lastRow = row === rows.blocks - 1;
    const edge = lastColumn ? null : part(reach, reach.width - overlap, 0, overlap, reach.height);
    if (column > 0) mix(this.left!, reach, overlap, reach.height, (x) => (x + 0.5) / overlap);
    this.left = edge;
    const narrow = lastColumn ? reach : { ...reach, width: reach.width - overlap, planes: part(reach, 0, 0, reach.width - overlap, reach.height) };
    const lower = lastRow ? null : part(narrow, 0, narrow.height - overlap, narrow.width, overlap);
    if (row > 0) mix(this.above.get(column)!, narrow, narrow.width, overlap, (_, y) => (y + 0.5) / overlap);
    if (lower) this.above.set(column, lower);
    if (lastRow) return narrow;
    const height = narrow.height - overlap;
    return { ...narrow, height, planes: part(narrow, 0, 0, narrow.width, height) };
  }
}

function common(tile: Span, window: Span): Span {
  return { start: Math.max(tile.start, window.start) - tile.start, stop: Math.min(tile.stop, window.stop) - tile.start };
}

function divided(span: Span, by: number): Span {
  return { start: span.start / by, stop: span.stop / by };
}

function scaled(span: Span, origin: number, by: number): Span {
  return { start: (span.start - origin) * by, stop: (span.stop - origin) * by };
}

function part(piece: Piece, left: number, top: number, width: number, height: number): Float32Array {
  const planes = new Float32Array(3 * width * height);
  const span = { y: { start: top, stop: top + height }, x: { start: left, stop: left + width } };
  paste(piece.planes, [3, piece.height, piece.width], planes, [3, height, width], 0, 0, span);
  return planes;
}

/** Mixes what came before into the first columns or rows of a piece; share: of the piece itself. */
function mix(before: Float32Array, piece: Piece, width: number, height: number, share: (x: number, y: number) => number): void {
  for (let c = 0, at = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        const k = (c * piece.height + y) * piece.width + x;
        const own = share(x, y);
        piece.planes[k] = before[at]! * (1 - own) + piece.planes[k]! * own;
      }
    }
  }
}
