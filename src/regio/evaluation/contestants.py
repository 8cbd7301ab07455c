"""Who takes part in a comparison: Regio's own codecs and their opponents behind one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from regio.errors import UsageError
from regio.evaluation.opponents import OPPONENTS, SizedFile
from regio.images import Pixels

if TYPE_CHECKING:
    from regio.codec import Codec


class Contestant(Protocol):
    """A codec that turns (H,W,3) uint8 RGB into the bytes of a whole file and back."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in tables."""

    @property
    def description(self) -> str:
        """Library and options, or the weights' name."""

    @property
    def settings(self) -> tuple[float, ...]:
        """The values of its own knob that a sweep measures."""

    @property
    def weights(self) -> str:
        """What decides its output besides the setting: weights' fingerprint, or library and version."""

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """A whole file at one setting."""

    def decode(self, data: bytes) -> Pixels:
        """The picture in a file."""

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        """The best file of at most `budget` bytes."""


@dataclass(frozen=True)
class OwnCodec:
    """One of Regio's codecs as a contestant; its settings are qualities, 0..100."""

    codec: Codec
    settings: tuple[float, ...] = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)

    @property
    def name(self) -> str:
        return self.codec.name

    @property
    def description(self) -> str:
        return f"Regio {self.codec.name}"

    @property
    def weights(self) -> str:
        return self.codec.fingerprint

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        return self.codec.encode(pixels, quality=setting, strip=True)

    def decode(self, data: bytes) -> Pixels:
        return np.asarray(self.codec.decode(data).convert("RGB"))

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        from regio.info import inspect

        try:
            data = self.codec.encode(pixels, max_bytes=budget, strip=True)
        except UsageError:  # not even quality 0 fits
            data = self.codec.encode(pixels, quality=0, strip=True)
        return SizedFile(data, inspect(data).quality, len(data) <= budget)


class Lineup(NamedTuple):
    """Who takes part, and who was asked to but cannot."""

    contestants: tuple[Contestant, ...]
    skipped: dict[str, str]  # name -> the reason


OPPONENTS_BY_DEFAULT = ("jpeg", "webp", "jpeg2000", "avif")


def names_in(text: str | None) -> list[str]:
    """Names from a list with commas; from None, the default model and the opponents that Pillow itself brings."""
    if text is None:
        from regio.models.catalog import DEFAULT

        return [DEFAULT, *OPPONENTS_BY_DEFAULT]
    return [name.strip() for name in text.split(",") if name.strip()]


def line_up(names: Sequence[str], *, device: str = "auto") -> Lineup:
    """Contestants by name: an opponent's, a bundled codec's, or the path of weights.

    An opponent whose library is not installed is skipped with the reason. A name that is neither an opponent nor
    weights raises what `regio.load` raises; an empty list or a name given twice, UsageError.
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
            import regio

            contestants.append(OwnCodec(regio.load(name, device=device)))
        elif reason := opponent.missing():
            skipped[name] = reason
        else:
            contestants.append(opponent)
    return Lineup(tuple(contestants), skipped)
