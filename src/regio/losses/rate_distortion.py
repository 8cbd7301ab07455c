"""Rate plus weighted distortion, one multiplier per sample."""

from typing import NamedTuple

import torch
from pytorch_msssim import ms_ssim
from torch import Tensor
from torch.nn import functional as F


class Cost(NamedTuple):
    """Per sample (B,) each."""

    bpp: Tensor
    mse: Tensor  # on [0,1]
    distortion: Tensor  # already times its multiplier
    total: Tensor


def multipliers(rate: Tensor, *points: float) -> Tensor:
    """Rates in [0,1], (B,) or maps, -> lambda of the same shape, on a logarithmic scale.

    points: lambda at rate 0, at equal distances between, and at rate 1; two at least.
    """
    if len(points) == 2:
        low, high = points
        return low * (high / low) ** rate
    scale, place = rate.new_tensor(points).log(), rate * (len(points) - 1)
    below = place.floor().clamp(0, len(points) - 2)
    return torch.lerp(scale[below.long()], scale[below.long() + 1], place - below).exp()


def weighed(x: Tensor, x_hat: Tensor, bits: dict[str, Tensor], weight: Tensor, distortion: Tensor) -> Cost:
    """lambda * distortion + bpp, per sample; weight and distortion (B,), the others as for `rate_distortion`."""
    bpp = torch.stack(list(bits.values())).sum(0) / (x.shape[2] * x.shape[3])
    mse = (x - x_hat).square().mean(dim=(1, 2, 3))
    return Cost(bpp, mse, weight * distortion, weight * distortion + bpp)


MEAN_BLOCK = 16  # pixels a side


def rate_distortion(
    x: Tensor, x_hat: Tensor, bits: dict[str, Tensor], weight: Tensor, measure: str = "mse", means: float = 0.0
) -> Cost:
    """lambda * 255**2 * MSE + bpp, or lambda * (1 - MS-SSIM) + bpp ([Liu2024], training), per sample.

    means: with "mse", the squared error of means over 16 x 16 pixels counts so much beside that of pixels, so that
    large areas keep their tone.

    x, x_hat (B,3,H,W) in [0,1], x_hat not clamped; bits: stream -> (B,); weight (B,): lambda, or, for the MSE, a map of
    it (B,1,h,w) with each value for H/h x W/w pixels.
    """
    bpp = torch.stack(list(bits.values())).sum(0) / (x.shape[2] * x.shape[3])
    error = (x - x_hat).square()
    mse = error.mean(dim=(1, 2, 3))
    if means and measure == "mse":
        drift = F.avg_pool2d(x - x_hat, MEAN_BLOCK).square()
        error = error + means * drift.repeat_interleave(MEAN_BLOCK, 2).repeat_interleave(MEAN_BLOCK, 3)
    if measure == "mse" and weight.dim() == 1:
        distortion = weight * 255**2 * error.mean(dim=(1, 2, 3))
    elif measure == "mse":
        local = F.adaptive_avg_pool2d(error, (weight.shape[2], weight.shape[3]))
        distortion = 255**2 * (weight * local).mean(dim=(1, 2, 3))
    else:
        distortion = weight * (1 - ms_ssim(x, x_hat, data_range=1.0, size_average=False))
    return Cost(bpp, mse, distortion, distortion + bpp)
