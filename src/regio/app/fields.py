"""The fields of the page as the browser sent them, checked and typed: they may be empty or hold anything."""

from __future__ import annotations

import base64
import binascii
import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from regio.app.choices import Choices, Region
from regio.app.coding import RIVALS
from regio.errors import UsageError

WEAKEST, STRONGEST = 5, 60  # points of quality between the region and the rest
MOST_BITS = 24  # per pixel: as many as the picture has
LONGEST = 1024  # pixels of the longer side of the paint, as in marker.js
START = "data:image/png;base64,"


def choices_in(
    region: str, marked: Any, box: str | None, strength: object, codec: str | None, size: object, metadata: object
) -> Choices:
    """What a browser sent, in types. UsageError for a field that is empty, or holds what cannot be."""
    if codec is None:
        raise UsageError("Choose a codec first.")
    where = Region(region)
    made = Choices(codec, bytes_in(size), where, keep_metadata=bool(metadata))
    if where is Region.EVEN:
        return made
    painted = painted_in(marked) if where is Region.PAINTED else None
    return replace(made, painted=painted, box=box or "", strength=strength_in(strength))


def several_in(
    region: str, codec: str | None, rate: object, metadata: object, against: list[str] | None
) -> tuple[Choices, float, tuple[str, ...]]:
    """What a browser sent for several pictures -> choices without a size, bits per pixel, keys of `RIVALS`."""
    if codec is None:
        raise UsageError("Choose a codec first.")
    if not isinstance(rate, int | float) or not 0 < rate <= MOST_BITS:
        raise UsageError(f"Bits per pixel is a number above 0, up to {MOST_BITS}, such as 0.25.")
    names = tuple(name for name, shown in RIVALS.items() if shown in (against or []))
    return Choices(codec, None, Region(region), keep_metadata=bool(metadata)), float(rate), names


def bytes_in(size: object) -> int | None:
    """Kilobytes from the field -> bytes; None for an empty field. UsageError for what is no size."""
    if size is None:
        return None
    if not isinstance(size, int | float) or not math.isfinite(size) or size <= 0:
        raise UsageError("The size is a number of kB above 0, such as 10 or 2.5.")
    return max(1, round(size * 1000))


def strength_in(value: object) -> float:
    """Points of quality. UsageError for a number that is not possible, or none."""
    if not isinstance(value, int | float) or not WEAKEST <= value <= STRONGEST:
        raise UsageError(f"How much more the region gets is a number from {WEAKEST} to {STRONGEST}.")
    return float(value)


def box_in(value: Any) -> str:
    """The rectangle in what a browser sent, as `box_of` reads it; "" without one."""
    text = value.get("box") if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""


def painted_in(value: Any) -> npt.NDArray[np.uint8] | None:
    """What is painted in what a browser sent, (h,w), 255 where there is paint; None without any. UsageError."""
    text = value.get("paint") if isinstance(value, dict) else None
    if not text:
        return None
    try:
        if not isinstance(text, str) or not text.startswith(START):
            raise ValueError
        data = base64.b64decode(text[len(START) :], validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if max(image.size) > LONGEST:
                raise ValueError
            return np.asarray(image.convert("RGBA").getchannel("A"))
    except (ValueError, binascii.Error, OSError, SyntaxError) as error:
        raise UsageError("The painting did not arrive. Please paint again.") from error
