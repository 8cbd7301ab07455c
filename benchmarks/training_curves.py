"""How trainings went, from the logs of their runs: Figure 8 (c) of [Liu2024], with masks and without.

    python benchmarks/training_curves.py RUN... [-o training.png] [--until STEP] [--window 10]

RUN is a folder that `regio train` wrote. Three drawings over the steps: cost (bits per pixel + weighted distortion),
bits per pixel and PSNR of the training crops, each a mean over --window lines of the log; dots are held-back pictures,
coded by the averaged weights. Printed are the means at the last step that all runs have.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from regio.evaluation.columns import columns, figure
from regio.evaluation.plots import written

AXES = {"cost": "cost of training crops", "bpp": "bits per pixel (estimated)", "psnr": "PSNR, dB"}


class Log(NamedTuple):
    """What a run wrote down."""

    name: str
    steps: list[int]
    lines: dict[str, list[float]]  # by key of AXES; NaN where no step was finite
    held_back: list[tuple[int, float, float]]  # step, bpp and PSNR, means over the rates


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("-o", "--output", type=Path, default=Path("training.png"), help="drawing (%(default)s)")
    parser.add_argument("--until", type=int, help="draw no later steps: the early stage")
    parser.add_argument("--window", type=int, default=10, help="lines of the log in a mean (%(default)s)")
    options = parser.parse_args(arguments)
    if options.window < 1 or (options.until is not None and options.until < 1):
        parser.error("--window and --until are 1 at least")
    logs = []
    for run in options.runs:
        try:
            logs.append(read_log(run, options.until))
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"training_curves: {run / 'log.jsonl'}: not a run's log ({error})", file=sys.stderr)
            return 2
    draw(logs, options.output, options.window)
    last = min(log.steps[-1] for log in logs)
    rows = []
    for log in logs:
        at = max(place for place, step in enumerate(log.steps) if step <= last)
        means = [figure(smooth(log.lines[key], options.window)[at], ".4f") for key in AXES]
        rows.append((log.name, str(log.steps[at]), *means))
    print(columns(("run", "step", *AXES), rows))
    print(options.output)
    return 0


def read_log(run: Path, until: int | None = None) -> Log:
    """The log of a run's folder; a last line cut short is left out. ValueError for a log without steps."""
    steps: list[int] = []
    lines: dict[str, list[float]] = {key: [] for key in AXES}
    held_back = []
    text = (run / "log.jsonl").read_text(encoding="utf-8")
    for line in text[: text.rfind("\n") + 1].splitlines():
        record: dict[str, Any] = json.loads(line)
        if until is not None and record["step"] > until:
            continue
        if "held_back" in record:
            points = record["held_back"]
            means = (float(np.mean([point[key] for point in points])) for key in ("bpp", "psnr"))
            held_back.append((record["step"], *means))
            continue
        if steps and record["step"] <= steps[-1]:  # a run that was resumed from an earlier state
            keep = sum(step < record["step"] for step in steps)
            del steps[keep:]
            for values in lines.values():
                del values[keep:]
        steps.append(record["step"])
        for key, values in lines.items():
            values.append(math.nan if record[key] is None else record[key])
    if not steps:
        raise ValueError("no steps in it")
    return Log(run.name, steps, lines, held_back)  # type: ignore[arg-type]


def smooth(values: list[float], window: int) -> list[float]:
    """Each value's mean with those before it, `window` in all; NaN is left out."""
    means = []
    for at in range(len(values)):
        some = [value for value in values[max(0, at - window + 1) : at + 1] if not math.isnan(value)]
        means.append(float(np.mean(some)) if some else math.nan)
    return means


def draw(logs: list[Log], path: Path, window: int) -> None:
    """The three drawings side by side."""
    drawing = Figure(figsize=(15, 4.5), layout="constrained")
    for axes, (key, title) in zip(drawing.subplots(1, len(AXES)), AXES.items(), strict=True):
        for number, log in enumerate(logs):
            axes.plot(log.steps, smooth(log.lines[key], window), label=log.name, color=f"C{number % 10}")
            if key != "cost" and log.held_back:
                steps, *both = zip(*log.held_back, strict=True)
                axes.plot(steps, both[key == "psnr"], "o", color=f"C{number % 10}", markersize=4)
        axes.set_xlabel("step")
        axes.set_ylabel(title)
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    written(drawing, path)


if __name__ == "__main__":
    sys.exit(main())
