"""Encode pictures here, decode their symbols in many other environments, and compare.

    python benchmarks/portability.py PICTURES [--codec NAME|FILE ...] [--random PRESET ...] [--everything]
                                     [--qualities 10,50,90] [--limit N] [--crop SIDE] [--guard WIDTH]
                                     [--environments NAME,...] [--python PATH ...] [-o runs/portability]

Every environment is a process of its own (`--list` shows them): other numbers of threads, instruction sets and
libraries, memory layouts, precisions, batches; a GPU where there is one. Each decodes every file as it comes, without
the second attempt that a codec on a GPU makes, and compares the symbols. Where scales are floating-point it also
walks the latents with the symbols given, and measures how far its levels drift from those of the writing process,
beside the guard width. `--random` makes untrained weights of a preset whose scales reach over most tables;
`--everything` takes all bundled codecs and the toys of all families. `--python` names the interpreter of another
installation, with another version of torch say: it is one more environment.

Models with rates write each picture twice, the second time with a region of interest in its middle.

Printed: one table of models and environments; a histogram of the drift; what the guard lists cost. Some environments
are to fail: noise or arithmetic far beyond the guard width, which the checksum must notice.

Exit status 1 if symbols differ where they must not, if a difference goes unnoticed, if the drift comes nearer to the
guard width than a tenth, or if the lists cost more than 0.3 % of a model's bytes (of a guard that is wider than what
models choose by themselves, nothing is asked: it is there to have something to list).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from environments import DECADES, ENVIRONMENTS, Finding, Recorder, Sample, random_weights, streams_of, walk
from torch import Tensor

import regio
from regio.codec import Codec
from regio.entropy import FactorizedPrior, Mixture, StreamWriter, TableSet
from regio.entropy.guard import RARE
from regio.evaluation.columns import columns, figure
from regio.evaluation.sweep import find_pictures
from regio.format import parse, verify_check
from regio.images import read_picture
from regio.models.catalog import CATALOG, DEFAULT
from regio.models.mcm import PRESETS as MCM_PRESETS
from regio.models.roi import PRESETS as ROI_PRESETS
from regio.models.segpic import PRESETS

RANDOM = (*PRESETS, *(f"roi:{name}" for name in ROI_PRESETS), *(f"mcm:{name}" for name in MCM_PRESETS))
MARGIN, COST = 10.0, 0.003  # guard width over the worst drift, at least; bytes of guard lists over all, at most


class Unguarded(Recorder):
    """A reader that writes what it reads again, without guard lists, to see what they cost."""

    def __init__(self, tables: TableSet, payload: bytes) -> None:
        super().__init__(tables, [payload])
        self.writer = StreamWriter(tables)

    def factorized(
        self, stream: str, values: Tensor | None, prior: FactorizedPrior, size: tuple[int, int], present: Any = None
    ) -> Tensor:
        """See Coder."""
        decoded = super().factorized(stream, values, prior, size, present)
        return self.writer.factorized(stream, decoded, prior, size)

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder."""
        decoded = super().gaussian(stream, values, mean, level, guard)
        return self.writer.gaussian(stream, decoded, mean, level, 0.0)

    def positions(self, stream: str, kept: Tensor | None, size: tuple[int, int], expected: int | None) -> Tensor:
        """See Coder."""
        return self.writer.positions(stream, super().positions(stream, kept, size, expected), size, expected)

    def mixture(self, stream: str, values: Tensor | None, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder."""
        decoded = super().mixture(stream, values, mean, mixture)
        return self.writer.mixture(stream, decoded, mean, mixture)


def write(codec: Codec, weights: str, picture: Any, quality: float, name: str, folder: Path, region: bool) -> Sample:
    """Encode one picture here, keep the file and what other processes are compared with. region: its middle matters."""
    roi = None
    if region:
        roi = (picture.shape[1] // 4, picture.shape[0] // 4, picture.shape[1] // 2, picture.shape[0] // 2)
    data = codec.encode(picture, quality=None if not codec.net.rated else quality, roi=roi)
    file = parse(data)
    streams = streams_of(codec.net, file)
    reader = Unguarded(codec.tables, streams)
    walk(codec.net, file, reader)
    if not verify_check(data, reader.finish()[0]):
        raise SystemExit(f"{name}: the writing process cannot read its own file")
    (folder / f"{name}.rgo").write_bytes(data)
    levels, symbols = (torch.cat(parts).numpy() for parts in (reader.levels, reader.symbols))
    np.savez(folder / f"{name}.npz", levels=levels, symbols=symbols)
    guard = 0.0 if codec.net.exact_levels else codec.net.config.guard
    unguarded = len(data) - len(streams) + len(reader.writer.finish()[0].payload)
    return Sample(codec.name, weights, quality, name, guard, len(data), unguarded)


def to_run(options: argparse.Namespace) -> list[str]:
    """Names of the environments that this machine has, or that were asked for."""
    if options.environments:
        return [name.strip() for name in options.environments.split(",")]
    there = {"", *(["cuda"] if torch.cuda.is_available() else [])}
    return [name for name, environment in ENVIRONMENTS.items() if environment.needs in there]


def prepare(options: argparse.Namespace, folder: Path) -> list[Sample]:
    """Write every file, here."""
    pictures = list(find_pictures(options.pictures).items())[: options.limit]
    weights = [*options.codec, *(str(random_weights(preset, folder, options.guard)) for preset in options.random)]
    samples: list[Sample] = []
    for one in weights:
        codec = regio.load(one, device="cpu")
        qualities = [50.0] if not codec.net.rated else [float(q) for q in options.qualities.split(",")]
        for name, path in pictures:
            picture = read_picture(path).pixels[: options.crop, : options.crop]
            for quality in qualities:
                for region in (False, True) if codec.net.rated else (False,):
                    samples.append(write(codec, one, picture, quality, str(len(samples)), folder, region))
                    talk(f"wrote {name} by {codec.name}: {samples[-1].bytes} bytes")
    (folder / "samples.json").write_text(json.dumps([asdict(sample) for sample in samples]))
    return samples


def run(folder: Path, name: str, python: str = sys.executable) -> list[Finding]:
    """Decode everything in one environment, by an interpreter that has what regio needs."""
    talk(f"decoding: {name}" + (f" by {python}" if python != sys.executable else ""))
    ours = {variable for environment in ENVIRONMENTS.values() for variable in environment.variables}
    clean = {k: v for k, v in os.environ.items() if k not in ours}
    clean |= ENVIRONMENTS[name].variables
    if python != sys.executable:
        clean["PYTHONPATH"] = str(Path(regio.__file__).parents[1])
    command = [python, str(Path(__file__).with_name("environments.py")), str(folder), name]
    process = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"{name}: the process failed\n{process.stderr[-2000:]}")
    found = [Finding(**json.loads(line)) for line in process.stdout.splitlines()]
    return found if python == sys.executable else [replace(f, environment=f"torch {f.torch}") for f in found]


def fails(name: str) -> bool:
    """Whether files are expected not to decode there."""
    return name in ENVIRONMENTS and ENVIRONMENTS[name].fails


def environments_table(samples: list[Sample], findings: list[Finding]) -> str:
    """One row for each model and environment."""
    guards = {sample.model: sample.guard for sample in samples}
    rows = []
    for model in guards:
        for name in dict.fromkeys(finding.environment for finding in findings):
            here = [f for f in findings if (f.model, f.environment) == (model, name)]
            wrong = [f for f in here if not f.agrees]
            drift = max(f.drift for f in here)
            rows.append(
                [
                    model,
                    name,
                    str(len(here)),
                    str(len(wrong)),
                    str(sum(f.noticed for f in wrong)),
                    str(sum(f.recovers for f in wrong)),
                    f"{drift:.1e}" if drift else "0",
                    figure(guards[model] / drift if drift and guards[model] else math.nan, ".0f"),
                ]
            )
    header = ["model", "environment", "files", "differ", "noticed", "recovered", "worst drift", "width / drift"]
    return columns(header, rows)


def histogram_table(findings: list[Finding]) -> str:
    """Positions by the size of their drift, over the environments that must agree."""
    header = ["drift below", "0 exactly", *(f"1e{decade}" for decade in DECADES), "more"]
    rows = []
    for model in dict.fromkeys(finding.model for finding in findings):
        counts = [f.histogram for f in findings if f.model == model and not fails(f.environment)]
        rows.append([model, *(str(n) for n in np.sum(counts, axis=0).tolist())])
    return columns(header, rows)


def cost_table(samples: list[Sample]) -> str:
    """What guard lists take of the files."""
    rows = []
    for model, quality in dict.fromkeys((sample.model, sample.quality) for sample in samples):
        here = [sample for sample in samples if (sample.model, sample.quality) == (model, quality)]
        whole, without = sum(s.bytes for s in here), sum(s.unguarded for s in here)
        rows.append([model, f"{quality:g}", str(whole), str(whole - without), f"{(whole - without) / whole:.3%}"])
    return columns(["model", "quality", "bytes", "of them guard lists", "share"], rows)


def faults(samples: list[Sample], findings: list[Finding]) -> list[str]:
    """What does not hold; one line each."""
    found = []
    guards = {sample.model: sample.guard for sample in samples}
    for f in findings:
        expected = fails(f.environment)
        if not f.agrees and not f.noticed:
            found.append(f"{f.model}, {f.environment}: wrong symbols, and nothing noticed")
        if not f.agrees and not expected:
            found.append(f"{f.model}, {f.environment}: symbols differ")
        if not expected and f.drift * MARGIN > guards[f.model]:
            found.append(f"{f.model}, {f.environment}: drift {f.drift:.1e}, guard width {guards[f.model]:g}")
    for model in guards:
        here = [sample for sample in samples if sample.model == model]
        whole, without = sum(s.bytes for s in here), sum(s.unguarded for s in here)
        if whole - without > COST * whole and guards[model] <= RARE:
            found.append(f"{model}: guard lists take {(whole - without) / whole:.2%} of its files")
    return list(dict.fromkeys(found))


def talk(line: str) -> None:
    """Progress, apart from results."""
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Decode in many environments what was encoded in one.")
    parser.add_argument("pictures", type=Path, nargs="?", help="folder of pictures")
    add_codecs(parser)
    parser.add_argument("--python", action="append", default=[], help="another interpreter; may be repeated")
    parser.add_argument("--guard", type=float, help="width of the guard of untrained weights, in levels")
    parser.add_argument("--qualities", default="10,50,90", help="of models with several rates (default %(default)s)")
    parser.add_argument("--limit", type=int, help="use the first so many pictures")
    parser.add_argument("--crop", type=int, help="use the top left corner of so many rows and columns")
    parser.add_argument("--environments", help="only these, by name, separated by commas")
    parser.add_argument("--list", action="store_true", help="name the environments and stop")
    parser.add_argument("-o", "--output", type=Path, help="folder for findings.json")
    options = parser.parse_args()
    if not (options.list or options.pictures):
        parser.error("a folder of pictures is needed")
    choose_codecs(options, [preset for preset in RANDOM if "toy" in preset])
    return options


def add_codecs(parser: argparse.ArgumentParser) -> None:
    """Options for which codecs to work with."""
    parser.add_argument("--codec", action="append", default=[], help="name or weights file; may be repeated")
    parser.add_argument("--random", action="append", default=[], choices=RANDOM, help="untrained weights of a preset")
    parser.add_argument("--everything", action="store_true", help="all bundled codecs, and toys of every family")


def choose_codecs(options: argparse.Namespace, toys: Sequence[str]) -> None:
    """Fill in what --everything stands for, or the default. toys: presets of untrained weights among everything."""
    if options.everything:
        options.codec += [entry.name for entry in CATALOG.values()]
        options.random += toys
    if not options.codec and not options.random:
        options.codec = [DEFAULT]


def main() -> int:
    """Write, decode everywhere, compare, print."""
    options = arguments()
    if options.list:
        print("\n".join(ENVIRONMENTS))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = prepare(options, folder)
        findings = [finding for environment in to_run(options) for finding in run(folder, environment)]
        findings += [finding for python in options.python for finding in run(folder, "threads 1", python)]
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        whole = {"samples": [asdict(s) for s in samples], "findings": [asdict(f) for f in findings]}
        (options.output / "findings.json").write_text(json.dumps(whole, indent=1))
    print(environments_table(samples, findings), histogram_table(findings), cost_table(samples), sep="\n\n")
    wrong = faults(samples, findings)
    print("\n" + ("\n".join(wrong) or "everything holds"))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
