"""Thumbnails of at most 2 kB each, and a sheet that shows them beside JPEGs of as many bytes.

    python examples/thumbnails.py FOLDER [--bytes 2000] [--side 256] [--roi faces] [-o thumbnails]

Written are a .rgo file for each picture and sheet.png. A face stays recognisable at a size where JPEG falls to blocks;
`--roi faces` gives it most of the bytes, and needs `pip install 'regio[regions]'`.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import regio
from regio.errors import RegioError, UsageError
from regio.evaluation.side_by_side import Panel, side_by_side
from regio.images import Pixels, read_picture, to_pil
from regio.models.catalog import DEFAULT
from regio.names import PICTURES


def main() -> None:
    """Make one thumbnail after another, then the sheet."""
    options = arguments()
    pictures = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in PICTURES)
    if not pictures:
        raise SystemExit(f"{options.folder}: no pictures")
    codec = regio.load(options.codec, device="cpu")
    options.output.mkdir(parents=True, exist_ok=True)
    sheets = []
    for path in pictures:
        small = shrunk(path, options.side)
        # Metadata would take a good part of two kilobytes: a thumbnail has none.
        data = codec.encode(small, max_bytes=options.bytes, roi=options.roi, strip=True)
        name = "-".join(path.relative_to(options.folder).with_suffix(".rgo").parts)
        (options.output / name).write_bytes(data)
        info = regio.inspect(data)
        print(f"{name}: {info.width}×{info.height}, {len(data)} bytes, quality {info.quality:g}")
        if len(sheets) < options.rows:
            sheets.append(row(path.name, np.asarray(small), np.asarray(codec.decode(data)), len(data), options.bytes))
    stack(sheets).save(options.output / "sheet.png")
    print(f"written: {len(pictures)} thumbnails and {options.output / 'sheet.png'}")


def shrunk(path: Path, side: int) -> Image.Image:
    """The picture upright, without its alpha plane, its longer side at most `side` pixels."""
    image = to_pil(read_picture(path)).convert("RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def row(name: str, original: Pixels, ours: Pixels, size: int, budget: int) -> Image.Image:
    """The original, our thumbnail, and the best JPEG that fits."""
    panels = [Panel(name, ("original",), original), Panel("regio", (f"{size} bytes",), ours)]
    for quality in range(95, 0, -1):
        stream = io.BytesIO()
        Image.fromarray(original).save(stream, "JPEG", quality=quality, optimize=True)
        if stream.tell() <= budget:
            panels.append(Panel("JPEG", (f"{stream.tell()} bytes",), np.asarray(Image.open(stream))))
            break
    else:
        panels.append(Panel("JPEG", (f"none fits {budget} bytes",), np.full_like(original, 255)))
    return side_by_side(panels, [], width=original.shape[1])


def stack(rows: list[Image.Image]) -> Image.Image:
    """Pictures below each other."""
    sheet = Image.new("RGB", (max(one.width for one in rows), sum(one.height for one in rows)), "white")
    top = 0
    for one in rows:
        sheet.paste(one, (0, top))
        top += one.height
    return sheet


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make thumbnails of at most so many bytes.")
    parser.add_argument("folder", type=Path, help="pictures; subfolders too")
    parser.add_argument("--bytes", type=int, default=2000, help="of each file; default 2000")
    parser.add_argument("--side", type=int, default=256, help="of the longer side, in pixels; default 256")
    parser.add_argument("--roi", help="what matters: faces, text or salient; default: everything")
    parser.add_argument("--rows", type=int, default=8, help="pictures on the sheet, at least 1; default 8")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    parser.add_argument("--output", "-o", type=Path, default=Path("thumbnails"), help="folder; default thumbnails/")
    options = parser.parse_args()
    if min(options.bytes, options.side, options.rows) < 1:
        parser.error("--bytes, --side and --rows are at least 1")
    return options


if __name__ == "__main__":
    try:
        main()
    except UsageError as error:
        sys.exit(f"{error}; try a smaller --side or more --bytes")
    except (RegioError, OSError) as error:
        sys.exit(str(error))
