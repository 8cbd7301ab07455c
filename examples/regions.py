"""The same bytes twice: spread evenly, and moved to the faces that a detector finds.

    python examples/regions.py [PICTURE] [--bpp 0.15] [--roi faces] [--strength 30] [-o regions.png]

The photograph is the portrait of Grace Hopper that Matplotlib ships (US Navy, 1984, public domain), unless another is
named. Finding faces needs `pip install 'regio[regions]'`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

import regio
from regio.errors import RegioError
from regio.evaluation.side_by_side import Panel, Window, side_by_side
from regio.images import Pixels, read_picture
from regio.models.catalog import DEFAULT
from regio.regions import importance

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def main() -> None:
    """Encode twice, decode, and write what came of it."""
    options = arguments()
    photo = read_picture(options.picture).pixels
    region = importance(options.roi, photo)
    if not region.found:
        raise SystemExit(f"{options.picture.name}: {region.what}")
    codec = regio.load(options.codec, device="cpu")
    even = codec.encode(photo, target_bpp=options.bpp)
    moved = codec.encode(photo, max_bytes=len(even), roi=region, roi_strength=options.strength)
    inside = region.values > 127
    panels = [
        Panel("original", (f"{photo.shape[1]} x {photo.shape[0]} pixels", region.what), photo),
        panel("spread evenly", codec, even, photo, inside),
        panel(f"--roi {options.roi} --roi-strength {options.strength:g}", codec, moved, photo, inside),
    ]
    side_by_side(panels, [around(inside)]).save(options.output)
    for each in panels[1:]:
        print(f"{each.title}: {'; '.join(each.lines)}")
    print(f"written: {options.output}")


def panel(title: str, codec: regio.Codec, data: bytes, photo: Pixels, inside: NDArray[np.bool_]) -> Panel:
    """A decoded file, and what it says of it: bytes, PSNR of the region and of the rest."""
    decoded = np.asarray(codec.decode(data))
    error = np.square(decoded.astype(np.float64) - photo).mean(axis=2)
    ours, rest = (10 * np.log10(255**2 / error[where].mean()) for where in (inside, ~inside))
    size = f"{len(data)} bytes, {len(data) * 8 / inside.size:.3f} bpp"
    return Panel(title, (size, f"PSNR {ours:.2f} in the region, {rest:.2f} elsewhere"), decoded)


def around(inside: NDArray[np.bool_]) -> Window:
    """The rectangle around a region."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return Window(left=left, top=top, width=int(columns[-1]) + 1 - left, height=int(rows[-1]) + 1 - top)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Show what a region of interest does at equal bytes.")
    parser.add_argument("picture", nargs="?", type=Path, default=PORTRAIT, help="default: Matplotlib's portrait")
    parser.add_argument("--bpp", type=float, default=0.15, help="bits per pixel of both files; default 0.15")
    parser.add_argument("--roi", default="faces", help="faces, text, salient or a mask; default faces")
    parser.add_argument("--strength", type=float, default=30, help="points of quality between region and rest")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    parser.add_argument("--output", "-o", type=Path, default=Path("regions.png"), help="default: regions.png")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except RegioError as error:
        sys.exit(str(error))
