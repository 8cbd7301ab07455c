"""One picture by one of Regio's codecs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from regio.app.choices import Choices, Mask, inside, region_of
from regio.errors import UsageError
from regio.images import Picture, Pixels
from regio.info import Info, inspect
from regio.regions import Importance

if TYPE_CHECKING:
    from regio.codec import Codec

RIVALS = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF"}  # as `OPPONENTS` and as people call them
TRIES = 8  # files that a search for a size usually makes
OURS = "Regio"
Progress = Callable[[float, str], None]  # share of the work that is done, what comes next


@dataclass(frozen=True, eq=False)
class Version:
    """The result of a codec for the picture."""

    name: str
    size: int
    """Bytes of the picture, without metadata and opacity: what can be compared."""
    fits: bool
    """Whether it is no larger than the others; some codecs have a smallest file that is."""
    pixels: Pixels
    """(H,W,3), decoded."""
    data: bytes = b""
    """Of another codec: its file, which has neither metadata nor opacity."""


@dataclass(frozen=True, eq=False)
class Compressed:
    """A finished encoding."""

    picture: Picture
    data: bytes
    """The .rgo file."""
    info: Info
    decoded: Image.Image
    """From `data`, with opacity and metadata."""
    region: Importance | None
    notes: tuple[str, ...]
    """A line for each thing that a person may not expect."""

    @property
    def mask(self) -> Mask | None:
        """The pixels (H,W) inside of the region."""
        return inside(self.region)

    @property
    def version(self) -> Version:
        """As one among others."""
        return Version(OURS, picture_bytes(self.info), True, np.asarray(self.decoded.convert("RGB")))


def codec_names() -> list[str]:
    """Of all that is bundled, the default first."""
    from regio.models.catalog import CATALOG, DEFAULT

    names = [entry.name for entry in CATALOG.values()]
    return sorted(names, key=lambda name: name != DEFAULT)


def has_one_rate(codec: Codec) -> bool:
    """Whether the rate of the codec cannot be chosen."""
    return not codec.net.rated


def quiet(share: float, what: str) -> None:
    """Progress that nobody watches."""


def within(progress: Progress, start: float, end: float, before: str = "") -> Progress:
    """Progress of a part of the work, from one share of the whole to another; before: in front of what is said."""
    return lambda share, what: progress(start + (end - start) * share, before + what)


def compress(picture: Picture, choices: Choices, codec: Codec, progress: Progress = quiet) -> Compressed:
    """Encode at a number of bytes, and decode the file again.

    Raises UsageError for no size, a size out of reach, or a region that is not valid; RegioError, LimitExceeded.
    """
    region = region_of(choices, picture)
    notes = picture.notes
    if region is not None and not region.found:
        notes += (f"{region.what}; the bytes are spread evenly",)
    chosen = region is not None and region.found
    limit = None if has_one_rate(codec) else choices.max_bytes
    if limit is None and not has_one_rate(codec):
        raise UsageError("Enter a size in kB first.")
    if limit is None:
        notes += (f"{codec.name} has one rate: the size cannot be chosen",)
    data = codec.watched(_encoding(progress)).encode(
        picture,
        max_bytes=limit,
        roi=region if chosen else None,
        roi_strength=choices.strength if chosen else None,
        strip=not choices.keep_metadata,
    )
    from regio.codec import decode

    decoded = decode(data, codec=codec.watched(_decoding(progress)))
    return Compressed(picture, data, inspect(data), decoded, region, notes)


def _encoding(progress: Progress) -> Callable[[int, int], None]:
    """Progress of a search for a size, told tile by tile: eight tenths at most of `compress`."""
    tries = 0

    def told(tile: int, count: int) -> None:
        nonlocal tries
        tries += tile == 0
        part = f", part {tile + 1} of {count}" if count > 1 else ""
        progress(0.8 * min(0.99, (tries - 1 + tile / count) / TRIES), f"Encoding, try {tries} of about {TRIES}{part}")

    return told


def _decoding(progress: Progress) -> Callable[[int, int], None]:
    """The rest of it."""

    def told(tile: int, count: int) -> None:
        part = f", part {tile + 1} of {count}" if count > 1 else ""
        progress(0.8 + 0.2 * tile / count, f"Decoding{part}")

    return told


def picture_bytes(info: Info) -> int:
    """Of a .rgo file, without what other formats would carry along just as well: opacity and metadata."""
    return info.bytes_total - info.metadata_bytes - info.parts.get("alpha", 0)
