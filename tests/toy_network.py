"""A whole model in one page, written against `regio.models.base` alone: means of 4x4 pixels, one factorised prior."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior
from regio.models.base import Config, Decoded, Latents, Network, Size
from regio.nn.regional import Regions

HOME = f"{__name__}:ToyNetwork"  # as `regio.models.catalog.FAMILIES` lists it


@dataclass(frozen=True, kw_only=True)
class ToyConfig(Config):
    """The numbers of a toy."""

    finest: float = 64.0  # steps of quantisation to the range of a pixel, at the highest rate

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """One."""
        return {"means": cls()}


class ToyNetwork(Network):
    """x ── means ──► y ── times the gain of the rate, code ──► ŷ ── spread ──► x̂"""

    config_class = ToyConfig
    config: ToyConfig
    stride = multiple = 4
    halo, latent, pixel_bytes = 1, 3, 100

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.down = nn.Conv2d(3, 3, 4, stride=4, bias=False)
        self.up = nn.ConvTranspose2d(3, 3, 4, stride=4, bias=False)
        self.prior = FactorizedPrior(3, 3.0)
        with torch.no_grad():
            self.down.weight[:] = torch.eye(3)[:, :, None, None] / 16
            self.up.weight[:] = torch.eye(3)[:, :, None, None]

    @property
    def rated(self) -> bool:
        return True

    def _gain(self, rate: Tensor | None) -> Tensor:
        assert rate is not None
        return torch.exp2(math.log2(self.config.finest) * (rate.view(-1, 1, 1, 1) if rate.dim() == 1 else rate))

    def analyse(self, x: Tensor, where: Regions) -> Latents:
        return Latents(self.down(x - 0.5))

    def code(self, latents: Latents | None, coder: Coder, where: Regions, rate: Tensor | None, size: Size) -> Decoded:
        y = None if latents is None else latents.y * self._gain(rate)
        return Decoded(coder.factorized("y", y, self.prior, size) / self._gain(rate))

    def synthesise(self, decoded: Decoded, where: Regions, rate: Tensor | None) -> Tensor:
        return torch.add(self.up(decoded.y_hat), 0.5)

    def priors(self) -> dict[str, FactorizedPrior]:
        return {"y": self.prior}
