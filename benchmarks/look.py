"""Codecs at equal bytes: sheets to look at, crops of pictures at real size, and what judges say in the mean.

    python benchmarks/look.py PICTURE... -o FOLDER [--codecs roi-xs,segpic-xs,avif,webp,jpeg] [--rates 0.12,0.25,0.4]
        [--judges blocks,ssimulacra2] [--crop NAME:X,Y,W,H ...]
    python benchmarks/look.py --docs

The first codec makes its best file of at most RATE bits per pixel, the others get as many bytes as it used; one that
cannot go so low makes its smallest, and its label says so. One crop is the middle of the picture, the other where the
codecs differ most from the original at the lowest rate; --crop names another for the picture of that stem. FOLDER gets
a sheet for each picture and rate, index.html and figures.csv. Printed are the means of PSNR, MS-SSIM and the judges
(`regio evaluate --help` lists them) over the pictures for which every codec has a file as small. CODECS are names as
for `regio evaluate`; a Regio codec's other look is NAME:natural.

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
from regio.cli.options import region_of
from regio.errors import RegioError, UsageError
from regio.evaluation.columns import columns
from regio.evaluation.contestants import Contestant, OwnCodec, line_up
from regio.evaluation.judges import Figures, Setting, Ssimulacra2, judges_named
from regio.evaluation.judging import Judges
from regio.evaluation.metrics import bpp
from regio.evaluation.side_by_side import GAP, INK, PAPER, Window, busiest_window
from regio.images import Pixels, read_picture

SIDE = 256  # of a crop
COLUMNS = 3
LINE = 18  # pixels a line of a label takes
CODECS = "roi-xs,segpic-xs,avif,webp,jpeg"
RATES = "0.12,0.25,0.4"
DOCS = Path(__file__).parents[1] / "docs"
MARK = "<!-- from here on made by benchmarks/look.py -->\n"


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
    bpp: float
    pixels: Pixels
    figures: Figures  # of judges, by column

    @property
    def label(self) -> tuple[str, str]:
        """Two lines."""
        found = self.figures.get("ssimulacra2", math.nan)
        score = "" if math.isnan(found) else f", SSIMULACRA 2 {found:.0f}"
        return self.title, f"{self.size:,} bytes{'' if self.fits else ', its smallest'}{score}"

    def cells(self, keys: Sequence[str]) -> tuple[str, ...]:
        """A row of figures.csv, behind picture and rate."""
        found = ("" if math.isnan(self.figures[key]) else f"{self.figures[key]:.5f}" for key in keys)
        return self.title, f"{self.setting:g}", str(self.size), f"{self.bpp:.5f}", *found


def main() -> int:
    """Make the sheets."""
    options = arguments()
    codecs, crops = codecs_named(options.codecs), crops_in(options.crop)
    rates = sorted(float(rate) for rate in options.rates.split(","))
    if options.docs:
        return make_page(codecs, rates)
    judges = judges_in(options.judges)
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    made: dict[float, list[tuple[str, list[Take]]]] = {rate: [] for rate in rates}
    sheets = []
    for path in options.pictures:
        pixels = read_picture(path).pixels
        windows = [inside(pixels, crops[path.stem])] if path.stem in crops else []
        for rate in rates:
            takes = takes_of(pixels, codecs, rate, judges)
            windows = windows or [middle(pixels), busiest(pixels, takes)]
            name = f"{path.stem}-{rate:g}.jpg"
            sheet(pixels, takes, windows).save(folder / name, quality=92, subsampling=0)
            sheets.append((path.name, rate, name))
            made[rate].append((path.name, takes))
            print(f"{path.name} at {rate:g} bits per pixel: {folder / name}", flush=True)
    keys = ("psnr", "ms_ssim", *(column.key for judge in judges.others for column in judge.columns))
    with (folder / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("picture", "rate", "codec", "setting", "bytes", "bpp", *keys))
        for rate, pictures in made.items():
            for name, takes in pictures:
                table.writerows((name, f"{rate:g}", *take.cells(keys)) for take in takes)
    for rate, pictures in made.items():
        print(means(rate, [takes for _, takes in pictures], keys))
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
    judges = "ssimulacra2" if Ssimulacra2.installed() else ""
    parser.add_argument("--judges", default=judges, help="with commas; default: SSIMULACRA 2, where it is installed")
    parser.add_argument("--crop", nargs="+", default=[], metavar="NAME:X,Y,W,H", help="a crop of the picture NAME")
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


def judges_in(text: str) -> Judges:
    """The judges of a list with commas, and those that are always asked."""
    return Judges(judges_named([name for name in text.split(",") if name], Setting("cpu")))


def crops_in(texts: list[str]) -> dict[str, Window]:
    """NAME:X,Y,W,H -> the window of each picture. UsageError for anything else."""
    found = {}
    for text in texts:
        name, _, numbers = text.rpartition(":")
        try:
            found[name] = Window(*region_of(numbers))
        except UsageError as error:
            raise UsageError(f"{text!r} is not NAME:X,Y,WIDTH,HEIGHT") from error
    return found


def takes_of(pixels: Pixels, codecs: Sequence[Shown], rate: float, judges: Judges) -> list[Take]:
    """The picture (H,W,3) by the first codec in at most `rate` bits per pixel, by the others in as many bytes."""
    original = judges.look_at("", pixels)
    budget = int(rate * pixels.shape[0] * pixels.shape[1] / 8)
    takes: list[Take] = []
    for title, codec in codecs:
        made = codec.at_bytes(pixels, takes[0].size if takes and takes[0].fits else budget)
        decoded, size = codec.decode(made.data), len(made.data)
        figures = original.figures(decoded)
        takes.append(Take(title, made.setting, size, made.fits, bpp(size, pixels), decoded, figures))
    return takes


def means(rate: float, pictures: list[list[Take]], keys: Sequence[str]) -> str:
    """A row for each codec: means over the pictures for which every codec has a file as small."""
    fitting = [takes for takes in pictures if all(take.fits for take in takes)]
    left_out = f"{len(pictures) - len(fitting)} left out: too few bytes for a codec"
    rows = [
        (
            one[0].title,
            f"{np.mean([t.bpp for t in one]):.4f}",
            *(f"{np.mean([t.figures[k] for t in one]):.3f}" for k in keys),
        )
        for one in zip(*fitting, strict=True)
    ]
    said = f"{len(fitting)} pictures, at most {rate:g} bits per pixel; {left_out}"
    return f"{said}\n{columns(('codec', 'bpp', *keys), rows)}"


def middle(pixels: Pixels) -> Window:
    """The middle of a picture."""
    height, width = pixels.shape[:2]
    side = min(SIDE, height, width)
    return Window((width - side) // 2, (height - side) // 2, side, side)


def inside(pixels: Pixels, window: Window) -> Window:
    """The window; UsageError if it reaches beyond the picture."""
    height, width = pixels.shape[:2]
    small = min(window.width, window.height) < 1
    if small or window.left + window.width > width or window.top + window.height > height:
        raise UsageError(f"--crop {window}: the picture has {width} x {height} pixels")
    return window


def busiest(pixels: Pixels, takes: Sequence[Take]) -> Window:
    """Where the versions differ most from the original."""
    shorter = min(pixels.shape[:2])
    return busiest_window(pixels, [take.pixels for take in takes], part=min(SIDE, shorter) / shorter)


def sheet(pixels: Pixels, takes: Sequence[Take], windows: Sequence[Window]) -> Image.Image:
    """For each window a block: the original and every version, pixel by pixel, three in a row."""
    labels = [("original", f"{pixels.shape[1]} x {pixels.shape[0]} pixels"), *(take.label for take in takes)]
    versions = [pixels, *(take.pixels for take in takes)]
    side, height = windows[0].width, windows[0].height
    rows = -(-len(versions) // COLUMNS)
    cell = (side + GAP, height + 2 * LINE + GAP)
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
    parts, judges = [], judges_in("ssimulacra2")
    for photograph in photographs():
        pixels = read_picture(photograph.path).pixels
        parts.append(f"\n## {photograph.about}\n")
        window: Window | None = None
        for rate in rates:
            takes = takes_of(pixels, codecs, rate, judges)
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
