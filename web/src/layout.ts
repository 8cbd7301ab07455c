/** Which windows a picture is synthesised in; docs/format.md, "tiles", "Pixels". In latents, 16 pixels each. */

import { type Network } from "./weights.js";

/** start <= position < stop. */
export interface Span {
  readonly start: number;
  readonly stop: number;
}

/** Latents beyond its border that a block is synthesised for, to be faded into its neighbour. */
export const FADE = 1;

/** Rows or columns of the coded picture, cut into tiles and blocks. */
export class Axis {
  readonly length: number;
  readonly tile: number;
  readonly block: number;
  private readonly halo: number;
  private readonly align: number;

  /** pixels: of the coded picture; side: of a tile in pixels, null without tiles. */
  constructor(pixels: number, side: number | null, network: Network) {
    const { stride, multiple, halo, align } = network;
    this.length = (Math.ceil(pixels / multiple) * multiple) / stride;
    this.tile = side === null ? this.length : side / stride;
    this.block = side === null ? this.length : Math.max(512, Math.min(side, 1024)) / stride;
    this.halo = halo;
    this.align = align;
  }

  get blocks(): number {
    return Math.ceil(this.length / this.block);
  }

  get tiles(): number {
    return Math.ceil(this.length / this.tile);
  }

  private within(start: number, stop: number): Span {
    return { start: Math.max(start, 0), stop: Math.min(stop, this.length) };
  }

  tileSpan(k: number): Span {
    return this.within(k * this.tile, (k + 1) * this.tile);
  }

  /** Numbers of the tiles that a span meets. */
  tilesIn(span: Span): Span {
    return { start: Math.floor(span.start / this.tile), stop: Math.ceil(span.stop / this.tile) };
  }

  core(k: number): Span {
    return this.within(k * this.block, (k + 1) * this.block);
  }

  /** What block k is synthesised for. */
  reach(k: number): Span {
    const core = this.core(k);
    return this.within(core.start - FADE, core.stop + FADE);
  }

  /** What is final once block k and those before it are done. */
  cell(k: number): Span {
    const core = this.core(k);
    return { start: Math.max(core.start - FADE, 0), stop: k === this.blocks - 1 ? core.stop : core.stop - FADE };
  }

  /** What the synthesis of block k sees. */
  window(k: number): Span {
    const core = this.core(k);
    const margin = Math.ceil((this.halo + FADE) / this.align) * this.align;
    return this.within(core.start - margin, core.stop + margin);
  }

  /** What gates average over: the part of block k that depends on no other, or the window if that is small. */
  inner(k: number): Span {
    const core = this.core(k);
    const start = core.start + (core.start ? this.halo : 0);
    const stop = core.stop - (core.stop < this.length ? this.halo : 0);
    return 2 * (stop - start) >= core.stop - core.start ? { start, stop } : this.window(k);
  }

  /** For each row of a window's features that are `stride` pixels apart, the row of its prototype. */
  cells(window: Span, grid: number, factor: number): BigInt64Array {
    const tiles = this.tilesIn(window);
    return BigInt64Array.from({ length: (window.stop - window.start) * factor }, (_, k) => {
      const at = window.start * factor + k;
      const number = Math.floor(at / (this.tile * factor));
      const tile = this.tileSpan(number);
      const place = Math.floor(((at - tile.start * factor) * grid) / ((tile.stop - tile.start) * factor));
      return BigInt((number - tiles.start) * grid + place);
    });
  }
}
