"""Maps as pictures: where the bits went, and where the region is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from regio.images import Picture, Pixels
from regio.regions import Importance

if TYPE_CHECKING:
    from regio.codec import Codec

HEAT = np.array(
    [(8, 12, 40), (60, 20, 110), (150, 30, 110), (220, 70, 60), (250, 160, 30), (252, 250, 180)], np.float64
)
"""Colours from 0 bits to the most. Each is brighter than the one before, so they can be told apart in grey."""
LONGEST = 1024  # pixels of the longer side of a map: it is for looking at
DIM = 64  # of 256: how bright a picture stays where it does not matter


class BitsMap(NamedTuple):
    """A map of the bits of a file."""

    image: Image.Image
    most: float
    """Bits of the most expensive place, averaged with its neighbours, which is the brightest colour."""
    side: int
    """Pixels of the side of a place."""


def bits_map(codec: Codec, data: bytes, picture: Picture) -> BitsMap | None:
    """Bits of each place over the grey picture; None for a codec that does not code places. Raises as decoding does.

    Places are averaged with their neighbours, 1 2 1 each way: every other one is coded without knowing those beside it
    and costs more, a pattern of squares that says nothing about the picture.
    """
    from regio.evaluation.bit_share import bit_map

    bits = bit_map(codec, data)
    if bits is None or not bits.max() > 0:
        return None
    side = int(codec.net.stride)
    size = smaller(picture.width, picture.height)
    # places reach beyond the picture, whose size need not be a multiple of theirs
    rows, columns = -(-picture.height // side), -(-picture.width // side)
    bits = averaged(bits[:rows, :columns])
    heat = Image.fromarray(coloured(np.sqrt(bits / bits.max())))
    scale = size[0] / picture.width
    heat = heat.resize((round(columns * side * scale), round(rows * side * scale)), Image.Resampling.BICUBIC)
    grey = Image.fromarray(picture.pixels).convert("L").resize(size, Image.Resampling.BOX).convert("RGB")
    return BitsMap(Image.blend(grey, heat.crop((0, 0, *size)), 0.72), float(bits.max()), side)


def region_map(region: Importance | None, picture: Picture) -> Image.Image | None:
    """The picture, dark where it does not matter; None without a region."""
    if region is None:
        return None
    size = smaller(picture.width, picture.height)
    pixels = np.asarray(Image.fromarray(picture.pixels).resize(size, Image.Resampling.BOX))
    values = np.asarray(Image.fromarray(region.values).resize(size, Image.Resampling.BOX))
    light = DIM + values[..., None].astype(np.uint16) * (256 - DIM) // 255
    return Image.fromarray((pixels * light // 256).astype(np.uint8))


def averaged(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(h,w) -> (h,w), weighted 1 2 1 down and across; the rim repeats itself."""
    around = np.pad(values, 1, mode="edge")
    rows = (around[:-2] + 2 * around[1:-1] + around[2:]) / 4
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4)


def coloured(values: npt.NDArray[np.float64]) -> Pixels:
    """(h,w) in 0..1 -> (h,w,3)."""
    at = np.linspace(0, 1, len(HEAT))
    planes = [np.interp(values, at, HEAT[:, channel]) for channel in range(3)]
    return np.round(np.stack(planes, axis=-1)).astype(np.uint8)


def smaller(width: int, height: int, longest: int = LONGEST) -> tuple[int, int]:
    """The size of a picture whose longer side is at most `longest` pixels, and no side less than one."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
