/**
 * Decodes .rgo pictures in the browser.
 *
 *     import { Decoder } from "regio-decode";
 *     const picture = await new Decoder("/regio/").decode(bytes);
 *     canvas.getContext("2d").putImageData(new ImageData(picture.data, picture.width), 0, 0);
 */

import { CorruptFile, LimitExceeded, MissingWeights, RgoError, UnsupportedFile } from "./errors.js";
import { type Cancel, type Part, type Reply, type Request, type Transferred } from "./messages.js";
import { writePng } from "./png-writer.js";

export { CorruptFile, LimitExceeded, MissingWeights, RgoError, UnsupportedFile } from "./errors.js";
export { type Metadata } from "./chunks.js";
export { type Part } from "./messages.js";

/** Pixels that a picture may have unless the caller says otherwise: browsers show no canvas beyond it. */
export const MAX_PIXELS = 2 ** 26;

/** A decoded picture. */
export interface Decoded extends Transferred {
  /** Name of the weights that made it; "without loss" if it needed none. */
  readonly codec: string;
  /** 0 to 100; the lowest where it varies over the picture, 100 without loss. */
  readonly quality: number;
  /** Milliseconds, without fetching and loading weights. */
  readonly milliseconds: number;
}

export interface Options {
  /** Pictures with more pixels are refused; default 2^26. */
  readonly maxPixels?: number;
  /** Called once, with the size of the picture. */
  readonly onSize?: (width: number, height: number) => void;
  /** Called while weights are fetched, in bytes. */
  readonly onFetch?: (done: number, total: number) => void;
  /** Called when the weights are there and decoding begins. */
  readonly onStart?: () => void;
  /** Called with parts of a large picture as soon as they are final. */
  readonly onPart?: (part: Part) => void;
  /** Ends the decoding, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const KINDS = { CorruptFile, LimitExceeded, MissingWeights, UnsupportedFile };

interface Job {
  readonly options: Options;
  readonly resolve: (picture: Decoded) => void;
  readonly reject: (error: unknown) => void;
  started: number;
}

/** Decodes in a worker, one picture after the other. */
export class Decoder {
  private readonly base: string;
  private readonly jobs = new Map<number, Job>();
  private worker: Worker | null = null;
  private last = 0;

  /** base: the folder with regio-worker.js, the engine and the weights, on the page's own server. */
  constructor(base: string | URL) {
    this.base = new URL(base, globalThis.location?.href).href;
  }

  /** The pixels of a file; an RgoError of one line if it is damaged or cannot be decoded here. */
  decode(data: Uint8Array | ArrayBuffer, options: Options = {}): Promise<Decoded> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.worker ??= this.start();
    const id = ++this.last;
    const { base } = this;
    const bytes = new Uint8Array(data.slice(0));
    const request: Request = { id, data: bytes, base, maxPixels: options.maxPixels ?? MAX_PIXELS, parts: Boolean(options.onPart) };
    return new Promise((resolve, reject) => {
      this.jobs.set(id, { options, resolve, reject, started: performance.now() });
      signal?.addEventListener("abort", () => this.cancel(id, signal.reason), { once: true });
      this.worker!.postMessage(request, [bytes.buffer]);
    });
  }

  /** Ends the worker and frees its memory; pictures not decoded yet end in an error. */
  close(): void {
    this.end(new RgoError("the decoder was closed"));
  }

  private cancel(id: number, reason: unknown): void {
    const job = this.jobs.get(id);
    if (!job) return;
    this.jobs.delete(id);
    const message: Cancel = { id, cancel: true };
    this.worker?.postMessage(message);
    job.reject(reason);
  }

  private start(): Worker {
    const worker = new Worker(new URL("regio-worker.js", this.base), { type: "module" });
    worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => this.hear(data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.end(new RgoError(`the decoder cannot run here: ${event.message ?? "regio-worker.js cannot be loaded"}`));
    });
    return worker;
  }

  private end(error: RgoError): void {
    this.worker?.terminate();
    this.worker = null;
    for (const job of this.jobs.values()) job.reject(error);
    this.jobs.clear();
  }

  private hear(reply: Reply): void {
    const job = this.jobs.get(reply.id);
    if (!job) return;
    const { options } = job;
    switch (reply.kind) {
      case "header":
        return options.onSize?.(reply.width, reply.height);
      case "fetching":
        return options.onFetch?.(reply.done, reply.total);
      case "loaded":
        job.started = performance.now();
        return options.onStart?.();
      case "part":
        return options.onPart?.(reply);
      case "done": {
        this.jobs.delete(reply.id);
        const { shown, codec, quality } = reply;
        return job.resolve({ ...shown, codec, quality, milliseconds: performance.now() - job.started });
      }
      case "error":
        this.jobs.delete(reply.id);
        return job.reject(new (KINDS[reply.name as keyof typeof KINDS] ?? RgoError)(reply.message));
    }
  }
}

/** The picture as a PNG file, with its colour profile and metadata. */
export function toPng(picture: Decoded): Promise<Blob> {
  return writePng(picture);
}
