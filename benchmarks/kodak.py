"""Measure a codec of ours on a folder of pictures, from real files, and set it beside recorded curves of others.

    python benchmarks/kodak.py PICTURES --anchors FOLDER [--codec segpic-xs] [--qualities 0,10,...,100] [-o runs/kodak]
        [--rates 0.15,0.3,0.6] [--lpips WEIGHTS] [--marks BOXES] [--page docs/results.md] [--readme README.md]

FOLDER holds result files in the field's shape ({"name", "results": {"bpp", "psnr-rgb", ...}}), subfolders included,
measured on the same pictures; what `regio evaluate PICTURES --codecs avif,hevc-default -o FOLDER` writes will do.
Printed and written (sweep.csv, estimates.csv, kodak.json, plots):

- every file decodes, and is at most 1.005 x the estimated bytes + 16;
- bytes rise with quality on every picture, and the rates that quality 0..100 covers;
- PSNR, MS-SSIM and LPIPS at equal rates beside each anchor's, read off the mean curves (PCHIP over the logarithm of
  the rate);
- BD-rates in PSNR and MS-SSIM, and with the weights of SqueezeNet in LPIPS, against each anchor;
- with marked regions, PSNR inside and outside of them, coded plainly and as regions of interest at equal bytes.

Exit status 1 if a file failed, was too large, or the codec lies under JPEG at one of the rates that JPEG reaches.
Interrupted and started again it goes on.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from beside import JPEG, SHORT, Against, against_table, compare, drawn, margins, perceptual_table, readme_table

import regio
from regio.codec import Codec
from regio.codec.roi import STRENGTH
from regio.errors import RegioError, UsageError
from regio.evaluation.bd_rate import find_curves
from regio.evaluation.contestants import OwnCodec
from regio.evaluation.judges.lpips import LpipsJudge
from regio.evaluation.judges.ssimulacra2 import Ssimulacra2
from regio.evaluation.judging import Judges
from regio.evaluation.marks import read_marks
from regio.evaluation.means import MeanCurve, mean_curves, means_table, write_curves
from regio.evaluation.plots import plot
from regio.evaluation.sweep import Outcome, Row, find_pictures, sweep
from regio.images import read_picture
from regio.info import inspect
from regio.losses.perceptual import Lpips
from regio.models.catalog import DEFAULT

ROI_QUALITIES = (20.0, 40.0, 60.0)
BEGIN, END = "<!-- results: written by benchmarks/kodak.py -->", "<!-- end of results -->"
SIZE_FACTOR, SIZE_BYTES = 1.005, 16  # what a file may cost beyond its estimate: coder, header and checksum


class Estimate(NamedTuple):
    """A file beside the size the model expected of it."""

    picture: str
    quality: float
    bytes: int
    estimated_bytes: float
    allowed_bytes: float

    @property
    def holds(self) -> bool:
        return self.bytes <= self.allowed_bytes


def main() -> int:
    """Measure, compare, write, print."""
    options = arguments()
    torch.set_num_threads(options.threads)
    pictures = find_pictures(options.pictures)
    contestant = OwnCodec(regio.load(options.codec, device=options.device), options.qualities)
    lpips = (LpipsJudge(Lpips("squeeze", weights=options.lpips)),) if options.lpips else ()
    judges = Judges((*lpips, *((Ssimulacra2(),) if options.ssimulacra2 else ())))
    outcome = sweep(pictures, [contestant], options.output / "sweep.csv", judges=judges, progress=talk)
    for problem in outcome.problems:
        print(f"failed: {problem.picture}: {problem.reason}", file=sys.stderr)
    if not outcome.rows:
        return 1
    estimates = estimate(contestant.codec, pictures, outcome.rows, options.output / "estimates.csv")
    (mean,) = mean_curves(outcome.rows, {contestant.name: contestant.description})
    anchors = {metric: find_curves(options.anchors, metric) for metric in mean.metrics}
    against = compare(mean, anchors, options.rates)
    write(options, mean, against, estimates, outcome)
    for metric, curves in anchors.items():
        title = f"{mean.pictures} pictures, {SHORT[metric]}"
        place = options.output / f"rd_{metric}"
        plot([mean.curve(metric)], place, metric=metric, references=drawn(curves, metric), title=title)
    tables = f"{means_table([mean])}\n\n{against_table(mean, against, options.rates)}"
    if perceptual := perceptual_table(mean, against, options.rates):
        tables += f"\n\n{perceptual}"
    if options.marks:
        tables += f"\n\n{regions_table(contestant.codec, pictures, options.marks, options.output / 'regions.csv')}"
    print(tables, end="\n\n")
    if options.page:
        options.page.write_text(page(options, mean, tables, outcome, estimates), encoding="utf-8")
    if options.readme:
        refresh(options.readme, readme_table(mean, against, options.rates))
    jpeg = next((margins(mean, one, options.rates, "psnr") for one in against if one.anchor == JPEG), ())
    above = {rate: margin for rate, margin in zip(options.rates, jpeg, strict=False) if math.isfinite(margin)}
    return verdict(outcome, estimates, above, files=len(pictures) * len(options.qualities))


def regions_table(codec: Codec, pictures: dict[str, Path], boxes: Path, table: Path) -> str:
    """Marked pictures coded plainly and with their region as the region of interest, as lines of text."""
    marks = read_marks(boxes)
    marked = {name: path for name, path in pictures.items() if marks.identity(name)}
    if not marked:
        raise UsageError(f"{boxes}: marks none of the pictures")
    both = [OwnCodec(codec, ROI_QUALITIES), OwnCodec(codec, ROI_QUALITIES, strength=STRENGTH)]
    found = sweep(marked, both, table, judges=Judges(marks=marks), progress=talk)
    for problem in found.problems:
        print(f"failed: {problem.picture} by {problem.codec}: {problem.reason}", file=sys.stderr)
    note = f"(+roi: the marked region at strength {STRENGTH:g}; ROI share: part of the latents' bits inside it)"
    return f"{means_table(mean_curves(found.rows))}\n{note}"


def estimate(codec: Codec, pictures: dict[str, Path], rows: Sequence[Row], table: Path) -> list[Estimate]:
    """What the model expects each measured file to cost, as a list and as a CSV."""
    estimates: list[Estimate] = []
    extra = SIZE_BYTES + naming_bytes(codec)
    for name in pictures:
        mine = [row for row in rows if row.picture == name]
        if not mine:
            continue
        talk(f"{name}: estimates")
        pixels = read_picture(pictures[name]).pixels
        for row in mine:
            expected = codec.estimate_bits(pixels, row.quality) / 8
            estimates.append(Estimate(name, row.quality, row.bytes, expected, SIZE_FACTOR * expected + extra))
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([(*Estimate._fields, "holds"), *((*one, one.holds) for one in estimates)])
    return estimates


def naming_bytes(codec: Codec) -> int:
    """Bytes with which a file names weights that are not bundled; 0 for bundled ones."""
    info = inspect(codec.encode(np.zeros((64, 64, 3), np.uint8), strip=True))
    chunks = sum(size for part, size in info.parts.items() if part not in ("header", "payload"))
    return chunks + 1 if chunks else 0  # a zero byte ends the chunks


def refresh(path: Path, table: str) -> None:
    """Replace what stands between two marks of a page. Raises UsageError if it does not have them."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise UsageError(f"{path}: the marks {BEGIN} and {END} are wanted around the table")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{table}{END}{after}", encoding="utf-8")


def verdict(outcome: Outcome, estimates: Sequence[Estimate], above: dict[float, float], *, files: int) -> int:
    """Print the checks; 0 if all that must hold do. above: dB over JPEG at those rates that it reaches."""
    worst = max(estimates, key=lambda one: one.bytes / one.allowed_bytes)
    over = [one for one in estimates if not one.holds]
    ratio = sum(one.bytes for one in estimates) / sum(one.estimated_bytes for one in estimates)
    low, high = rates_covered(outcome.rows)
    checks = {
        f"{len(outcome.rows)} of {files} files made and decoded": len(outcome.rows) == files,
        f"{len(estimates) - len(over)} of {len(estimates)} files ≤ {SIZE_FACTOR} × estimate + {SIZE_BYTES} bytes "
        f"(all files {100 * (ratio - 1):+.3f} % of the estimate; closest: {worst.picture} at quality "
        f"{worst.quality:g}, {worst.bytes} of {worst.allowed_bytes:.1f})": not over,
    }
    if above:
        text = ", ".join(f"{rate:g} bpp by {margin:.2f} dB" for rate, margin in above.items())
        checks[f"PSNR above JPEG 4:2:0 at {text}"] = all(margin > 0 for margin in above.values())
    for text, holds in checks.items():
        print("ok    " if holds else "FAILED", text)
    rising = sum(rises(outcome.rows, picture) for picture in {row.picture for row in outcome.rows})
    print(
        f"note   bytes rise strictly with quality on {rising} of {len({row.picture for row in outcome.rows})} pictures"
    )
    print(f"note   mean rates from {low:.3f} to {high:.3f} bpp")
    return 0 if all(checks.values()) else 1


def rates_covered(rows: Sequence[Row]) -> tuple[float, float]:
    """Mean rate at the lowest and at the highest quality."""
    rates = mean_curves(rows)[0].bpp
    return rates[0], rates[-1]


def rises(rows: Sequence[Row], picture: str) -> bool:
    """Whether a higher quality always makes a larger file of this picture."""
    sizes = [row.bytes for row in sorted(rows, key=lambda row: row.quality) if row.picture == picture]
    return all(small < large for small, large in itertools.pairwise(sizes))


def write(
    options: argparse.Namespace,
    mean: MeanCurve,
    against: Sequence[Against],
    estimates: Sequence[Estimate],
    outcome: Outcome,
) -> None:
    """kodak.json, and the mean curve as a result file."""
    folder, rates = options.output, options.rates
    write_curves([mean], folder)
    ours = mean.curve("psnr")
    summary = {
        "codec": mean.name,
        "weights": mean.weights,
        "commits": list(mean.commits),
        "pictures": mean.pictures,
        "rates": list(rates),
        "psnr": [number(ours.quality_at(rate)) for rate in rates],
        "against": [
            {
                "anchor": one.anchor,
                "psnr": [number(value) for value in one.levels["psnr"]],
                "margin": [number(value) for value in margins(mean, one, rates, "psnr")],
                "bd": {metric: entry.as_dict() for metric, entry in one.bd.items()},
            }
            for one in against
        ],
        "files": len(outcome.rows),
        "files_over_their_estimate": [one._asdict() for one in estimates if not one.holds],
        "bytes_over_estimate": sum(one.bytes for one in estimates) / sum(one.estimated_bytes for one in estimates),
        "problems": [problem._asdict() for problem in outcome.problems],
    }
    (folder / "kodak.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def page(
    options: argparse.Namespace, mean: MeanCurve, tables: str, outcome: Outcome, estimates: Sequence[Estimate]
) -> str:
    """The tables as a page of the documentation, with what they were measured on."""
    over = sum(one.bytes for one in estimates) / sum(one.estimated_bytes for one in estimates) - 1
    encode, decode = (
        statistics.median(seconds)
        for seconds in ([r.encode_seconds for r in outcome.rows], [r.decode_seconds for r in outcome.rows])
    )
    facts = [
        f"- Codec {mean.name}, weights {mean.weights}, commit {', '.join(mean.commits)}.",
        f"- {mean.pictures} pictures, {len(outcome.rows)} real files; bits per pixel count every byte of a file.",
        "- PSNR on 8-bit RGB, mean of the pictures' values; MS-SSIM likewise.",
        *(f"- {judge}." for judge in mean.judges),
        f"- Median seconds, {torch.get_num_threads()} CPU thread(s): encode {encode:.2f}, decode {decode:.2f}.",
        f"- All files together take {100 * over:+.2f} % of what the model estimates.",
    ]
    named = "" if mean.name == DEFAULT else f" --codec {mean.name}"
    note = (
        f"Written by `python benchmarks/kodak.py PICTURES --anchors CURVES{named} --page {options.page}`; not edited."
    )
    title = f"# {options.title}" if options.title else "# Results" + (f" of {mean.name}" if named else "")
    return "\n".join([title, "", note, "", *facts, "", "```", tables, "```", ""])


def number(value: float) -> float | None:
    """A number for JSON, which knows no NaN."""
    return None if math.isnan(value) else value


def talk(line: str) -> None:
    """Progress, for a person who watches."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Rate and distortion of one of our codecs beside recorded curves.")
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    parser.add_argument("--anchors", type=Path, required=True, help="folder of result files of other codecs")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    parser.add_argument(
        "--qualities",
        type=lambda text: tuple(float(part) for part in text.split(",")),
        default=tuple(float(quality) for quality in range(0, 101, 10)),
        help="0 … 100, with commas; default 0,10,…,100",
    )
    parser.add_argument(
        "--rates",
        type=lambda text: tuple(float(part) for part in text.split(",")),
        default=(0.15, 0.3, 0.6),
        help="bits per pixel of the comparison at equal rates; default 0.15,0.3,0.6",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/kodak"), help="default: runs/kodak")
    parser.add_argument("--lpips", type=Path, help="folder with LPIPS weights of SqueezeNet; default: no LPIPS")
    parser.add_argument("--ssimulacra2", action="store_true", help="also SSIMULACRA 2, which is slow")
    parser.add_argument("--marks", type=Path, help="boxes or masks of regions of interest; default: no such table")
    parser.add_argument("--page", type=Path, help="also write the tables as a Markdown page")
    parser.add_argument("--title", help="of that page")
    parser.add_argument("--readme", type=Path, help="also renew the table between the marks of this page")
    parser.add_argument("--device", default="cpu", help="default: cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: torch's own choice")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RegioError as error:
        sys.exit(f"{type(error).__name__}: {error}")
