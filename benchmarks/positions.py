"""What the kept set of MCM costs, beside the entropy bound and beside the text that the paper's authors compress.

    python benchmarks/positions.py PICTURES

Every tile of 256x256 pixels gets its kept set by DA-Mask, K of 256 patches, structure by our salient-object network
over the whole picture. Drawn as the paper draws (Gumbel top-K), and without chance (the K of the greatest capacity, as
in files). Bytes are those of real streams, each alone in its range coder.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from regio.codec.pixels import to_tensor
from regio.entropy.positions import read_positions, write_positions
from regio.entropy.range_coder import RangeReader, RangeWriter
from regio.images import read_picture
from regio.models.mcm_mask import gumbel, log_chances, structure, texture
from regio.names import PICTURES
from regio.regions import importance

TILE, SIDE = 256, 16
COUNTS = (64, 144)
DIGIT_BITS = {" ": 2, "1": 3, "2": 3}  # the authors' static Huffman code; all other digits take 4


class Costs(NamedTuple):
    """Bytes of one set."""

    ours: float
    text: float


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, help="folder of PNG or JPEG files")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    files = [f for f in sorted(options.pictures.glob("*")) if f.suffix.lower() in PICTURES]
    capacities = [scores for file in files for scores in tiles(file)]
    if not capacities:
        print(f"positions: no tile of {TILE} x {TILE} pixels in {options.pictures}", file=sys.stderr)
        return 2
    print(f"{len(capacities)} tiles of {len(files)} pictures; mean bytes of a set of 256 patches")
    print(f"{'kept':>5} {'chosen':>12} {'ours':>7} {'log2 C(256,K)':>14} {'bitmap':>7} {'text, Huffman':>14}")
    for count in COUNTS:
        for name, temperature in (("drawn", 1.0), ("best", 0.0)):
            generator = torch.Generator().manual_seed(options.seed)
            rows = [costs(gumbel(c, generator, temperature).flatten(), count) for c in capacities]
            ours, text = (float(np.mean(column)) for column in zip(*rows, strict=True))
            bound = math.log2(math.comb(SIDE**2, count)) / 8
            print(f"{count:5d} {name:>12} {ours:7.2f} {bound:14.2f} {SIDE**2 / 8:7.0f} {text:14.1f}")
    return 0


def tiles(file: Path) -> Iterator[Tensor]:
    """Log-chances (1,16,16) of the patches of each tile."""
    pixels = read_picture(file).pixels
    objects = importance("salient", pixels).values.astype(np.float32) / 255
    for top in range(0, pixels.shape[0] - TILE + 1, TILE):
        for left in range(0, pixels.shape[1] - TILE + 1, TILE):
            part = (slice(top, top + TILE), slice(left, left + TILE))
            x = to_tensor(pixels[part], torch.device("cpu"))
            objects_here = torch.from_numpy(objects[part].copy())[None]
            yield log_chances("da-mask", texture(x), structure(objects_here))


def costs(scores: Tensor, count: int) -> Costs:
    """Bytes of the set of the best patches, ours read back to be sure, and of the text of their ids in drawn order."""
    order = scores.topk(count).indices
    kept = np.zeros(SIDE**2, np.bool_)
    kept[order.numpy()] = True
    grid = kept.reshape(SIDE, SIDE)
    writer = RangeWriter()
    write_positions(writer, grid, count)
    data = writer.finish()
    assert np.array_equal(read_positions(RangeReader(data), grid.shape, count), grid)
    text = " ".join(map(str, order.tolist()))
    bits = sum(DIGIT_BITS.get(letter, 4) for letter in text)
    return Costs(len(data), 1 + bits // 8 + 1)  # a byte says how many bits pad the last, 1 to 8


if __name__ == "__main__":
    sys.exit(main())
