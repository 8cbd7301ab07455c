"""The hyperprior, once for all models: latent -> hyper-latent -> means and levels [Balle2018].

y ── h_a ──► z ── code: factorised, or with a context of its own ──► ẑ ─┬─ h_mean ──► features for means
                                                                       └─ levels, or h_scale ──► what sets scales
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior, scale_to_level
from regio.entropy.coders import straight_through
from regio.entropy.tables import LEVELS
from regio.models.base import Size
from regio.models.sharing import Shared
from regio.models.two_pass import HyperContext
from regio.models.whole_context import WholeHyper
from regio.nn.conv import subpixel
from regio.nn.fixed_point import FixedPointNet
from regio.nn.gain import rate_step
from regio.nn.precise import PreciseConv, seen_by
from regio.nn.whole import WholeNet, whole_input

Layers = tuple[tuple[int, int], ...]  # (channels, stride) of each convolution


class Side(NamedTuple):
    """What the hyper-latent says of the latent."""

    mean: Tensor  # (B,side,h,w): features for means
    scale: Tensor  # levels (B,M,h,w) where levels are exact, else features for scales (B,side,h,w)


class WithHyperprior(Shared):
    """A network with a hyperprior: the only copy of the way from a latent to means and levels."""

    h_a: nn.Sequential
    h_mean: nn.Sequential
    h_scale: nn.Sequential | None  # floating-point features for scales; None where levels are exact
    levels: FixedPointNet | WholeNet | None  # exact levels; None where scales are floating-point
    z_prior: FactorizedPrior | None
    z_context: HyperContext | WholeHyper | None  # one of the two codes z
    hyper_stride: int
    sees_magnitudes: bool  # h_a also sees log(1 + |y|)

    def hyper_latent(self, y: Tensor | None) -> Tensor | None:
        """Latent (B,M,h,w), scaled for the rate, -> z (B,C,h/t,w/t), not rounded; None when reading."""
        if y is None:
            return None
        z: Tensor = self.h_a(torch.cat([y, torch.log1p(y.abs())], dim=1) if self.sees_magnitudes else y)
        return z

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


def hyper_analysis(latent: int, layers: Layers, magnitudes: bool) -> nn.Sequential:
    """y (B,M,h,w) -> z; with magnitudes, 2M channels go through a 1x1 convolution first."""
    stack = hyper_stack(latent, layers, down=True)
    if magnitudes:
        stack[0] = nn.Conv2d(2 * latent, layers[0][0], 1)
    return stack


def stride_of(layers: Layers) -> int:
    """How many latents, on each side, a position of the hyper-latent stands for."""
    return math.prod(stride for _, stride in layers)


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
