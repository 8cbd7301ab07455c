"""Mean absolute error at several resolutions: fine detail, and tones of areas up to 16 pixels wide."""

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 5  # 1, 2, 4, 8 and 16 pixels


def multi_resolution_l1(x: Tensor, x_hat: Tensor, levels: int = LEVELS) -> Tensor:
    """Pictures (B,3,H,W) in [0,1], x_hat not clamped -> mean over resolutions of the mean absolute error (B,).

    Each level halves the difference by means of 2 x 2 pixels; those that leave nothing are left out. Ours; [Li2023]
    has the first level alone.
    """
    error = x_hat.float() - x.float()
    found = [error.abs().mean(dim=(1, 2, 3))]
    for _ in range(levels - 1):
        if min(error.shape[2:]) < 2:
            break
        error = F.avg_pool2d(error, 2)
        found.append(error.abs().mean(dim=(1, 2, 3)))
    return torch.stack(found).mean(0)
