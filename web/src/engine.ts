/** ONNX Runtime for the web, as far as a decoder needs it. */

import * as ort from "onnxruntime-web/wasm";

import { type Graph, type Weights } from "./weights.js";

/** An array: float32, or int64 for indices; what goes from graph to graph only may be of other types. */
export interface Values {
  readonly data: Float32Array | BigInt64Array;
  readonly dims: readonly number[];
  /** What the engine calls the type, where it made the array. */
  readonly type?: ort.Tensor.Type;
}

function tensor({ data, dims, type }: Values): ort.Tensor {
  return new ort.Tensor(type ?? (data instanceof BigInt64Array ? "int64" : "float32"), data, dims);
}

export type Run = (inputs: Readonly<Record<string, Values>>) => Promise<Record<string, Values>>;

/** The release of ONNX Runtime, whose WebAssembly must be of the same. */
export const VERSION = ort.env.versions.web ?? "";

/** wasm: the bytes of ort-wasm-simd-threaded.wasm, or undefined to let ONNX Runtime find it. */
export function prepare(wasm: ArrayBuffer | undefined, threads: number): void {
  if (wasm) ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.proxy = false;
}

/** A graph, ready to run. */
export async function load(weights: Weights, graph: Graph): Promise<Run> {
  const model = weights.graphs.subarray(graph.offset, graph.offset + graph.length);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["wasm"],
    externalData: weights.files.map(({ path, data }) => ({ path, data })),
    logSeverityLevel: 3,
  });
  return async (inputs) => {
    const feeds: Record<string, ort.Tensor> = {};
    for (const name of graph.inputs) feeds[name] = tensor(inputs[name]!);
    const found = await session.run(feeds);
    return Object.fromEntries(
      graph.outputs.map((name) => {
        const { data, dims, type } = found[name]!;
        return [name, { data: data as Float32Array, dims, type }];
      }),
    );
  };
}
