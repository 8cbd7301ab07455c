"""Regio's own codecs as contestants: one model, or a series of models that make one curve."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from regio.errors import UsageError
from regio.evaluation.budget import SizedFile
from regio.evaluation.marks import Mask
from regio.images import Pixels

if TYPE_CHECKING:
    import torch

    from regio.codec import Codec

QUALITIES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)
ROI = "+roi"


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
        return self.codec.name + self.suffix

    @property
    def suffix(self) -> str:
        """The part of its name that gives grid and region."""
        grid = "" if self.grid is None else f" {self.grid}x{self.grid}"
        return grid + ("" if self.strength is None else ROI)

    @property
    def description(self) -> str:
        aim = "" if self.strength is None else f", region of interest at strength {self.strength:g}"
        return f"Regio {self.codec.name}{aim}"

    @property
    def settings(self) -> tuple[float, ...]:
        return self.settings_for(self.qualities)

    def settings_for(self, qualities: Sequence[float]) -> tuple[float, ...]:
        """The settings that measure it at these qualities; without any, at its own."""
        return tuple(qualities or self.qualities) if self._variable else (0.0,)

    def at(self, setting: float) -> tuple[OwnCodec, float]:
        """The model that a setting stands for, and its quality."""
        return self, setting

    def with_grid(self, grid: int) -> OwnCodec:
        """The same with regions of grid x grid."""
        return replace(self, grid=grid)

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


@dataclass(frozen=True, eq=False)
class Series:
    """Several models as one contestant, as papers train one model for each rate: together they make one curve.

    A setting is the number of the model, from 1 on; of a model whose rate can be chosen, that number plus a thousandth
    of the quality: 2.05 is the second model at quality 50. One model alone keeps its own settings, and gets a name.
    Points are put in the order of their rates where means are taken (`means.mean_curves`).
    """

    label: str
    members: tuple[OwnCodec, ...]

    @property
    def name(self) -> str:
        return self.label + self.members[0].suffix

    @property
    def description(self) -> str:
        return f"Regio, {len(self.members)} models: {', '.join(one.codec.name for one in self.members)}"

    @property
    def settings(self) -> tuple[float, ...]:
        return self.settings_for(())

    def settings_for(self, qualities: Sequence[float]) -> tuple[float, ...]:
        """See OwnCodec."""
        return tuple(
            self._setting(number, quality)
            for number, one in enumerate(self.members, start=1)
            for quality in one.settings_for(qualities)
        )

    def at(self, setting: float) -> tuple[OwnCodec, float]:
        """See OwnCodec. UsageError for a number that no model has."""
        if len(self.members) == 1:
            return self.members[0].at(setting)
        number = int(setting)
        if not 1 <= number <= len(self.members):
            raise UsageError(f"{self.name}: there is no model {setting:g}; settings count its models, from 1")
        return self.members[number - 1], round(1000 * (setting - number), 3)

    def with_grid(self, grid: int) -> Series:
        """See OwnCodec."""
        return replace(self, members=tuple(one.with_grid(grid) for one in self.members))

    @property
    def weights(self) -> str:
        return hashlib.sha256(" ".join(one.weights for one in self.members).encode()).hexdigest()[:32]

    @property
    def device(self) -> str:
        return self.members[0].device

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        member, quality = self.at(setting)
        return member.encode(pixels, quality)

    def decode(self, data: bytes) -> Pixels:
        return self._author(data).decode(data)

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        made = []
        for number, one in enumerate(self.members, start=1):
            best = one.at_bytes(pixels, budget)
            made.append(best._replace(setting=self._setting(number, best.setting)))
        fitting = [one for one in made if one.fits]
        return max(fitting, key=lambda one: len(one.data)) if fitting else min(made, key=lambda one: len(one.data))

    def aimed_at(self, mask: Mask | None) -> Series:
        return replace(self, members=tuple(one.aimed_at(mask) for one in self.members))

    def share_inside(self, data: bytes, mask: Mask) -> float:
        return self._author(data).share_inside(data, mask)

    def _setting(self, number: int, quality: float) -> float:
        return quality if len(self.members) == 1 else round(number + quality / 1000, 6)

    def _author(self, data: bytes) -> OwnCodec:
        """The model that made a file."""
        from regio.info import inspect

        mark = inspect(data).fingerprint
        for one in self.members:
            if one.codec.fingerprint.startswith(mark):
                return one
        raise UsageError(f"{self.name}: this file was made by other weights ({mark[:8]})")


Own = OwnCodec | Series


def device_name(device: torch.device) -> str:
    """A device and what its speed depends on: "cpu, 1 thread", "cuda (NVIDIA H200)"."""
    import torch

    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' * (threads > 1)}"
