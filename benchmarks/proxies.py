"""Small trainings set side by side: the same steps, the same held-back pictures, several seeds, BD-rates and spread.

    python benchmarks/proxies.py ANCHOR.toml RECIPE.toml ... [--seeds 1 2 3] [--steps N] [-o FILE.csv]

Each recipe is trained once a seed and compared, by its last look at the held-back pictures (estimated bits, averaged
weights), with the first recipe of the same seed. A run that is complete is not done again, one that was interrupted
goes on, so the table can grow. Recipes of different steps or crops are the reader's business: figures are beside them.
"""

import argparse
import csv
import json
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from regio.evaluation.bd_rate import Curve, bd_rate
from regio.training.loop import train


@dataclass(frozen=True)
class Trained:
    """One recipe with one seed."""

    recipe: str
    seed: int
    steps: int
    curve: Curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", type=Path, nargs="+", metavar="RECIPE", help="the first is the anchor")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="of the first phase, instead of the recipes'")
    parser.add_argument("--runs", type=Path, default=Path("runs/proxy"), help="folder of the runs (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, help="CSV file of all points")
    options = parser.parse_args()
    found = []
    for seed in options.seeds:
        for recipe in options.recipes:
            found.append(run(recipe, seed, options.steps, options.runs))
            point = found[-1]
            print(f"# {point.recipe}, seed {seed}: {point.steps} steps", flush=True)
    if options.output:
        write(options.output, found)
    for line in table(found, [recipe.stem for recipe in options.recipes]):
        print(line)


def run(recipe: Path, seed: int, steps: int | None, runs: Path) -> Trained:
    """Train a recipe with a seed, or take the run that is there."""
    folder = runs / f"{recipe.stem}-{seed}"
    lines = [f'base = "{recipe.resolve()}"', f'name = "{recipe.stem}-{seed}"', f"seed = {seed}"]
    lines += [] if steps is None else ["[[phase]]", f"steps = {steps}"]
    with tempfile.TemporaryDirectory() as place:
        changed = Path(place) / "recipe.toml"
        changed.write_text("\n".join(lines), encoding="utf-8")
        train(changed, out=folder, resume=(folder / "log.jsonl").exists())
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    last = [record for record in map(json.loads, lines) if "held_back" in record][-1]
    points = last["held_back"]
    curve = Curve.through(recipe.stem, [p["bpp"] for p in points], [p["psnr"] for p in points])
    return Trained(recipe.stem, seed, last["step"], curve)


def table(found: list[Trained], order: Iterable[str]) -> list[str]:
    """One line a recipe: BD-rate against the anchor of the same seed, mean over seeds and spread."""
    anchors: dict[int, Curve] = {}
    rates: dict[str, list[float]] = {}
    for one in found:
        anchor = anchors.setdefault(one.seed, one.curve)
        rates.setdefault(one.recipe, []).append(0.0 if anchor is one.curve else bd_rate(anchor, one.curve).percent)
    lines = [f"{'recipe':<24}{'BD-rate':>9}{'spread':>9}   each seed"]
    for name in order:
        each = rates[name]
        spread = f"{statistics.stdev(each):.2f}" if len(each) > 1 else "-"
        lines.append(f"{name:<24}{statistics.mean(each):>+9.2f}{spread:>9}   {' '.join(f'{r:+.2f}' for r in each)}")
    return lines


def write(path: Path, found: list[Trained]) -> None:
    """All points, one a line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["recipe", "seed", "steps", "bpp", "psnr"])
        for one in found:
            for rate, quality in zip(one.curve.rates, one.curve.qualities, strict=True):
                out.writerow([one.recipe, one.seed, one.steps, rate, quality])


if __name__ == "__main__":
    main()
