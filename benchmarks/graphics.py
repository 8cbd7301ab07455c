"""Made graphics by a codec, beside the lossless PNG and AVIF with no more bytes.

    python benchmarks/graphics.py [--codec NAME|FILE] [--quality 60] [--count 16] [--side 512]

The pictures are those of `regio.data.graphics` with seeds from 1,000,000 on; no recipe trains on them. A row a picture:
bytes of the PNG, bytes and PSNR of the .rgo file, and what AVIF (4:4:4) makes of at most as many bytes.
"""

from __future__ import annotations

import argparse
import io
import math

import numpy as np
from PIL import Image

import regio
from regio.data.graphics import made_picture
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.metrics import psnr

FIRST_SEED = 1_000_000


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", default="segpic-xs")
    parser.add_argument("--quality", type=float, default=60)
    parser.add_argument("--count", type=int, default=16, help="pictures; nine kinds take turns (default %(default)s)")
    parser.add_argument("--side", type=int, default=512, help="pixels a side (default %(default)s)")
    options = parser.parse_args()
    codec, avif = regio.load(options.codec), OPPONENTS["avif"]
    print("| picture | PNG, bytes | .rgo, bytes | PSNR, dB | AVIF, bytes | PSNR, dB |\n|---|---:|---:|---:|---:|---:|")
    for seed in range(FIRST_SEED, FIRST_SEED + options.count):
        name, pixels = made_picture(seed, options.side)
        lossless = io.BytesIO()
        Image.fromarray(pixels).save(lossless, "PNG", optimize=True)
        data = codec.encode(pixels, quality=options.quality)
        ours = psnr(pixels, np.asarray(regio.decode(data, as_="numpy")))
        theirs = avif.at_bytes(pixels, len(data))
        other = psnr(pixels, avif.decode(theirs.data)) if theirs.fits else math.nan
        kind = name.split("-", 2)[2]
        sizes = f"{lossless.tell()} | {len(data)} | {'exact' if math.isinf(ours) else f'{ours:.1f}'}"
        print(f"| {kind} | {sizes} | {len(theirs.data)} | {'–' if math.isnan(other) else f'{other:.1f}'} |", flush=True)


if __name__ == "__main__":
    main()
