/** The worker: decodes one file after the other, so that the page stays free. */

import { parse } from "./container.js";
import { decodeWith } from "./decode.js";
import { VERSION, prepare } from "./engine.js";
import { RgoError } from "./errors.js";
import { type Request, type Reply } from "./messages.js";
import { type Rgba } from "./pixels.js";
import { cached, weightsOf } from "./store.js";
import { type Codec, loadCodec } from "./walk.js";
import { readWeights } from "./weights.js";

declare const self: DedicatedWorkerGlobalScope;

const WASM = "ort-wasm-simd-threaded.wasm";
const MOST_THREADS = 4;

let engine: Promise<void> | null = null;
const codecs = new Map<number, Promise<Codec>>();

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
  const file = parse(data, maxPixels);
  const { header } = file;
  reply({ id, kind: "header", width: header.width, height: header.height });
  const loaded = await codec(request, header.model);
  reply({ id, kind: "loaded" });
  const picture = await decodeWith(loaded, file, (whole, left, top, width, height) => {
    if (!parts) return;
    const part = cut(whole, left, top, width, height);
    reply({ id, kind: "part", left, top, width, height, data: part }, [part.buffer]);
  });
  const { width, height, data: pixels } = picture;
  const shown = { width, height, data: pixels, grey: header.grey, alpha: file.chunks.has(4), metadata: file.metadata };
  reply({ id, kind: "done", shown, codec: loaded.weights.plan.name, quality: header.rate / 40 }, [pixels.buffer]);
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
  self.addEventListener("message", ({ data: request }: MessageEvent<Request>) => {
    queue = queue.then(() =>
      decode(request).catch((error: unknown) => {
        const [name, message] = fault(error);
        reply({ id: request.id, kind: "error", name, message });
      }),
    );
  });
}
