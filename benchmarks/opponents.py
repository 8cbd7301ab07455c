"""Curves of other codecs by judges that people's ratings stand behind, kept in benchmarks/curves.

    python benchmarks/opponents.py PICTURES --lpips-weights FOLDER [-o benchmarks/curves] [--sweep runs/opponents]
        [--codecs avif,jxl]

Five or six files of each picture by each codec, of 0.07 to 0.8 bits per pixel, judged by PSNR, MS-SSIM, LPIPS
(SqueezeNet), SSIMULACRA 2 and Butteraugli (3-norm). The sweep is kept and goes on where it stopped: about a second for
a file, 20 minutes of one core for Kodak. For each codec that has all its pictures two files are written: NAME.json,
the mean curve in the field's shape, as `regio evaluate --references` and benchmarks/kodak.py read it, and NAME.csv,
a line for each picture and setting. Exit status 1 if some codec is missing or not complete.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from regio.errors import RegioError
from regio.evaluation.contestants import line_up
from regio.evaluation.judges import Setting, judges_named
from regio.evaluation.judging import Judges
from regio.evaluation.means import mean_curves, means_table, write_curves
from regio.evaluation.sweep import Row, find_pictures, sweep

SETTINGS: dict[str, tuple[float, ...]] = {
    "avif": (0, 8, 17, 28, 40, 52),
    "avif-ssimulacra2": (0, 6, 13, 22, 33, 45),
    "avif-psnr": (6, 13, 21, 31, 42, 53),
    "jxl": (0, 8, 16, 25, 40, 55),
    "jpegli": (1, 5, 10, 16, 25),
    "webp": (0, 2, 5, 10, 20, 40),
    "hevc-default": (7, 15, 23, 27, 32, 37),
    "hevc": (4, 9, 15, 22, 29, 32),
    "jpeg": (2, 5, 8, 12, 18, 28),
}
JUDGES = ["lpips", "ssimulacra2", "butteraugli"]
FIGURES = {"psnr": ".4f", "ms_ssim": ".6f", "lpips": ".6f", "ssimulacra2": ".4f", "butteraugli": ".5f"}


def main() -> int:
    """Measure what is missing, then write the curves."""
    options = arguments()
    pictures = find_pictures(options.pictures)
    lineup = line_up(options.codecs.split(","), device="cpu")
    judges = Judges(judges_named(JUDGES, Setting("cpu", options.lpips_weights)))
    options.sweep.mkdir(parents=True, exist_ok=True)
    outcome = sweep(
        pictures,
        lineup.contestants,
        options.sweep / "sweep.csv",
        settings={name: SETTINGS[name] for name in options.codecs.split(",") if name in SETTINGS},
        judges=judges,
        progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    for problem in outcome.problems:
        print(f"{problem.picture} by {problem.codec}: {problem.reason}", file=sys.stderr)
    for name, reason in lineup.skipped.items():
        print(f"{name} skipped: {reason}", file=sys.stderr)
    by_codec = {one.name: [row for row in outcome.rows if row.codec == one.name] for one in lineup.contestants}
    whole = {name: rows for name, rows in by_codec.items() if len(rows) == len(pictures) * len(SETTINGS[name])}
    descriptions = {one.name: one.description for one in lineup.contestants}
    curves = mean_curves([row for rows in whole.values() for row in rows], descriptions)
    write_curves(curves, options.output)
    for name, rows in whole.items():
        write_rows(options.output / f"{name}.csv", rows)
    print(means_table(curves))
    for name in by_codec.keys() - whole.keys():
        print(f"{name} is not complete: {len(by_codec[name])} files", file=sys.stderr)
    return int(len(whole) < len(options.codecs.split(",")))


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Curves of other codecs by several judges.")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--lpips-weights", type=Path, help="folder; default: fetched once from their publishers")
    parser.add_argument("--output", "-o", type=Path, default=Path(__file__).parent / "curves")
    parser.add_argument("--sweep", type=Path, default=Path("runs/opponents"), help="folder of the sweep's own table")
    parser.add_argument("--codecs", default=",".join(SETTINGS), help="with commas, of those that have settings here")
    options = parser.parse_args()
    if strange := set(options.codecs.split(",")) - set(SETTINGS):
        parser.error(f"no settings for {min(strange)}; there are {', '.join(SETTINGS)}")
    return options


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """A line for each picture and setting, in the order of both."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("picture", "setting", "bytes", "bpp", *FIGURES))
        for row in sorted(rows, key=lambda row: (row.picture, row.quality)):
            figures = (format(row.figures[key], form) if key in row.figures else "" for key, form in FIGURES.items())
            table.writerow((row.picture, f"{row.quality:g}", row.bytes, f"{row.bpp:.6f}", *figures))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RegioError, OSError) as error:
        sys.exit(f"error: {error}")
