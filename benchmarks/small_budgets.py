"""What coding at half and quarter size gains where bytes are few: one codec and AVIF, at equal bytes.

    python benchmarks/small_budgets.py PICTURES [--codec NAME|FILE] [--bpp 0.02 0.03 0.05] [--limit N] [--csv FILE]
                                       [--write docs/rates.md] [--sheet FILE.png] [--opponent avif]

Each picture is coded to each budget at full, half and quarter size, by the codec and by the opponent, both enlarged by
the filter of the format; and by the codec's own choice. One row a budget and way: pictures that the budget is enough
for, those for which this is the best size by PSNR, and the means of PSNR, MS-SSIM and, where its package is installed,
SSIMULACRA 2 over the pictures that all ways of the budget can hold.

--csv: figures are added to the file as they come, and what it has is not computed again, so that an interrupted run
goes on. --write: put the table where the page has it now. --sheet: a picture a row, a way a column, at the second
budget, so that people can judge. All 24 Kodak pictures take about ten minutes of one CPU thread.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import regio
from regio.codec import Codec
from regio.codec.layout import Box, Span
from regio.codec.scale import larger, smaller
from regio.errors import UsageError
from regio.evaluation.columns import columns
from regio.evaluation.contestants.opponents import OPPONENTS, Opponent
from regio.evaluation.judges.ssimulacra2 import Ssimulacra2
from regio.evaluation.metrics import psnr
from regio.evaluation.parts import masked_ms_ssim
from regio.evaluation.sweep import find_pictures
from regio.images import Pixels, read_picture
from regio.models.catalog import DEFAULT

BEGIN, END = "<!-- table of benchmarks/small_budgets.py -->", "<!-- end of the table -->"
SCALES = {"1": 0, "1/2": 1, "1/4": 2}
Way = Callable[[Pixels, int], Pixels | None]  # a picture and a budget in bytes -> what a reader gets; None: too few


class Score(NamedTuple):
    """Of one picture, coded one way."""

    psnr: float
    ms_ssim: float
    ssimulacra2: float


def ours(codec: Codec, scale: str) -> Way:
    """The codec at a scale, or at its own choice."""

    def coded(pixels: Pixels, budget: int) -> Pixels | None:
        try:
            data = codec.encode(pixels, max_bytes=budget, scale=scale, strip=True)
        except UsageError:
            return None
        return np.asarray(codec.decode(data).convert("RGB"))

    return coded


def theirs(opponent: Opponent, scale: str) -> Way:
    """An opponent at a scale."""

    def coded(pixels: Pixels, budget: int) -> Pixels | None:
        small = smaller(pixels, SCALES[scale])
        file = opponent.at_bytes(small, budget)
        if not file.fits:
            return None
        return enlarged(opponent.decode(file.data), pixels, SCALES[scale])

    return coded


def enlarged(small: Pixels, like: Pixels, log2_scale: int) -> Pixels:
    """The picture at the size of another, by the filter of the format."""
    if not log2_scale:
        return small
    seen, whole = (Box(Span(0, pixels.shape[0]), Span(0, pixels.shape[1])) for pixels in (small, like))
    return larger(small, seen, whole, log2_scale)


def judged(pixels: Pixels, decoded: Pixels | None) -> Score | None:
    """All scores of a pair; NaN for a judge that is not installed. None for no picture."""
    if decoded is None:
        return None
    return Score(
        psnr(pixels, decoded),
        masked_ms_ssim(pixels, decoded, [np.ones(pixels.shape[:2], bool)])[0],
        Ssimulacra2().score(pixels, decoded) if Ssimulacra2.installed() else math.nan,
    )


class Notes:
    """Scores by budget, picture and way, kept in a CSV file if there is one."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.scores: dict[tuple[str, str, str], Score | None] = {}
        if path is not None and path.exists():
            with path.open(newline="") as file:
                for bpp, picture, way, *scores in csv.reader(file):
                    self.scores[bpp, picture, way] = Score(*map(float, scores)) if scores else None

    def add(self, bpp: float, picture: str, way: str, score: Score | None) -> None:
        """Keep one."""
        self.scores[f"{bpp:g}", picture, way] = score
        if self.path is not None:
            with self.path.open("a", newline="") as file:
                csv.writer(file).writerow([f"{bpp:g}", picture, way, *(score or ())])


def sheet(rows: list[list[Pixels | None]], names: list[str], path: Path) -> None:
    """Pictures side by side, a picture a row; grey where a way has none."""
    blank = np.full_like(rows[0][0], 128)
    lines = []
    for row in rows:
        height, width = next(pixels for pixels in row if pixels is not None).shape[:2]
        cells = [np.resize(blank, (height, width, 3)) if pixels is None else pixels for pixels in row]
        lines.append(np.concatenate(cells, axis=1))
    across = max(line.shape[1] for line in lines)
    filled = [np.pad(line, ((0, 8), (0, across - line.shape[1]), (0, 0))) for line in lines]
    Image.fromarray(np.concatenate(filled)).save(path)
    print(f"{path}: from left to right {', '.join(names)}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Coding at half and quarter size where bytes are few.")
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    parser.add_argument("--codec", default=DEFAULT, help="name or weights file (default %(default)s)")
    parser.add_argument("--bpp", type=float, nargs="+", default=[0.02, 0.03, 0.05], help="budgets, bits per pixel")
    parser.add_argument("--limit", type=int, help="use the first so many pictures")
    parser.add_argument("--opponent", default="avif", choices=sorted(OPPONENTS), help="default %(default)s")
    parser.add_argument("--csv", type=Path, help="file of figures, to which new ones are added")
    parser.add_argument("--write", type=Path, help=f"page with the lines {BEGIN} and {END}; the table goes between")
    parser.add_argument("--sheet", type=Path, help="picture of all pictures, all ways, at the second budget")
    return parser.parse_args()


def main() -> int:
    """Code, judge, print."""
    options = arguments()
    codec, opponent = regio.load(options.codec), OPPONENTS[options.opponent]
    ways = {f"{codec.name} {scale}": ours(codec, scale) for scale in ("auto", *SCALES)}
    if isinstance(opponent, Opponent) and opponent.missing() is None:
        ways |= {f"{opponent.name} {scale}": theirs(opponent, scale) for scale in SCALES}
    paths = dict(list(find_pictures(options.pictures).items())[: options.limit])
    notes, shown = Notes(options.csv), options.bpp[min(1, len(options.bpp) - 1)]
    rows = []
    for picture, path in paths.items():
        pixels = read_picture(path).pixels
        row: list[Pixels | None] = [pixels]
        for bpp in options.bpp:
            budget = int(bpp * pixels.shape[0] * pixels.shape[1] / 8)
            for name, way in ways.items():
                known = (f"{bpp:g}", picture, name) in notes.scores
                if known and not (options.sheet and bpp == shown):
                    continue
                decoded = way(pixels, budget)
                if not known:
                    notes.add(bpp, picture, name, judged(pixels, decoded))
                row += [decoded] if bpp == shown else []
        rows.append(row)
    lines = []
    for bpp in options.bpp:
        lines += table(bpp, {name: [notes.scores[f"{bpp:g}", one, name] for one in paths] for name in ways})
    heads = ["bpp", "codec, size", "pictures", "best", "PSNR", "MS-SSIM", "SSIMULACRA 2"]
    print(columns(heads, lines))
    if options.write:
        write(options.write, heads, lines)
    if options.sheet:
        sheet(rows, ["original", *ways], options.sheet)
    return 0


def write(page: Path, heads: list[str], lines: list[list[str]]) -> None:
    """Put the table between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{page} does not have the lines {BEGIN} and {END}")
    rows = [heads, ["---"] * len(heads), *lines]
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def table(bpp: float, found: dict[str, list[Score | None]]) -> list[list[str]]:
    """The rows of a budget. Means are over the pictures of the ways that hold all but a few of them."""
    count = max(sum(score is not None for score in scores) for scores in found.values())
    full = [scores for scores in found.values() if sum(score is not None for score in scores) == count]
    common = [k for k in range(len(full[0])) if all(scores[k] is not None for scores in full)]
    lines = []
    for name, scores in found.items():
        fits = [score for score in scores if score is not None]
        family = [other for other in found if other.split()[0] == name.split()[0] and not other.endswith("auto")]
        best = sum(
            score is not None
            and name in family
            and score.psnr == max(other.psnr for key in family if (other := found[key][k]) is not None)
            for k, score in enumerate(scores)
        )
        means = ["-"] * 3
        if scores in full:
            part = [score for k in common if (score := scores[k]) is not None]
            means = [f"{np.mean([score[k] for score in part]):.{digits}f}" for k, digits in ((0, 2), (1, 4), (2, 1))]
        lines.append([f"{bpp:g}", name, str(len(fits)), "" if name.endswith("auto") else str(best), *means])
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
