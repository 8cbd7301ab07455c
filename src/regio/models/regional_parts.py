"""All that SegPIC [1] adds to its baseline for regions; `regio.models.segpic` has the diagram that it stands in.

[1] Liu et al., "Region-Adaptive Transform with Segmentation Prior for Image Compression", ECCV 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior
from regio.nn.precise import seen_by
from regio.nn.regional import GridRegions, PrototypeCoder, RegionAdaptiveTransform, Regions

if TYPE_CHECKING:
    from regio.models.segpic import SegPICConfig


class RegionalParts(nn.Module):
    """Two prototype coders, their priors, and the RATs they steer."""

    def __init__(self, config: SegPICConfig) -> None:
        super().__init__()
        side = config.hyper_up[-1][0]
        fresh = config.rate_points > 0  # our own models start every RAT as the identity

        def rat(channels: int, prototypes: int) -> RegionAdaptiveTransform:
            return RegionAdaptiveTransform(channels, prototypes, config.rat_inner, zero_init=fresh)

        self.shallow_coder = PrototypeCoder(config.shallow_codes, config.shallow_decode)
        self.deep_coder = PrototypeCoder(config.deep_codes, config.deep_decode)
        self.shallow_prior = FactorizedPrior(config.shallow_codes[-1], config.prior_start)
        self.deep_prior = FactorizedPrior(config.deep_codes[-1], config.prior_start)
        self.analysis = rat(config.shallow, config.shallow)
        self.synthesis = rat(config.shallow, config.shallow)
        self.hyper = rat(config.latent, config.latent)
        self.means = rat(side, config.latent)
        self.scales = rat(side, config.latent) if config.exact_scales is None else None

    def adapt(self, mean: Tensor, scale: Tensor, deep: Tensor, where: Regions) -> tuple[Tensor, Tensor]:
        """Features for means and scales (B,side,h,w), transformed by region; exact scales stay as they are."""
        mean = self.means(seen_by(mean, self.means), seen_by(deep, self.means), where)
        if self.scales is not None:
            scale = self.scales(scale, seen_by(deep, self.scales), where)
        return mean, scale

    def code_shallow(self, codes: Tensor | None, coder: Coder, where: Regions, size: tuple[int, int]) -> Tensor:
        """Codes (B,K,r,s) or None -> decoded shallow prototypes (B,N,r,s); size: (h,w) of y'."""
        present = _present(where, size)
        hat = coder.factorized("prototypes_shallow", codes, self.shallow_prior, where.size, present)
        return self.shallow_coder.decode(hat)

    def code_deep(self, y: Tensor | None, coder: Coder, where: Regions, size: tuple[int, int]) -> Tensor:
        """Latent y (B,M,h,w) or None -> decoded deep prototypes (B,M,r,s)."""
        codes = None if y is None else self.deep_coder.encode(where.pool(y))
        hat = coder.factorized("prototypes_deep", codes, self.deep_prior, where.size, _present(where, size))
        return self.deep_coder.decode(seen_by(hat, self.deep_coder.synthesis))


def _present(where: Regions, size: tuple[int, int]) -> Tensor | None:
    """Which regions exist (B,r,s), or None where all do."""
    return None if isinstance(where, GridRegions) else where.present(size)
