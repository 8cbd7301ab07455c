"""The codecs in a comparison: Regio's own and their opponents, behind one interface."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from regio.errors import UsageError
from regio.evaluation.budget import SizedFile
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.contestants.own import QUALITIES, ROI, Own, OwnCodec, Series, device_name
from regio.evaluation.marks import Mask
from regio.images import Pixels

__all__ = [
    "OPPONENTS", "QUALITIES", "ROI", "Contestant", "Lineup", "Own", "OwnCodec", "Series", "device_name", "label_of",
    "line_up", "names_in", "own_named",
]  # fmt: skip


class Contestant(Protocol):
    """A codec that turns (H,W,3) uint8 RGB into the bytes of a whole file and back."""

    @property
    def name(self) -> str:
        """Its name on the command line and in tables."""

    @property
    def description(self) -> str:
        """Library and options, or the weights' name."""

    @property
    def settings(self) -> tuple[float, ...]:
        """The values of its own knob that a sweep measures."""

    @property
    def weights(self) -> str:
        """The identity of its coder: the fingerprint of its weights, or library and version."""

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """A whole file at one setting."""

    def decode(self, data: bytes) -> Pixels:
        """The picture in a file."""

    @property
    def device(self) -> str:
        """The device on which it runs, and its number of threads."""

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        """The best file of at most `budget` bytes."""

    def aimed_at(self, mask: Mask | None) -> Contestant:
        """The same codec with its attention on a region (H,W) of the picture that comes; itself if it has none."""

    def share_inside(self, data: bytes, mask: Mask) -> float:
        """Part of the bits, 0..1, that a file spends inside a region (H,W); NaN if it cannot tell."""


class Lineup(NamedTuple):
    """The codecs that take part, and those that were named but cannot."""

    contestants: tuple[Contestant, ...]
    skipped: dict[str, str]  # name -> the reason


OPPONENTS_BY_DEFAULT = ("jpeg", "webp", "jpeg2000", "avif")


def names_in(text: str | None) -> list[str]:
    """Names from a list with commas; from None, the default model and the opponents that Pillow itself brings."""
    if text is None:
        from regio.models.catalog import DEFAULT

        return [DEFAULT, *OPPONENTS_BY_DEFAULT]
    return [name.strip() for name in text.split(",") if name.strip()]


def label_of(name: str) -> str:
    """The name in tables of a codec from the command line: NAME of a series, the file name of a path."""
    plain, roi = name.removesuffix(ROI), ROI if name.endswith(ROI) else ""
    if _is_series(name):
        return plain.partition("=")[0].strip() + roi
    return (Path(plain).stem if plain.endswith(".safetensors") else plain) + roi


def line_up(names: Sequence[str], *, device: str = "auto", strength: float | None = None) -> Lineup:
    """Contestants by name: an opponent's, a bundled codec's, the path of weights, or a series NAME=PATH+PATH+...; all
    but opponents with "+roi" as well: then the codec favours marked regions with that strength (default: the codec's).

    An opponent whose library is not installed is skipped with the reason. A name that is neither an opponent nor
    weights raises what `regio.load` raises; an empty list, a name given twice, or a series of different networks
    or of what is no weights file, UsageError.
    """
    if not names:
        raise UsageError(f"name at least one codec: a Regio model, or {', '.join(OPPONENTS)}")
    if len(set(names)) < len(names):
        raise UsageError(f"a codec is named twice: {', '.join(names)}")
    contestants: list[Contestant] = []
    skipped: dict[str, str] = {}
    for name in names:
        opponent = OPPONENTS.get(name)
        if opponent is None:
            contestants.append(own_named(name, device=device, strength=strength))
        elif reason := opponent.missing():
            skipped[name] = reason
        else:
            contestants.append(opponent)
    everybody = [*(one.name for one in contestants), *skipped]
    for one in contestants:
        if isinstance(one, Series) and everybody.count(one.name) > 1:
            raise UsageError(f"two codecs are called {one.name}: give the series another name")
    return Lineup(tuple(contestants), skipped)


def own_named(name: str, *, device: str = "auto", strength: float | None = None) -> Own:
    """One of Regio's codecs, or a series of them; see `line_up`."""
    import regio
    from regio.codec.roi import STRENGTH

    chosen = (STRENGTH if strength is None else strength) if name.endswith(ROI) else None
    plain = name.removesuffix(ROI)
    if not _is_series(name):
        return OwnCodec(regio.load(plain, device=device), strength=chosen)
    label, _, listed = plain.partition("=")
    paths = [path.strip() for path in re.split(r"(?<=\.safetensors)\+", listed)]
    if not label.strip() or not all(paths) or len(set(paths)) < len(paths):
        raise UsageError(f"{name}: give NAME=A.safetensors+B.safetensors with different files")
    for path in paths:
        if "+" in path and not Path(path).exists():
            raise UsageError(f"{name}: {path.split('+')[0]} is not a weights file; their names end in .safetensors")
    members = tuple(OwnCodec(regio.load(path, device=device), strength=chosen) for path in paths)
    kinds = [type(one.codec.net).__name__ for one in members]
    for path, kind in zip(paths, kinds, strict=True):
        if kind != kinds[0]:
            raise UsageError(f"{name}: {paths[0]} is a {kinds[0]} and {path} a {kind}; a series is of one network")
    if len({one.codec.fingerprint for one in members}) < len(members):
        raise UsageError(f"{name}: two of these files hold the same weights")
    return Series(label.strip(), members)


def _is_series(name: str) -> bool:
    return "=" in name and not Path(name.removesuffix(ROI)).exists()
