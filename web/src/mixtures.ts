/** Tables of mixtures of three Gaussians; docs/format.md, "Mixture symbols". */

import { TOTAL } from "./range.js";
import { normal, scaleOf } from "./tables.js";

const REACHES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96];

/** An entry stands for 2^shift symbols; there are `reach` entries on either side of the middle one. */
export interface Width {
  readonly shift: number;
  readonly reach: number;
}

interface Component {
  readonly reach: number;
  /** The distribution function at 0, 1/8, 2/8 ... in units of 2^-22. */
  readonly cdf: Float64Array;
}

const components: Component[] = [];

export function component(t: number): Component {
  return (components[t] ??= makeComponent(t));
}

function makeComponent(t: number): Component {
  const scale = scaleOf(t);
  const reach = Math.max(1, Math.ceil(4.3 * scale));
  return { reach, cdf: Float64Array.from({ length: 8 * reach + 5 }, (_, k) => Math.floor(normal(k / (8 * scale)) * 2 ** 22 + 0.5)) };
}

/** The width of the mixture whose components are at first, first + 1 and first + 2. */
export function mixtureWidth(tables: ArrayLike<number>, offsets: ArrayLike<number>, weights: ArrayLike<number>, first: number): Width {
  let far = 1;
  for (let k = first; k < first + 3; k++) {
    if (weights[k]) far = Math.max(far, component(tables[k]!).reach + Math.ceil(Math.abs(offsets[k]!) / 8));
  }
  let shift = 0;
  while (far > 96 * 2 ** shift) shift += 1;
  const least = Math.ceil(far / 2 ** shift);
  return { shift, reach: REACHES.find((reach) => reach >= least)! };
}

/** Writes the running sums of the counts of 2·reach + 2 entries into `ends`. */
export function mixtureTable(
  tables: ArrayLike<number>,
  offsets: ArrayLike<number>,
  weights: ArrayLike<number>,
  first: number,
  { shift, reach }: Width,
  ends: Uint32Array,
): void {
  const entries = 2 * reach + 1;
  const budget = TOTAL - entries - 2 ** 8;
  let sum = 0;
  let before = 0;
  for (let k = 0; k <= entries; k++) {
    const end = 8 * (k - reach) * 2 ** shift - 4;
    let below = 0;
    for (let m = first; m < first + 3; m++) {
      if (!weights[m]) continue;
      const { cdf } = component(tables[m]!);
      const at = Math.min(Math.max(end - offsets[m]!, 1 - cdf.length), cdf.length - 1);
      below += weights[m]! * (at >= 0 ? cdf[at]! : 2 ** 22 - cdf[-at]!);
    }
    if (k > 0) {
      sum += Math.floor(((below - before) * budget) / 2 ** 29) + 1;
      ends[k - 1] = sum;
    }
    before = below;
  }
  ends[entries] = TOTAL;
}
