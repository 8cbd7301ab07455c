"""A region of interest in the codec: from an importance map to rates, and the rates that a search tries.

How a model gives more to a region is up to it. Models with gain units take a map of rates, which the file carries.
Those of RegionSupport.LATENTS scale their latents (Eq. 5 to 7 of *ROI Image Codec Optimized for Visual Quality*);
their files do not mention it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regio.codec.layout import Box, Layout
from regio.codec.options import STRENGTH as STRENGTH
from regio.codec.options import Settings
from regio.codec.tile_rates import TileRates
from regio.errors import UsageError
from regio.format import Ladder, rate_step
from regio.format.header import MAX_RATE, STEPS_PER_QUALITY
from regio.models.facts import Facts, RegionSupport
from regio.regions import Importance, pool, upper_half

LEVELS = 4  # of importance in a file: smoothed borders take one or two positions, and each level costs bytes
OCTAVES = 4.3 / 100  # gain of a latent, as a power of 2, for a point of quality: what our gain units start with


class Steps:
    """Maps the search variable to (background, region) rates, in rate steps."""

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest number."""
        return 0, MAX_RATE

    def at(self, t: int) -> tuple[int, int]:
        """The same everywhere."""
        return t, t


@dataclass(frozen=True)
class Gap(Steps):
    """So many steps between them, fewer at the ends, where one of them can go no further."""

    gap: int

    @property
    def ends(self) -> tuple[int, int]:
        """From where even the region has the lowest rate, to where even the rest has the highest."""
        return -self.gap, MAX_RATE

    def at(self, t: int) -> tuple[int, int]:
        """t: the rate of the rest, as far as there is one."""
        return min(max(t, 0), MAX_RATE), min(max(t + self.gap, 0), MAX_RATE)


@dataclass(frozen=True)
class Background(Steps):
    """The rate of the rest stays, that of the region moves."""

    rest: int

    @property
    def ends(self) -> tuple[int, int]:
        """No less than the rest."""
        return self.rest, MAX_RATE

    def at(self, t: int) -> tuple[int, int]:
        """t: the rate of the region."""
        return self.rest, t


def steps_of(settings: Settings) -> Steps:
    """The rates that encode options ask for in the region and outside it."""
    if settings.background is not None:
        return Background(rate_step(settings.background))
    return Gap(max(1, round(settings.strength * STEPS_PER_QUALITY)))


@dataclass(frozen=True, eq=False)
class Emphasis:
    """A region of interest on the grids of a picture's latents."""

    levels: NDArray[np.int32]
    """(rows, columns) of the hyper-latent, 0 ... LEVELS - 1; for models that take maps of rates.

    Smoothed as the weights are, but no less than what matters in each position itself: a small face, or the rim of a
    large one, would get next to nothing (docs/decisions/0014).
    """
    weights: NDArray[np.float64]
    """(rows, columns) of the latent, 0 to 1; for models that scale their latents."""
    scale: int  # latents to a position of the hyper-latent

    @classmethod
    def of(cls, importance: Importance, layout: Layout, net: Facts) -> Emphasis | None:
        """None where nothing matters more than the rest."""
        if not importance.found:
            return None
        if net.region_support is RegionSupport.NONE:
            raise UsageError("this codec has one rate only, so it cannot give more bits to a region of interest")
        scale = net.multiple // layout.stride
        size = layout.rows.length, layout.columns.length
        coarse = size[0] // scale, size[1] // scale
        ramp = pool(importance.values, net.multiple, coarse)
        levels = np.maximum(ramp, upper_half(importance.values, net.multiple, coarse)) * (LEVELS - 1)
        weights = pool(importance.values, layout.stride, size)
        return cls(np.floor(levels + 0.5).astype(np.int32), weights, scale)

    def ladder(self, rest: int, best: int) -> Ladder | None:
        """The rates of the levels; None if rates do not vary."""
        return Ladder(span=best - rest, levels=LEVELS) if rest < best and self.levels.any() else None

    def rates(self, tile: Box, ladder: Ladder) -> TileRates:
        """The map of rates of a tile."""
        rows, columns = (slice(span.start // self.scale, span.stop // self.scale) for span in tile)
        return TileRates(ladder, self.levels[rows, columns])


def alpha_between(rest: int, best: int) -> float:
    """The alpha that gives the region as much as the rate steps of rest and region would; see `alpha_of`."""
    return alpha_of((best - rest) / STEPS_PER_QUALITY)


def alpha_of(strength: float) -> float:
    """Points of quality -> the ROI paper's alpha, so that latents scaled by (1 + alpha) / alpha gain as much."""
    return 1 / math.expm1(math.log(2) * OCTAVES * strength)
