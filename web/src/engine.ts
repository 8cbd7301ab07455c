/** ONNX Runtime for the web, as far as a decoder needs it. */

import * as ort from "onnxruntime-web/wasm";

import { type Graph, type Weights } from "./weights.js";

/** An array; indices are whole numbers of 64 bits for the engine. */
export interface Values {
  readonly data: Float32Array | BigInt64Array;
  readonly dims: readonly number[];
}

export type Run = (inputs: Readonly<Record<string, Values>>) => Promise<Record<string, Values>>;

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
    for (const name of graph.inputs) {
      const { data, dims } = inputs[name]!;
      feeds[name] = data instanceof BigInt64Array ? new ort.Tensor("int64", data, dims) : new ort.Tensor("float32", data, dims);
    }
    const found = await session.run(feeds);
    return Object.fromEntries(
      graph.outputs.map((name) => [name, { data: found[name]!.data as Float32Array, dims: found[name]!.dims }]),
    );
  };
}
