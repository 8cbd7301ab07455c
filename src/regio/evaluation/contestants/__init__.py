"""Who takes part in a comparison: Regio's own codecs and their opponents behind one face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from regio.errors import UsageError
from regio.evaluation.budget import SizedFile
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.marks import Mask
from regio.images import Pixels

if TYPE_CHECKING:
    import torch

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

    @property
    def device(self) -> str:
        """Where it runs, and with how many threads."""

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        """The best file of at most `budget` bytes."""

    def aimed_at(self, mask: Mask | None) -> Contestant:
        """The same codec with its attention on a region (H,W) of the picture that comes; itself if it has none."""

    def share_inside(self, data: bytes, mask: Mask) -> float:
        """Part of the bits, 0..1, that a file spends inside a region (H,W); NaN if it cannot tell."""


QUALITIES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)


@dataclass(frozen=True, eq=False)
class OwnCodec:
    """One of Regio's codecs as a contestant; its settings are qualities, 0..100, or 0 alone for a model of one rate.

    strength: None, or how strongly it favours the region marked in a picture ("+roi" in its name). Where no region is
    marked it codes the picture as ever. grid: regions of the picture are grid x grid (in its name); None: by size.
    """

    codec: Codec
    qualities: tuple[float, ...] = QUALITIES
    strength: float | None = None
    mask: Mask | None = None
    grid: int | None = None

    @property
    def name(self) -> str:
        grid = "" if self.grid is None else f" {self.grid}x{self.grid}"
        return self.codec.name + grid + ("" if self.strength is None else ROI)

    @property
    def description(self) -> str:
        aim = "" if self.strength is None else f", region of interest at strength {self.strength:g}"
        return f"Regio {self.codec.name}{aim}"

    @property
    def settings(self) -> tuple[float, ...]:
        return self.qualities if self._variable else (0.0,)

    @property
    def weights(self) -> str:
        return self.codec.fingerprint + ("" if self.strength is None else f" strength {self.strength:g}")

    @property
    def device(self) -> str:
        return device_name(self.codec.device)

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        quality = setting if self._variable else None
        return self.codec.encode(pixels, quality=quality, strip=True, **self._aim())

    def decode(self, data: bytes) -> Pixels:
        return np.asarray(self.codec.decode(data).convert("RGB"))

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        from regio.info import inspect

        if not self._variable:
            data = self.encode(pixels, 0)
            return SizedFile(data, 0, len(data) <= budget)
        try:
            data = self.codec.encode(pixels, max_bytes=budget, strip=True, **self._aim())
        except UsageError:  # not even quality 0 fits
            data = self.codec.encode(pixels, quality=0, strip=True, **self._aim())
        return SizedFile(data, inspect(data).quality, len(data) <= budget)

    def aimed_at(self, mask: Mask | None) -> OwnCodec:
        return self if self.strength is None or mask is None else replace(self, mask=mask)

    def share_inside(self, data: bytes, mask: Mask) -> float:
        from regio.evaluation.bit_share import share_inside

        return share_inside(self.codec, data, mask)

    @property
    def _variable(self) -> bool:
        """Whether its rate can be chosen."""
        return self.codec.net.rated

    def _aim(self) -> dict[str, Any]:
        aim: dict[str, Any] = {} if self.grid is None else {"grid": self.grid}
        if self.mask is not None:
            aim |= {"roi": self.mask.astype(np.uint8) * 255, "roi_strength": self.strength}
        return aim


class Lineup(NamedTuple):
    """Who takes part, and who was asked to but cannot."""

    contestants: tuple[Contestant, ...]
    skipped: dict[str, str]  # name -> the reason


ROI = "+roi"
OPPONENTS_BY_DEFAULT = ("jpeg", "webp", "jpeg2000", "avif")


def names_in(text: str | None) -> list[str]:
    """Names from a list with commas; from None, the default model and the opponents that Pillow itself brings."""
    if text is None:
        from regio.models.catalog import DEFAULT

        return [DEFAULT, *OPPONENTS_BY_DEFAULT]
    return [name.strip() for name in text.split(",") if name.strip()]


def line_up(names: Sequence[str], *, device: str = "auto", strength: float | None = None) -> Lineup:
    """Contestants by name: an opponent's, a bundled codec's, or the path of weights; of the latter two, with "+roi" as
    well: then the codec favours marked regions with that strength (default: the codec's).

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
            from regio.codec.roi import STRENGTH

            codec = regio.load(name.removesuffix(ROI), device=device)
            chosen = STRENGTH if strength is None else strength
            contestants.append(OwnCodec(codec, strength=chosen if name.endswith(ROI) else None))
        elif reason := opponent.missing():
            skipped[name] = reason
        else:
            contestants.append(opponent)
    return Lineup(tuple(contestants), skipped)


def device_name(device: torch.device) -> str:
    """A device and what its speed depends on: "cpu, 1 thread", "cuda (NVIDIA H200)"."""
    import torch

    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' * (threads > 1)}"
