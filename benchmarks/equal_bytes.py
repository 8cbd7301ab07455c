"""Several codecs at equal bytes on a folder of pictures: what judges say of each, in the mean over the pictures.

    python benchmarks/equal_bytes.py PICTURES [--bpp 0.1 0.15] [--codecs segpic-xs,avif] [--judges blocks]
        [--limit N] [--crop NAME:X,Y,W,H ...] [--sheet FILE.png]

The first codec makes each picture's best file within the budget; the others get as many bytes as it used. PSNR and
MS-SSIM are always there; `regio evaluate --help` lists the judges. A picture for which a codec has no file as small is
left out. --crop: parts of pictures, at the least budget, in a
sheet with a picture a row and a codec a column, the original first, so that people can judge.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from regio.errors import RegioError, UsageError
from regio.evaluation.columns import columns
from regio.evaluation.contestants import Contestant, line_up, names_in
from regio.evaluation.judges import Setting, judges_named
from regio.evaluation.judges.base import Figures
from regio.evaluation.judging import Judges
from regio.evaluation.sweep import find_pictures
from regio.images import Pixels, read_picture
from regio.models.catalog import DEFAULT

GAP = 4  # pixels between the parts of a sheet
ENLARGED = 2


def versions(pixels: Pixels, contestants: tuple[Contestant, ...], budget: int) -> list[tuple[int, Pixels]]:
    """The bytes and the decoded picture of each codec; nothing where one of them has no file as small."""
    made = []
    for contestant in contestants:
        file = contestant.at_bytes(pixels, made[0][0] if made else budget)
        if not file.fits:
            return []
        made.append((len(file.data), contestant.decode(file.data)))
    return made


def crops_in(texts: list[str]) -> dict[str, tuple[int, int, int, int]]:
    """NAME:X,Y,W,H -> the window of each picture. UsageError for anything else."""
    found = {}
    for text in texts:
        name, _, numbers = text.rpartition(":")
        try:
            x, y, width, height = map(int, numbers.split(","))
        except ValueError as error:
            raise UsageError(f"{text!r} is not NAME:X,Y,WIDTH,HEIGHT") from error
        found[name] = x, y, x + width, y + height
    return found


def row_of(pictures: list[Pixels], window: tuple[int, int, int, int]) -> Image.Image:
    """The window of each picture, enlarged without a filter, side by side."""
    parts = [Image.fromarray(picture).crop(window) for picture in pictures]
    width, height = (ENLARGED * side for side in parts[0].size)
    row = Image.new("RGB", (len(parts) * (width + GAP) - GAP, height), "white")
    for k, part in enumerate(parts):
        row.paste(part.resize((width, height), Image.Resampling.NEAREST), (k * (width + GAP), 0))
    return row


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Rows under each other."""
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height + GAP for r in rows) - GAP), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    return sheet


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.1, 0.15])
    parser.add_argument("--codecs", default=f"{DEFAULT},avif")
    parser.add_argument("--judges", default="blocks", help="with commas")
    parser.add_argument("--limit", type=int, help="pictures")
    parser.add_argument("--crop", nargs="+", default=[], metavar="NAME:X,Y,W,H")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    try:
        crops = crops_in(options.crop)
        contestants = line_up(names_in(options.codecs)).contestants
        judges = Judges(judges_named([name for name in options.judges.split(",") if name], Setting()))
        rows: list[Image.Image] = []
        for bpp in sorted(options.bpp):
            scores: list[list[Figures]] = [[] for _ in contestants]
            rates: list[list[float]] = [[] for _ in contestants]
            left_out = 0
            for name, path in itertools.islice(find_pictures(options.pictures).items(), options.limit):
                pixels = read_picture(path).pixels
                area = pixels.shape[0] * pixels.shape[1]
                made = versions(pixels, tuple(contestants), int(bpp * area / 8))
                left_out += not made
                original = judges.look_at(name, pixels)
                for k, (size, decoded) in enumerate(made):
                    scores[k].append(original.figures(decoded))
                    rates[k].append(8 * size / area)
                if made and Path(name).stem in crops and bpp == min(options.bpp):
                    rows.append(row_of([pixels, *(decoded for _, decoded in made)], crops[Path(name).stem]))
                print(".", end="", file=sys.stderr, flush=True)
            said = f"{left_out} left out: too few for a codec"
            print(f"\n{len(scores[0])} pictures, at most {bpp} bits per pixel; {said}")
            if not scores[0]:
                continue
            keys = [key for key, value in scores[0][0].items() if not np.isnan(value)]
            shown = [
                (one.name, f"{statistics.fmean(rate):.4f}", *(f"{np.mean([s[k] for s in score]):.3f}" for k in keys))
                for one, rate, score in zip(contestants, rates, scores, strict=True)
            ]
            print(columns(("codec", "bpp", *keys), tuple(shown)))
        if options.sheet and rows:
            stacked(rows).save(options.sheet)
    except RegioError as error:
        print(f"equal_bytes: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
