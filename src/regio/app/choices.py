"""The choices a person makes on the page, as typed data, and the region that they give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from regio.errors import UsageError
from regio.images import Picture
from regio.regions import Importance, importance
from regio.regions.maps import of_boxes

Mask = npt.NDArray[np.bool_]
BITS_PER_PIXEL = 0.25  # of a target size that nobody has set: a rate at which codecs can be told apart
HALF = 128  # importance from which on a pixel counts as inside of the region


class Region(StrEnum):
    """The source of the region; the values are the labels on the page."""

    EVEN = "None, spread evenly"
    PAINTED = "What I paint"
    FACES = "Faces"
    TEXT = "Text"
    SALIENT = "What stands out"
    BOX = "A box"


@dataclass(frozen=True, eq=False)
class Choices:
    """How to encode a picture."""

    codec: str
    max_bytes: int | None
    """None where none was entered: only for a codec of one rate."""
    region: Region = Region.EVEN
    painted: npt.NDArray[np.uint8] | None = None
    """(h,w), of any size with the picture's shape; values other than 0 are painted."""
    box: str = ""
    """ "x, y, width, height" in pixels."""
    strength: float = 20.0
    """Points of quality between region and rest."""
    keep_metadata: bool = True


def region_of(choices: Choices, picture: Picture) -> Importance | None:
    """The importance map of a picture, None where nothing is to matter more than the rest.

    A detector that finds nothing gives a map for which `found` is False. Raises UsageError if nothing is painted or the
    box is not valid; RegioError where a detector is not installed.
    """
    if choices.region is Region.EVEN:
        return None
    if choices.region is Region.PAINTED:
        painted = choices.painted
        if painted is None or not painted.any():
            raise UsageError("Nothing is painted yet. Paint over what matters, or choose another region.")
        return importance((painted > 0).astype(np.uint8) * 255, picture.pixels)
    if choices.region is Region.BOX:
        return importance(box_of(choices.box), picture.pixels)
    return importance(choices.region.name.lower(), picture.pixels)


def box_of(text: str | None) -> tuple[int, int, int, int]:
    """ "10, 20, 300, 200" -> four numbers; UsageError."""
    text = text or ""
    numbers = re.findall(r"-?\d+", text)
    if len(numbers) != 4 or max(map(len, numbers)) > 9 or re.search(r"[^\d,;\s-]", text):
        raise UsageError("A box is four whole numbers: x, y, width, height in pixels, such as 40, 60, 200, 120.")
    x, y, width, height = (int(number) for number in numbers)
    return x, y, width, height


def box_share(text: str | None, width: int, height: int) -> float:
    """The share of a picture, sizes in pixels, that a box covers. UsageError as `box_of`, and for one outside."""
    return float((of_boxes([box_of(text)], (height, width)) > 0).mean())


def inside(region: Importance | None) -> Mask | None:
    """The pixels (H,W) that matter, for measuring; None where there is no such distinction."""
    if region is None or not region.found:
        return None
    mask = region.values >= HALF
    return mask if mask.any() and not mask.all() else None


def usual_size(picture: Picture, *, keep_metadata: bool = True, rate: float = BITS_PER_PIXEL) -> int:
    """Bytes of a picture at a rate in bits per pixel, a sensible one by default, with what comes along in its file."""
    aside = sum(len(part) for part in (picture.icc, picture.exif, picture.xmp) if part) if keep_metadata else 0
    return round(rate * picture.width * picture.height / 8) + aside
