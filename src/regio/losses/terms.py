"""Distortion terms by name, with weights from a recipe: `terms = { lpips = 1.0, wasserstein = 0.5 }`."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

from regio.losses.perceptual import Lpips
from regio.losses.resolutions import multi_resolution_l1
from regio.losses.ssimulacra2 import ssimulacra2_loss
from regio.losses.wasserstein import Wasserstein

PLAIN = {
    "mse": lambda x, x_hat: 255**2 * (x - x_hat).square().mean(dim=(1, 2, 3)),
    "l1": multi_resolution_l1,
    "ms-ssim": lambda x, x_hat: 1 - ms_ssim(x, x_hat, data_range=1.0, size_average=False),
    "ssimulacra2": ssimulacra2_loss,
}
"""Pictures (B,3,H,W) twice -> (B,), without a network."""
OF_FEATURES = ("lpips", "wasserstein")


class Judged(NamedTuple):
    """A distortion and what it is made of."""

    total: Tensor  # (B,)
    parts: dict[str, Tensor]  # term -> mean over the batch, before its weight, without gradient


class Terms(nn.Module):
    """The weighted sum of some terms."""

    def __init__(
        self, weights: Mapping[str, float], *, spread: float = 0.0, look: int = 0, judges: str | Path | None = None
    ) -> None:
        """weights: by name, those of PLAIN and OF_FEATURES; terms of weight 0 are left out.

        spread: σ of `wasserstein` in pixels where the importance is 0. look: side of the part of the pictures, anywhere
        in them, whose features are compared; 0: all of it. judges: folder with the networks' weights, as for Lpips.
        """
        super().__init__()
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.spread, self.look = spread, look
        features = any(name in self.weights for name in OF_FEATURES)
        self.network = Lpips("squeeze", weights=judges) if features else None
        self.wasserstein = Wasserstein(self.network) if self.network and "wasserstein" in self.weights else None

    def forward(self, x: Tensor, x_hat: Tensor, importance: Tensor | None = None) -> Judged:
        """Pictures (B,3,H,W) in [0,1], x_hat not clamped; importance (B,1,H,W) in [0,1] for `wasserstein`."""
        with torch.autocast(x.device.type, enabled=False):
            x, x_hat = x.float(), x_hat.float()
            found = {name: PLAIN[name](x, x_hat) for name in self.weights if name in PLAIN}
            found |= self._of_features(x, x_hat, importance)
        total = torch.stack([self.weights[name] * value for name, value in found.items()]).sum(0)
        return Judged(total, {name: value.detach().mean() for name, value in found.items()})

    def _of_features(self, x: Tensor, x_hat: Tensor, importance: Tensor | None) -> dict[str, Tensor]:
        if self.network is None:
            return {}
        look = self.look or max(x.shape[2:])
        sides = zip(torch.rand(2).tolist(), x.shape[2:], strict=True)
        top, left = (int(place * max(side - look + 1, 1)) for place, side in sides)
        part = (..., slice(top, top + look), slice(left, left + look))
        with torch.no_grad():
            theirs = self.network.features(x[part])
        ours, found = self.network.features(x_hat[part]), {}
        if "lpips" in self.weights:
            found["lpips"] = self.network.distance(theirs, ours)
        if self.wasserstein is not None:
            if importance is None:
                raise ValueError("wasserstein needs importance maps")
            sigma = spread_of(importance[part], self.spread)
            found["wasserstein"] = self.wasserstein.distance(theirs, ours, sigma, x[part].shape[2])
        return found


def spread_of(importance: Tensor, spread: float) -> Tensor:
    """Importance (B,1,H,W) in [0,1] -> σ in pixels: 0 where it is 1, `spread` where it is 0, even in octaves between.

    Below one pixel there is nothing to spread over.
    """
    sigma: Tensor = spread ** (1 - importance)
    return torch.where(sigma > 1, sigma, 0.0)
