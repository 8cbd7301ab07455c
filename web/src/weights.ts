/** The one file that holds all of a codec that decoding needs: plan, numbers and graphs. pack.py makes it. */

import { Cursor } from "./bytes.js";
import { CorruptFile, MissingWeights, UnsupportedFile } from "./errors.js";

/** A graph of the plan: where it lies, and the names of its arrays. */
export interface Graph {
  readonly offset: number;
  readonly length: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** A step of the walk; docs/light.md, "Plan". The last one has no `code`. */
export interface Step {
  readonly both: Graph | null;
  readonly code?: string;
  readonly stream?: string;
  readonly given?: readonly string[];
  readonly decoded?: string;
}

export interface Prior {
  readonly lowest: readonly number[];
  readonly lengths: readonly number[];
  readonly counts: readonly number[];
  readonly medians: readonly number[];
}

export interface Network {
  readonly stride: number;
  readonly multiple: number;
  readonly halo: number;
  readonly align: number;
  readonly regions: string;
}

export interface Plan {
  readonly format: number;
  readonly name: string;
  readonly number: number;
  readonly fingerprint: string;
  readonly network: Network;
  readonly priors: Readonly<Record<string, Prior>>;
  readonly walk: readonly Step[];
  readonly synthesis: Graph;
}

/** A codec as it is fetched. */
export interface Weights {
  readonly plan: Plan;
  /** The files that graphs point to; what decoding does not use is zero. */
  readonly files: readonly { path: string; data: Uint8Array }[];
  readonly graphs: Uint8Array;
}

interface Head {
  plan: Plan;
  files: { name: string; size: number; ranges: [number, number][] }[];
}

export const PLAN_FORMAT = 1;
const CODES = ["factorized", "gaussian"];

export function readWeights(data: Uint8Array): Weights {
  const from = new Cursor(data, "weights file");
  let head: Head;
  try {
    head = JSON.parse(new TextDecoder().decode(from.take(from.uint(4)))) as Head;
  } catch {
    throw new CorruptFile("the weights file is damaged, or none at all");
  }
  const { plan } = head;
  if (plan?.format !== PLAN_FORMAT) throw new UnsupportedFile(`weights of format ${plan?.format}; this decoder knows ${PLAN_FORMAT}`);
  const unknown = plan.walk.find((step) => step.code !== undefined && !CODES.includes(step.code));
  if (unknown) throw new UnsupportedFile(`${plan.name} codes ${unknown.stream} by ${unknown.code}, which this decoder does not know`);
  const files = head.files.map(({ name, size, ranges }) => {
    const whole = new Uint8Array(size);
    for (const [start, length] of ranges) whole.set(from.take(length), start);
    return { path: name, data: whole };
  });
  return { plan, files, graphs: from.take(from.left) };
}

/** MissingWeights unless these are the weights that a file names. */
export function checkWeights(plan: Plan, model: number, fingerprint: number): void {
  if (model !== plan.number) throw new MissingWeights(`the file needs model ${model}; here is ${plan.number}, ${plan.name}`);
  if (parseInt(plan.fingerprint.slice(0, 4), 16) !== fingerprint) {
    throw new MissingWeights(`the file was made with other weights of ${plan.name} than those that are here`);
  }
}
