"""Sheets to look at: the same crops of pictures by several codecs, at equal bytes and at real size.

    python benchmarks/look.py PICTURE... -o FOLDER [--codecs segpic-xs,roi-xs,avif,webp,jpeg] [--rates 0.12,0.25,0.4]
    python benchmarks/look.py --docs

Each codec makes its best file of at most RATE bits per pixel; one that cannot go so low makes its smallest, and its
label says so. Nobody chooses crops: one is the middle of the picture, the other where the codecs differ most from the
original at the lowest rate. FOLDER gets a sheet for each picture and rate, index.html and figures.csv. CODECS are names
as for `regio evaluate`; a Regio codec's other look is NAME:natural.

--docs makes docs/look.md and its sheets again, from photographs in the public domain that Matplotlib and scikit-image
bring along. What was written above the page's mark stays.
"""

from __future__ import annotations

import argparse
import csv
import html
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import regio
from regio.errors import RegioError, UsageError
from regio.evaluation.contestants import Contestant, OwnCodec, line_up
from regio.evaluation.judges import Ssimulacra2
from regio.evaluation.metrics import psnr
from regio.evaluation.side_by_side import GAP, INK, PAPER, Window, busiest_window
from regio.images import Pixels, read_picture

SIDE = 256  # of a crop
COLUMNS = 3
LINE = 18  # pixels a line of a label takes
CODECS = "segpic-xs,roi-xs,avif,webp,jpeg"
RATES = "0.12,0.25,0.4"
DOCS = Path(__file__).parents[1] / "docs"
MARK = "<!-- from here on made by benchmarks/look.py -->\n"
HEADER = ("picture", "rate", "codec", "setting", "bytes", "bpp", "psnr", "ssimulacra2")


class Shown(NamedTuple):
    """A codec, and what it is called here."""

    title: str
    codec: Contestant


@dataclass(frozen=True)
class Take:
    """A picture by one codec at one rate."""

    title: str
    setting: float
    size: int
    fits: bool
    pixels: Pixels
    psnr: float
    score: float  # SSIMULACRA 2; NaN without its package

    @property
    def label(self) -> tuple[str, str]:
        """Two lines."""
        score = "" if math.isnan(self.score) else f", SSIMULACRA 2 {self.score:.0f}"
        return self.title, f"{self.size:,} bytes{'' if self.fits else ', its smallest'}{score}"


def main() -> int:
    """Make the sheets."""
    options = arguments()
    codecs = codecs_named(options.codecs)
    rates = sorted(float(rate) for rate in options.rates.split(","))
    if options.docs:
        return make_page(codecs, rates)
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    rows, sheets = [], []
    for path in options.pictures:
        pixels = read_picture(path).pixels
        windows: list[Window] = []
        for rate in rates:
            takes = takes_of(pixels, codecs, rate)
            windows = windows or [middle(pixels), busiest(pixels, takes)]
            name = f"{path.stem}-{rate:g}.jpg"
            sheet(pixels, takes, windows).save(folder / name, quality=92, subsampling=0)
            sheets.append((path.name, rate, name))
            rows += [figures(path.name, rate, take, pixels) for take in takes]
            print(f"{path.name} at {rate:g} bits per pixel: {folder / name}", flush=True)
    with (folder / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    (folder / "index.html").write_text(index(sheets), encoding="utf-8")
    print(folder / "index.html")
    return 0


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Sheets to look at: crops by several codecs at equal bytes.")
    parser.add_argument("pictures", type=Path, nargs="*", metavar="PICTURE")
    parser.add_argument("--output", "-o", type=Path, help="folder of the sheets")
    parser.add_argument("--codecs", default=CODECS, help=f"with commas; default: {CODECS}")
    parser.add_argument("--rates", default=RATES, help=f"bits per pixel, with commas; default: {RATES}")
    parser.add_argument("--docs", action="store_true", help="make the page of the documentation")
    options = parser.parse_args()
    if options.docs == bool(options.pictures) or (options.pictures and options.output is None):
        parser.error("name pictures and --output, or --docs")
    return options


def codecs_named(text: str) -> list[Shown]:
    """The codecs of a list with commas; UsageError where one is not installed."""
    found = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        plain, _, look = name.partition(":")
        if look:
            codec = regio.load(plain, device="cpu", look=look)
            found.append(Shown(f"{codec.name}, {look}", OwnCodec(codec)))
            continue
        lineup = line_up([plain], device="cpu")
        if lineup.skipped:
            raise UsageError(f"{plain}: {lineup.skipped[plain]}")
        found.append(Shown(lineup.contestants[0].name, lineup.contestants[0]))
    return found


def takes_of(pixels: Pixels, codecs: Sequence[Shown], rate: float) -> list[Take]:
    """The picture (H,W,3) by every codec in at most `rate` bits per pixel."""
    judge = Ssimulacra2() if Ssimulacra2.installed() else None
    budget = int(rate * pixels.shape[0] * pixels.shape[1] / 8)
    takes = []
    for title, codec in codecs:
        made = codec.at_bytes(pixels, budget)
        decoded = codec.decode(made.data)
        score = math.nan if judge is None else judge.score(pixels, decoded)
        takes.append(Take(title, made.setting, len(made.data), made.fits, decoded, psnr(pixels, decoded), score))
    return takes


def middle(pixels: Pixels) -> Window:
    """The middle of a picture."""
    height, width = pixels.shape[:2]
    side = min(SIDE, height, width)
    return Window((width - side) // 2, (height - side) // 2, side, side)


def busiest(pixels: Pixels, takes: Sequence[Take]) -> Window:
    """Where the versions differ most from the original."""
    shorter = min(pixels.shape[:2])
    return busiest_window(pixels, [take.pixels for take in takes], part=min(SIDE, shorter) / shorter)


def sheet(pixels: Pixels, takes: Sequence[Take], windows: Sequence[Window]) -> Image.Image:
    """For each window a block: the original and every version, pixel by pixel, three in a row."""
    labels = [("original", f"{pixels.shape[1]} x {pixels.shape[0]} pixels"), *(take.label for take in takes)]
    versions = [pixels, *(take.pixels for take in takes)]
    side = windows[0].width
    rows = -(-len(versions) // COLUMNS)
    cell = (side + GAP, side + 2 * LINE + GAP)
    made = Image.new("RGB", (GAP + COLUMNS * cell[0], GAP + len(windows) * rows * cell[1]), PAPER)
    draw, bold, plain = ImageDraw.Draw(made), ImageFont.load_default(15), ImageFont.load_default(13)
    for block, window in enumerate(windows):
        for place, (label, version) in enumerate(zip(labels, versions, strict=True)):
            left = GAP + place % COLUMNS * cell[0]
            top = GAP + (block * rows + place // COLUMNS) * cell[1]
            for line, (text, font) in enumerate(zip(label, (bold, plain), strict=True)):
                draw.text((left, top + line * LINE - 4), text, fill=INK, font=font)
            made.paste(Image.fromarray(np.ascontiguousarray(window.cut(version))), (left, top + 2 * LINE))
    return made


def figures(picture: str, rate: float, take: Take, pixels: Pixels) -> tuple[str, ...]:
    """A row of figures.csv."""
    bpp = 8 * take.size / (pixels.shape[0] * pixels.shape[1])
    score = "" if math.isnan(take.score) else f"{take.score:.3f}"
    return (
        picture,
        f"{rate:g}",
        take.title,
        f"{take.setting:g}",
        str(take.size),
        f"{bpp:.5f}",
        f"{take.psnr:.4f}",
        score,
    )


def index(sheets: Sequence[tuple[str, float, str]]) -> str:
    """A page with every sheet, at real size."""
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><title>At equal bytes</title>"
    style = "<style>body{font:16px sans-serif;margin:2em}img{display:block}</style>"
    parts = [
        f"<h2>{html.escape(picture)}, {rate:g} bits per pixel</h2><img src='{html.escape(name)}' alt=''>"
        for picture, rate, name in sheets
    ]
    return f"{head}{style}<h1>At equal bytes</h1>{''.join(parts)}</html>\n"


class Photograph(NamedTuple):
    """One that the documentation may show."""

    name: str
    about: str
    path: Path


def photographs() -> list[Photograph]:
    """In the public domain, and on every machine that has the development tools."""
    import matplotlib
    import skimage

    portrait = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    data = Path(skimage.__file__).parent / "data"
    return [
        Photograph("portrait", "Grace Hopper (US Navy, 1984, public domain; Matplotlib)", portrait),
        Photograph("astronaut", "Eileen Collins (NASA, public domain; scikit-image)", data / "astronaut.png"),
        Photograph("cat", "Chelsea (Stéfan van der Walt, CC0; scikit-image)", data / "chelsea.png"),
        Photograph("coffee", "A cup of coffee (Rachel Michetti, CC0; scikit-image)", data / "coffee.png"),
    ]


def make_page(codecs: Sequence[Shown], rates: Sequence[float]) -> int:
    """Write docs/look.md below its mark, and its sheets: for each photograph the crop where codecs differ most."""
    page = DOCS / "look.md"
    above, mark, _ = page.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise UsageError(f"{page}: the line {MARK.strip()} is missing")
    parts = []
    for photograph in photographs():
        pixels = read_picture(photograph.path).pixels
        parts.append(f"\n## {photograph.about}\n")
        window: Window | None = None
        for rate in rates:
            takes = takes_of(pixels, codecs, rate)
            window = window or busiest(pixels, takes)
            name = f"look-{photograph.name}-{round(1000 * rate):03}.jpg"
            sheet(pixels, takes, [window]).save(DOCS / "images" / name, quality=80, subsampling=0, optimize=True)
            alt = f"Original and {', '.join(take.title for take in takes)} in at most {rate:g} bits per pixel"
            parts.append(f"\n{rate:g} bits per pixel:\n\n![{alt}](images/{name})\n")
            print(f"{photograph.name} at {rate:g} bits per pixel: images/{name}", flush=True)
    page.write_text(above + mark + "".join(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RegioError, OSError) as error:
        sys.exit(f"error: {error}")
