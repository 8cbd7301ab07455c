/** What page and worker tell each other. */

import { type Shown } from "./png-writer.js";

export interface Request {
  readonly id: number;
  readonly data: Uint8Array;
  /** Where worker, engine and weights lie. */
  readonly base: string;
  readonly maxPixels: number;
  /** Send parts of the picture as soon as they are final. */
  readonly parts: boolean;
}

/** The picture of this number is no longer wanted. */
export interface Cancel {
  readonly id: number;
  readonly cancel: true;
}

export type Reply = { readonly id: number } & (
  | { readonly kind: "header"; readonly width: number; readonly height: number }
  | { readonly kind: "fetching"; readonly done: number; readonly total: number }
  | { readonly kind: "loaded" }
  | Part
  | { readonly kind: "done"; readonly shown: Transferred; readonly codec: string; readonly quality: number }
  | { readonly kind: "error"; readonly name: string; readonly message: string }
);

/** A part of the picture that will not change any more. */
export interface Part {
  readonly kind: "part";
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export type Transferred = Shown & { readonly data: Uint8ClampedArray<ArrayBuffer> };
