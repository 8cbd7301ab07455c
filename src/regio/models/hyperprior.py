"""The hyperprior, once for all models: latent -> hyper-latent -> means and levels [Balle2018].

y ── h_a ──► z ── code: factorised, or with a context of its own ──► ẑ ─┬─ h_mean ──► features for means
                                                                       └─ levels, or h_scale ──► what sets scales
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior, scale_to_level
from regio.entropy.coders import straight_through
from regio.entropy.tables import LEVELS
from regio.models.base import Config, Size
from regio.models.sharing import Shared
from regio.models.two_pass import HyperContext
from regio.models.whole_context import WholeHyper
from regio.nn.conv import subpixel
from regio.nn.fixed_point import FixedPointNet
from regio.nn.gain import GainUnit, rate_step
from regio.nn.norm import bounded
from regio.nn.precise import PreciseConv, seen_by
from regio.nn.whole import WholeNet, whole_input

Z_LIMIT = 64.0  # photographs and graphics reach 56 at the highest qualities
Layers = tuple[tuple[int, int], ...]  # (channels, stride) of each convolution


@dataclass(frozen=True, kw_only=True)
class HyperConfig(Config):
    """The numbers of a hyperprior, in the configuration of each model that has one."""

    hyper_down: Layers
    hyper_up: Layers
    hyper_magnitudes: bool = False  # the hyper-analysis also sees log(1 + |y|), by a 1x1 convolution first
    prior_start: float = 10.0
    rate_points: int = 0
    log_gains: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class ExactScales:
    """Scales from the hyper-latent alone, by whole-number arithmetic; widths of the network before each upsampling."""

    widths: tuple[int, ...]


class Side(NamedTuple):
    """The prediction of the latent from the hyper-latent."""

    mean: Tensor  # (B,side,h,w): features for means
    scale: Tensor  # levels (B,M,h,w) where levels are exact, else features for scales (B,side,h,w)


class WithHyperprior(Shared):
    """A network with a hyperprior: the only copy of the way from a latent to means and levels."""

    gain: GainUnit | None  # what sets the rate; None where there is one only
    h_a: nn.Sequential
    h_mean: nn.Sequential
    h_scale: nn.Sequential | None  # floating-point features for scales; None where levels are exact
    levels: FixedPointNet | WholeNet | None  # exact levels; None where scales are floating-point
    z_prior: FactorizedPrior | None
    z_context: HyperContext | WholeHyper | None  # one of the two codes z
    hyper_stride: int  # latents to a position of z, on each side
    sees_magnitudes: bool  # h_a also sees log(1 + |y|)

    def add_hyperprior(self, config: HyperConfig, context: int = 0, whole: bool = False) -> None:
        """Make the way to features for means. context: width of what codes z, 0 for a factorised prior.

        whole: the context is the one of whole numbers that float32 holds.
        """
        hyper = config.hyper_down[-1][0]
        self.hyper_stride = math.prod(stride for _, stride in config.hyper_down)
        self.h_a = hyper_stack(self.latent, config.hyper_down, down=True)
        self.sees_magnitudes = config.hyper_magnitudes
        if config.hyper_magnitudes:
            self.h_a[0] = nn.Conv2d(2 * self.latent, config.hyper_down[0][0], 1)
        self.z_prior, self.z_context = None, None
        if context:
            self.z_context = (WholeHyper if whole else HyperContext)(hyper, context, config.rate_points)
        else:
            self.z_prior = FactorizedPrior(hyper, config.prior_start)
        self.h_mean = hyper_stack(hyper, config.hyper_up, down=False)

    def add_levels(
        self, config: HyperConfig, widths: tuple[int, ...] | None, start: Tensor, whole: bool = False
    ) -> None:
        """Make the way to levels: exact with these widths, or None for floating-point features.

        start (points, M): the levels that training begins with; whole: as in `add_hyperprior`.
        """
        hyper = config.hyper_down[-1][0]
        self.h_scale, self.levels = None, None
        if widths is None:
            self.h_scale = hyper_stack(hyper, config.hyper_up, down=False)
        else:
            self.levels = (WholeNet if whole else FixedPointNet)(hyper, widths, start)

    @property
    def rated(self) -> bool:
        """See Network."""
        return self.gain is not None

    @property
    def exact_levels(self) -> bool:
        """See Network."""
        return self.levels is not None

    def priors(self) -> dict[str, FactorizedPrior]:
        """The factorised priors by the stream they code."""
        return {} if self.z_prior is None else {"z": self.z_prior}

    def to_coded(self, y: Tensor, rate: Tensor | None) -> Tensor:
        """Latents (B,M,h,w) -> what is coded of them at a rate."""
        return bounded(y if self.gain is None or rate is None else self.gain.scale(y, rate))

    def from_coded(self, y_hat: Tensor, rate: Tensor | None) -> Tensor:
        """The way back."""
        return y_hat if self.gain is None or rate is None else self.gain.unscale(y_hat, rate)

    def hyper_latent(self, y: Tensor | None) -> Tensor | None:
        """Latent (B,M,h,w), scaled for the rate, -> z (B,C,h/t,w/t), not rounded; None when reading.

        Our own models keep z within Z_LIMIT: what a picture unlike those of the training makes of it would drive
        the networks for means far from all that they have seen, and files would be larger than the raw picture.
        """
        if y is None:
            return None
        z: Tensor = self.h_a(torch.cat([y, torch.log1p(y.abs())], dim=1) if self.sees_magnitudes else y)
        return z.clamp(-Z_LIMIT, Z_LIMIT) if self.exact_levels else z

    def code_hyper(self, z: Tensor | None, rate: Tensor | None, coder: Coder, size: Size) -> Side:
        """Code z (None when reading) -> what it says of the latent. size: (h,w) of y."""
        z_hat, symbols = self._code_z(z, rate, coder, (size[0] // self.hyper_stride, size[1] // self.hyper_stride))
        return Side(self.h_mean(seen_by(z_hat, self.h_mean)), self._scale(z_hat, symbols, rate, coder))

    def _code_z(self, z: Tensor | None, rate: Tensor | None, coder: Coder, size: Size) -> tuple[Tensor, Tensor]:
        """-> ẑ, and what levels are computed from: the same numbers on every machine if levels are to be exact."""
        if isinstance(self.z_context, WholeHyper):
            assert rate is not None
            z_hat = self.z_context.unscale(self.z_context(z, rate, coder, size), rate)
            return z_hat, whole_input(z_hat)
        if self.z_context is not None:
            assert rate is not None
            whole = self.z_context(z, rate, coder, size)
            z_hat = self.z_context.unscale(whole, rate)
            return z_hat, self.z_context.unscale_exact(whole, rate_step(rate)) if coder.exact else z_hat
        assert self.z_prior is not None
        z_hat = coder.factorized("z", z, self.z_prior, size)
        return z_hat, straight_through(self.z_prior.round(z_hat), z_hat - self.z_prior.medians())

    def _scale(self, z_hat: Tensor, symbols: Tensor, rate: Tensor | None, coder: Coder) -> Tensor:
        if self.levels is None:
            assert self.h_scale is not None
            features: Tensor = self.h_scale(seen_by(z_hat, self.h_scale))
            return features
        assert rate is not None
        if isinstance(self.levels, FixedPointNet) and coder.exact:
            return self.levels.exact(symbols, rate_step(rate))
        level: Tensor = self.levels(symbols, rate)
        return level


def hyper_stack(before: int, layers: Layers, down: bool) -> nn.Sequential:
    """3x3 convolutions with GELU between; (channels, 2) halves, or with `down` False doubles by sub-pixels."""
    modules: list[nn.Module] = []
    widths = [before, *(channels for channels, _ in layers)]
    for (a, b), (_, stride) in zip(pairwise(widths), layers, strict=True):
        up = stride == 2 and not down
        plain = PreciseConv(a, b, 3) if stride == 1 else nn.Conv2d(a, b, 3, stride=stride, padding=1)
        modules += [subpixel(a, b) if up else plain, nn.GELU()]
    return nn.Sequential(*modules[:-1])


def first_gains(ends: tuple[float, float], points: int, latent: int) -> Tensor:
    """(points, M): logarithms to base 2, evenly from the lowest to the highest rate."""
    return torch.linspace(*ends, points)[:, None].repeat(1, latent)


def first_levels(gains: Tensor, spread: Tensor | None) -> Tensor:
    """(points, M): levels of the latents that a fresh transform makes, after the first gains (points, M).

    Their distributions are peaked, so the best Gaussian for most of them is narrower than their standard deviation.
    spread (M,): that deviation, where it is known.
    """
    fresh = torch.ones(gains.shape[1]) if spread is None else spread * 0.5
    return scale_to_level(torch.exp2(gains) * fresh).clamp(0, LEVELS - 1)
