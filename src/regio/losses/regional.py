"""Distortion by region: squared error in the region of interest, SSIM and LPIPS outside [ROI2022].

[ROI2022] "ROI image codec optimized for visual quality", Eq. 2 to 5.
"""

import torch
from pytorch_msssim import ssim
from torch import Tensor, nn
from torch.nn import functional as F

SMOOTHING = 51  # pixels, the side of the box of Eq. 2


def smooth(mask: Tensor, side: int = SMOOTHING) -> Tensor:
    """Mask (B,1,H,W) -> its mean over a box of side x side pixels around each, Eq. 2; beyond the edge nothing counts.

    Departure: [ROI2022] sets all weights to one; ours sum to one, so that the mask stays within [0,1]. Two passes of
    one dimension each, which is the same.
    """
    for window in ((side, 1), (1, side)):
        margin = (window[0] // 2, window[1] // 2)
        mask = F.avg_pool2d(mask, window, stride=1, padding=margin, count_include_pad=False)
    return mask


def on_latents(mask: Tensor, stride: int = 16) -> Tensor:
    """Smoothed mask (B,1,H,W) -> (B,1,H/stride,W/stride), Eq. 5."""
    return F.avg_pool2d(mask, stride)


def roi_distortion(x: Tensor, x_hat: Tensor, mask: Tensor, error: str = "mse") -> Tensor:
    """d_ROI, Eq. 3: pictures (B,3,H,W) in [0,1], mask (B,1,H,W) -> mean of mask * error (B,).

    error: "mse", squared, or "l1", absolute and over 255, so that 255**2 times either is on pixels of 0 to 255.
    """
    difference = x - x_hat
    return ((difference.square() if error == "mse" else difference.abs() / 255) * mask).mean(dim=(1, 2, 3))


def colour_distortion(x: Tensor, x_hat: Tensor, side: int = 16) -> Tensor:
    """Pictures (B,3,H,W) -> mean squared error (B,) of their means over side x side pixels, at every half side.

    Ours: LPIPS and SSIM hardly see a large area take another tone, and people do.
    """
    return F.avg_pool2d(x - x_hat, side, stride=side // 2).square().mean(dim=(1, 2, 3))


class BackgroundDistortion(nn.Module):
    """d_BG, Eq. 4: 1 - SSIM + lambda_p * LPIPS, of whole pictures, as printed."""

    def __init__(self, perceptual: nn.Module | None, share: float = 0.5, look: int = 0) -> None:
        """perceptual: LPIPS, (x, x_hat) -> (B,), or None to leave it out; share: lambda_p.

        look: side of the part of the pictures, anywhere in them, that LPIPS is taken of; 0: all of them.
        """
        super().__init__()
        self.perceptual, self.share, self.look = perceptual, share, look

    def forward(self, x: Tensor, x_hat: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B,3,H,W) in [0,1] -> d_BG (B,) and the LPIPS in it (B,), zero where it is left out."""
        structure = 1 - ssim(x, x_hat, data_range=1.0, size_average=False)
        if self.perceptual is None:
            return structure, torch.zeros_like(structure)
        look = self.look or max(x.shape[2:])
        top, left = (
            int(place * max(side - look + 1, 1)) for place, side in zip(torch.rand(2), x.shape[2:], strict=True)
        )
        part = (..., slice(top, top + look), slice(left, left + look))
        distance = self.perceptual(x[part], x_hat[part])
        return structure + self.share * distance, distance
