"""Metadata of a picture, in and out of a .rgo file.

sRGB is left out, since a file without a profile is sRGB. Common colours stand as a code; the profile that
comes back is made here and means the same. All else is kept byte for byte.
"""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from regio.format import Chunk, Kind, RgoFile
from regio.format.metadata import COLOURS, Colours, packed
from regio.images.colour import SRGB, SRGB_CURVE, Curve, adapted_to_d50, is_srgb, profile
from regio.images.reading import Picture

Numbers = npt.NDArray[np.float64]

_STEPS = np.arange(256) / 255
_NEAR_COLORANT = 0.001  # of XYZ; makers of profiles round, and adapt white with other digits
_NEAR_LIGHT = 1.5 / 65535  # curves in tables have 16 bits
_PRIMARY_TAGS = (b"rXYZ", b"gXYZ", b"bXYZ")
_MOST_TAGS = 100


class Stored(NamedTuple):
    """The blocks of a file as a reader gets them."""

    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None


def stored_in(file: RgoFile) -> Stored:
    """The metadata of a file; a code for colours becomes a profile."""
    colours = file.colours
    icc = file.block(Kind.ICC) if colours is None else profile_of(colours)
    return Stored(icc, file.block(Kind.EXIF), file.block(Kind.XMP))


def profile_of(colours: Colours) -> bytes:
    """An ICC profile of these colours; always the same bytes."""
    first = SRGB if colours.primaries is None else colours.primaries
    x_and_y = (first[0], first[1], first[2], first[3], first[4], first[5], first[6], first[7])
    return profile(x_and_y, colours.curve, grey=colours.grey, name=colours.name)


def metadata_chunks(picture: Picture) -> tuple[Chunk, ...]:
    """The metadata of a picture as it stands in a file."""
    made: list[Chunk] = []
    if picture.icc is not None and not _is_default(picture.icc):
        code = code_of(picture.icc)
        made.append(packed(Kind.ICC, picture.icc) if code is None else Chunk(Kind.COLOUR, bytes([code])))
    made += [packed(Kind.EXIF, picture.exif)] if picture.exif is not None else []
    made += [packed(Kind.XMP, picture.xmp)] if picture.xmp is not None else []
    return tuple(made)


def _is_default(icc: bytes) -> bool:
    """Whether a file without a profile means the same: sRGB, or grey with its curve."""
    if is_srgb(icc):
        return True
    found = _meaning(icc)
    return found is not None and found.matches(None, SRGB_CURVE)


def code_of(icc: bytes) -> int | None:
    """The code of colours that a profile means, by its colorants and curves and not by its bytes; None for others."""
    found = _meaning(icc)
    if found is None:
        return None
    return next((code for code, one in COLOURS.items() if found.matches(one.primaries, one.curve)), None)


@dataclass(frozen=True)
class _Meaning:
    """The contents of a profile of matrix and curves."""

    colorants: Numbers | None
    """XYZ under D50 of red, green and blue, (3,3), a row each; None for grey."""
    curves: tuple[Numbers, ...]
    """Light 0..1 of the values 0..255, for each channel."""

    def matches(self, primaries: tuple[float, ...] | None, curve: Curve) -> bool:
        """Whether colours are these: colorants within 0.001, each value within half a step of 255."""
        if (self.colorants is None) != (primaries is None):
            return False
        if self.colorants is not None and primaries is not None:
            wanted = adapted_to_d50(primaries).T
            if np.abs(self.colorants - wanted).max() > _NEAR_COLORANT:
                return False
        low, high = (_light(curve, (_STEPS + half).clip(0, 1)) for half in (-0.5 / 255, 0.5 / 255))
        return all(bool(((found >= low - _NEAR_LIGHT) & (found <= high + _NEAR_LIGHT)).all()) for found in self.curves)


def _light(curve: Curve, values: Numbers) -> Numbers:
    """Values 0..1 -> light 0..1."""
    if len(curve) == 1:
        return np.asarray(values ** curve[0], float)
    gamma, a, b, c, d = curve
    return np.where(values >= d, (a * values + b).clip(0, None) ** gamma, c * values)


def _meaning(icc: bytes) -> _Meaning | None:
    """None for a profile that is damaged, or has tables besides matrix and curves, or is not for displays."""
    try:
        if icc[12:16] not in (b"mntr", b"scnr", b"spac") or icc[20:24] != b"XYZ ":
            return None
        (count,) = struct.unpack_from(">I", icc, 128)
        if count > _MOST_TAGS:
            return None
        entries = [struct.unpack_from(">4sII", icc, 132 + 12 * k) for k in range(count)]
        tags = {name: icc[at : at + size] for name, at, size in entries}
        if any(name[:3] in (b"A2B", b"B2A", b"D2B", b"B2D") for name in tags):  # tables, which come before a matrix
            return None
        if icc[16:20] == b"GRAY":
            return _Meaning(None, (_curve(tags[b"kTRC"]),))
        if icc[16:20] != b"RGB ":
            return None
        colorants = np.array([struct.unpack_from(">3i", tags[name], 8) for name in _PRIMARY_TAGS]) / 65536
        return _Meaning(colorants, tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")))
    except (KeyError, ValueError, struct.error):
        return None


def _curve(body: bytes) -> Numbers:
    """The light of the values 0..255 by a curv or para tag; ValueError, struct.error."""
    if body[:4] == b"curv":
        (count,) = struct.unpack_from(">I", body, 8)
        if count == 0:
            return _STEPS
        if count == 1:
            return np.asarray(_STEPS ** (struct.unpack_from(">H", body, 12)[0] / 256), float)
        table = np.frombuffer(body, ">u2", count, 12) / 65535
        return np.interp(_STEPS, np.linspace(0, 1, count), table)
    kind = struct.unpack_from(">H", body, 8)[0] if body[:4] == b"para" else -1
    counts = {0: 1, 1: 3, 2: 4, 3: 5, 4: 7}
    if kind not in counts:
        raise ValueError("a curve of an unknown kind")
    numbers = [number / 65536 for number in struct.unpack_from(f">{counts[kind]}i", body, 12)]
    gamma, a, b, c, d, e, f = _seven(kind, numbers)
    if gamma <= 0:
        raise ValueError("a curve that does not rise")
    with np.errstate(all="ignore"):  # forged numbers overflow; such curves match nothing
        return np.where(d <= _STEPS, (a * _STEPS + b).clip(0, None) ** gamma + e, c * _STEPS + f).clip(0, 1)


def _seven(kind: int, given: list[float]) -> tuple[float, ...]:
    """The numbers of a parametric curve as those of its largest form: (a v + b)^gamma + e from d on, c v + f below."""
    if kind == 0:
        return (given[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if kind in (1, 2):
        gamma, a, b = given[:3]
        shift = given[3] if kind == 2 else 0.0
        return (gamma, a, b, 0.0, -b / a if a else 2.0, shift, shift)
    return (*given, 0.0, 0.0) if kind == 3 else tuple(given)
