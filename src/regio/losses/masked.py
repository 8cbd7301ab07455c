"""The distortion that MCM is trained on: colours, structure and features together."""

from collections.abc import Callable

import torch
from pytorch_msssim import ssim
from torch import Tensor

Difference = Callable[[Tensor, Tensor], Tensor]  # pictures (B,3,H,W) twice -> (B,)


def mixed_distortion(
    x: Tensor, x_hat: Tensor, mix: tuple[float, float, float], features: Difference | None = None
) -> Tensor:
    """mix[0] L1 + mix[1] (1 - SSIM) + mix[2] features, per sample (B,): Eq. 11 of MCM, there 10, 0.25 and 0.1.

    x, x_hat (B,3,H,W) in [0,1], x_hat not clamped. SSIM with a window of 11 and sigma 1.5. features: how much the
    pictures differ to a classifier; None counts nothing.
    """
    with torch.autocast(x.device.type, enabled=False):
        x, x_hat = x.float(), x_hat.float()
        total = mix[0] * (x - x_hat).abs().mean(dim=(1, 2, 3))
        if mix[1]:
            total = total + mix[1] * (1 - ssim(x, x_hat, data_range=1.0, size_average=False))
        if mix[2] and features is not None:
            total = total + mix[2] * features(x, x_hat)
    return total
