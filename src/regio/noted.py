"""Encodes a picture and collects notes for the user: for the command line and for bulk."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from regio.codec import BaseCodec
    from regio.codec.options import EncodeOptions
    from regio.images import Picture
    from regio.info import Info
    from regio.regions import Importance


class Noted(NamedTuple):
    """A coded picture."""

    data: bytes
    info: Info
    region: Importance | None
    """The region that was found, if one was asked for."""
    seconds: float
    notes: tuple[str, ...]
    """A line for each thing that was changed, missed or not found."""


def encode(codec: BaseCodec, picture: Picture, before: int, options: EncodeOptions) -> Noted:
    """Encode a picture that was read from a file of `before` bytes. Raises as `Codec.encode`."""
    from regio.info import inspect
    from regio.regions import importance

    start = perf_counter()
    wanted = options.get("roi")
    region = None if wanted is None else importance(wanted, picture.pixels)
    mine: EncodeOptions = {**options, "roi": region}
    found = codec.encode_noted(picture, **mine)
    seconds = perf_counter() - start
    notes = picture.notes + found.notes
    if region is not None and not region.found:
        notes += (f"{region.what}; coded evenly",)
    after = len(found.data)
    info = inspect(found.data)
    if after > before:
        notes += (f"the .rgo file is larger than the original: {after} bytes, not {before}; try a lower quality",)
    return Noted(found.data, info, region, seconds, notes)
