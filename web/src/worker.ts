/** The worker: decodes one file after the other, so that the page stays free. */

import { KINDS } from "./chunks.js";
import { parse } from "./container.js";
import { type Progress, decodeWith, stored } from "./decode.js";
import { VERSION, prepare } from "./engine.js";
import { MissingWeights, RgoError } from "./errors.js";
import { type Cancel, type Reply, type Request } from "./messages.js";
import { type Rgba } from "./pixels.js";
import { cached, weightsOf } from "./store.js";
import { type Codec, loadCodec } from "./walk.js";
import { readWeights } from "./weights.js";

declare const self: DedicatedWorkerGlobalScope;

const WASM = "ort-wasm-simd-threaded.wasm";
const MOST_THREADS = 4;
const BREATH = 50; // ms after which messages are let in

let engine: Promise<void> | null = null;
const codecs = new Map<number, Promise<Codec>>();
/** Numbers of pictures that are no longer wanted. */
const unwanted = new Set<number>();

class Unwanted extends Error {}

function reply(message: Reply, transfer: Transferable[] = []): void {
  self.postMessage(message, transfer);
}

async function start(base: string): Promise<void> {
  const wasm = await cached(new URL(`${WASM}?${VERSION}`, base));
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
  prepare(wasm.buffer as ArrayBuffer, threads);
}

function codec({ base, id }: Request, model: number): Promise<Codec> {
  engine ??= start(base);
  let found = codecs.get(model);
  if (!found) {
    const fetching = (done: number, total: number): void => reply({ id, kind: "fetching", done, total });
    found = Promise.all([weightsOf(base, model, fetching), engine]).then(([data]) => loadCodec(readWeights(data)));
    found.catch(() => {
      codecs.delete(model); // a fetch that failed may succeed later
      engine = null;
    });
    codecs.set(model, found);
  }
  return found;
}

/** Lets messages in from time to time; ends the picture if one of them says so. */
function breathing(id: number): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last > BREATH) {
      await new Promise((resolve) => setTimeout(resolve));
      last = performance.now();
    }
    if (unwanted.has(id)) throw new Unwanted();
  };
}

/** A rectangle of a picture, as an array of its own. */
function cut(picture: Rgba, left: number, top: number, width: number, height: number): Uint8ClampedArray<ArrayBuffer> {
  const part = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    const start = 4 * ((top + y) * picture.width + left);
    part.set(picture.data.subarray(start, start + 4 * width), 4 * y * width);
  }
  return part;
}

async function decode(request: Request): Promise<void> {
  const { id, data, maxPixels, parts } = request;
  if (unwanted.has(id)) throw new Unwanted();
  const file = parse(data, maxPixels);
  const { header } = file;
  reply({ id, kind: "header", width: header.width, height: header.height });
  const done = ({ width, height, data: pixels }: Rgba, codec: string, quality: number): void => {
    const shown = { width, height, data: pixels, grey: header.grey, alpha: file.chunks.has(KINDS.alpha), metadata: file.metadata };
    reply({ id, kind: "done", shown, codec, quality }, [pixels.buffer]);
  };
  const exact = stored(file);
  if (exact) {
    done(exact, "without loss", 100);
    return;
  }
  if (file.weights) throw new MissingWeights(`the file needs the weights "${file.weights.name}", which this page does not have`);
  const loaded = await codec(request, header.model);
  reply({ id, kind: "loaded" });
  const progress: Progress = (whole, left, top, width, height) => {
    if (!parts) return;
    const part = cut(whole, left, top, width, height);
    reply({ id, kind: "part", left, top, width, height, data: part }, [part.buffer]);
  };
  done(await decodeWith(loaded, file, progress, breathing(id)), loaded.weights.plan.name, header.rate / 40);
}

/** What went wrong in one line: errors of ours as they are, others with what they mean. */
function fault(error: unknown): [name: string, message: string] {
  if (error instanceof RgoError) return [error.name, error.message];
  const message = String((error as Error)?.message ?? error).split("\n")[0]!;
  if (/memory|allocation|RangeError/i.test(`${(error as Error)?.name} ${message}`)) {
    return ["LimitExceeded", `the picture does not fit into the memory of this page (${message})`];
  }
  return ["RgoError", `the picture cannot be decoded: ${message}`];
}

let queue: Promise<void> = Promise.resolve();

// threads of ONNX Runtime load this file, too, and are called so
if (!self.name.startsWith("em-pthread")) {
  self.addEventListener("message", ({ data: request }: MessageEvent<Request | Cancel>) => {
    const { id } = request;
    if ("cancel" in request) {
      unwanted.add(id);
      return;
    }
    queue = queue.then(() =>
      decode(request)
        .catch((error: unknown) => {
          if (error instanceof Unwanted) return;
          const [name, message] = fault(error);
          reply({ id, kind: "error", name, message });
        })
        .finally(() => unwanted.delete(id)),
    );
  });
}
