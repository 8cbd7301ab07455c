"""Compress a photograph with Regio and show what JPEG, WebP and AVIF make of the same number of bytes.

    make demo                      (or: python examples/demo.py [PICTURE] [--quality 60] [--codec NAME])

The photograph is the portrait of Grace Hopper that Matplotlib ships (US Navy, 1984, public domain). Written to demo/:
photo.rgo, decoded.png and side_by_side.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

import regio
from regio.errors import RegioError
from regio.evaluation.compare import at_bytes, at_setting, contact_sheet, table
from regio.evaluation.contestants import OwnCodec
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.side_by_side import Window
from regio.images import read_picture
from regio.models.catalog import DEFAULT

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
FACE = Window(left=172, top=150, width=168, height=168)  # in that picture
RIVALS = ("jpeg", "webp", "avif")


def main() -> None:
    """Encode, decode from the file just written, and compare."""
    options = arguments()
    photo = read_picture(options.picture).pixels
    codec = regio.load(options.codec, device="cpu")
    ours = at_setting(photo, OwnCodec(codec), options.quality)
    rivals = [at_bytes(photo, OPPONENTS[name], ours.size) for name in RIVALS if not OPPONENTS[name].missing()]

    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "photo.rgo"
    file.write_bytes(ours.data)
    # as anybody would who was sent the file; weights that are not bundled have to be named
    decoded = regio.decode(file, codec=None if codec.weights.number else codec)
    if not np.array_equal(np.asarray(decoded), ours.pixels):
        raise SystemExit("the file on disk decodes to another picture than the bytes in memory")
    decoded.save(folder / "decoded.png")
    windows = [FACE] if options.picture == PORTRAIT else []
    contact_sheet(photo, [ours, *rivals], windows).save(folder / "side_by_side.png")

    height, width = photo.shape[:2]
    with Image.open(options.picture) as original:
        kind = original.format
    print(f"{options.picture.name}: {width}×{height}, {options.picture.stat().st_size} bytes as {kind}")
    print(f"{codec.name} at quality {options.quality:g}, the others at most as many bytes; CPU, wall seconds\n")
    print(table([ours, *rivals]))
    print(f"\nwritten: {file}, {folder / 'decoded.png'}, {folder / 'side_by_side.png'}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compress a photograph, and compare at equal bytes.")
    parser.add_argument("picture", nargs="?", type=Path, default=PORTRAIT, help="default: Matplotlib's portrait")
    parser.add_argument("--quality", "-q", type=float, default=60, help="0 … 100; default 60")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    parser.add_argument("--output", "-o", type=Path, default=Path(__file__).parents[1] / "demo", help="default: demo/")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except RegioError as error:
        sys.exit(str(error))
