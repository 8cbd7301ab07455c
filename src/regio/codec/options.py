"""The options of encoding: named here, checked here, for library, command line, bulk and Pillow.

`EncodeOptions` is what users give, `checked` turns it into the `Settings` that the codec works by. Needs no torch.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypedDict

from regio.errors import UsageError
from regio.format import DEFAULT_LIMITS, Limits, rate_step

DEFAULT_QUALITY = 60.0
STRENGTH = 20.0  # points of quality between the region of interest and the rest, by default
PIECE_BYTES = 512  # of memory for a pixel of a picture in one piece
GRIDS = 1, 16  # least and greatest grid

_SCALES: dict[str | float, float | None] = {"auto": None, "1": 1.0, "1/2": 0.5, "0.5": 0.5, "1/4": 0.25, "0.25": 0.25}
_SCALES |= {1.0: 1.0, 0.5: 0.5, 0.25: 0.25}
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}


class EncodeOptions(TypedDict, total=False):
    """The options of `Codec.encode`, `regio.encode`, `regio bulk` and `Image.save`; `Codec.encode` explains each."""

    quality: float | None
    target_bpp: float | None
    max_bytes: int | str | None
    target_psnr: float | None
    strict: bool
    grid: int | None
    roi: Any
    roi_strength: float | None
    background: float | None
    scale: float | str | None
    strip: bool
    max_memory: int | str | None
    max_pixels: int | str | None


class DecodeOptions(TypedDict, total=False):
    """The options of decoding, besides the form of the result; `Codec.decode` explains each."""

    region: tuple[int, int, int, int] | None
    reduced: float | str | None
    max_memory: int | str | None
    max_pixels: int | str | None


NAMES = tuple(EncodeOptions.__annotations__)
RATES = "quality", "target_bpp", "max_bytes", "target_psnr"  # the ways to choose a rate; one of them at most
NEUTRAL = "max_memory", "max_pixels"  # decide how a file is made, and whether, but not what is in it


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Encode options after their check, defaults filled in."""

    rate: str | None
    """The one of RATES that was given."""
    wanted: float
    """Its number; the default quality where none was given."""
    strict: bool
    grid: int | None
    roi: Any
    strength: float
    background: float | None
    log2_scale: int | None
    """The picture is coded at 1 / 2^this of its size; None: whatever is best."""
    strip: bool
    max_memory: int | None
    limits: Limits

    @property
    def searched(self) -> bool:
        """Whether files at several rates are tried: for a target other than a quality."""
        return self.rate not in (None, "quality")

    @property
    def step(self) -> int:
        """The rate step of the quality."""
        return rate_step(DEFAULT_QUALITY if self.searched else self.wanted)


def checked(options: Mapping[str, Any], spelled: Callable[[str], str] = str) -> Settings:
    """Check encode options; UsageError names the option at fault, TypeError one that does not exist.

    spelled: how messages write an option, for instance "--max-bytes" for max_bytes.
    """
    given = numbers_of(options, spelled)
    rates = [name for name in RATES if name in given]
    _refuse_both(rates, spelled)
    _refuse_both([name for name in ("roi_strength", "background") if name in given], spelled)
    roi, background = given.get("roi"), given.get("background")
    for name in ("roi_strength", "background"):
        if name in given and roi is None:
            raise UsageError(f"{spelled(name)} has no effect without a region of interest ({spelled('roi')})")
    rate = rates[0] if rates else None
    wanted = DEFAULT_QUALITY if rate is None else given[rate]
    if background is not None and rate in (None, "quality") and rate_step(background) > rate_step(wanted):
        raise UsageError(f"{spelled('background')}={background:g} is above the quality of the region, {wanted:g}")
    return Settings(
        rate=rate,
        wanted=wanted,
        strict=bool(given.get("strict")),
        grid=given.get("grid"),
        roi=roi,
        strength=given.get("roi_strength", STRENGTH),
        background=background,
        log2_scale=None if (scale := given.get("scale")) is None else round(-math.log2(scale)),
        strip=bool(given.get("strip")),
        max_memory=given.get("max_memory"),
        limits=limits_of(given.get("max_pixels")),
    )


def numbers_of(options: Mapping[str, Any], spelled: Callable[[str], str] = str) -> dict[str, Any]:
    """The options that are given, None and False left out, sizes such as "40k" as numbers. Errors as `checked`."""
    for name in options:
        if name not in NAMES:
            raise TypeError(f"there is no encode option {name!r}; there are {', '.join(NAMES)}")
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    for name, value in given.items():
        if read := _READERS.get(name):
            given[name] = read(value, spelled(name))
    return given


def limits_of(max_pixels: int | str | None, max_memory: int | str | None = None) -> Limits:
    """The limits of files, with another number of pixels, and of pixels in one piece, if they are given; UsageError."""
    limits, memory = DEFAULT_LIMITS, memory_of(max_memory)
    if max_pixels is not None:
        limits = replace(limits, pixels=count(max_pixels, "max_pixels", "pixels"))
    if memory is not None:
        limits = replace(limits, piece=max(limits.piece, memory // PIECE_BYTES))
    return limits


def log2_reduced(reduced: float | str | None, name: str = "reduced") -> int:
    """The reduction of a decoded picture as a power of two: 1/4 -> 2; UsageError."""
    if reduced is None:
        return 0
    scale = _SCALES.get(_spelled_scale(reduced))
    if scale is None:
        raise UsageError(f"{name}={reduced!r}: must be 1, 1/2 or 1/4")
    return round(-math.log2(scale))


def memory_of(max_memory: int | str | None) -> int | None:
    """Bytes that the process may occupy, None for no limit; UsageError."""
    return None if max_memory is None else count(max_memory, "max_memory")


def _size_of(text: str) -> int | None:
    """ "40k" -> 40000, "1.5M" -> 1500000, "64Ki" -> 65536; a trailing B is allowed. None for what is no size."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", text.strip(), re.IGNORECASE | re.ASCII)
    return int(float(match[1]) * _UNITS[(match[2] or "").lower()]) if match else None


def whole(value: Any, name: str) -> int:
    """A whole number of any numeric type; UsageError names the argument."""
    if not _is_number(value) or not float(value).is_integer():
        raise UsageError(f"{name}={value!r}: must be a whole number")
    return int(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and value is not True and value is not False


def _number(fits: Callable[[float], bool], wanted: str) -> Callable[[Any, str], float]:
    """A reader of numbers that fit. wanted: what its UsageError says of others, NaN among them."""

    def read(value: Any, name: str) -> float:
        if not _is_number(value):
            raise UsageError(f"{name}={value!r}: must be a number")
        if not fits(float(value)):
            raise UsageError(f"{name}={float(value):g}: {wanted}")
        return float(value)

    return read


def _spelled_scale(value: Any) -> str | float:
    return value.strip().lower() if isinstance(value, str) else float(value) if _is_number(value) else ""


def _scale(value: Any, name: str) -> float | None:
    known = _spelled_scale(value)
    if known not in _SCALES:
        raise UsageError(f"{name}={value!r}: must be auto, 1, 1/2 or 1/4")
    return _SCALES[known]


def _grid(value: Any, name: str) -> int:
    found = whole(value, name)
    if not GRIDS[0] <= found <= GRIDS[1]:
        raise UsageError(f"{name}={found}: must be {GRIDS[0]} to {GRIDS[1]}")
    return found


def count(value: Any, name: str, what: str = "bytes") -> int:
    """A number of bytes or pixels, above 0: 40000 or "40k"; UsageError names the argument."""
    found = _size_of(value) if isinstance(value, str) else whole(value, name)
    if found is None:
        raise UsageError(f"{name}={value!r} is not a number of {what}; try 4000, 40k or 1M")
    if found < 1:
        raise UsageError(f"{name}={value}: must be a number of {what} above 0")
    return found


_PERCENT = _number(lambda number: 0 <= number <= 100, "must be 0 to 100")
_READERS: dict[str, Callable[[Any, str], Any]] = {
    "quality": _PERCENT,
    "target_bpp": _number(lambda number: 0 < number < math.inf, "must be a finite number above 0"),
    "max_bytes": count,
    "target_psnr": _number(math.isfinite, "must be a finite number"),
    "grid": _grid,
    "roi_strength": _number(lambda number: 0 < number <= 100, "must be above 0 and at most 100 points of quality"),
    "background": _PERCENT,
    "scale": _scale,
    "max_memory": count,
    "max_pixels": partial(count, what="pixels"),
}


def _refuse_both(names: list[str], spelled: Callable[[str], str]) -> None:
    if len(names) > 1:
        raise UsageError(f"{' and '.join(map(spelled, names))} contradict each other; give one of them")
