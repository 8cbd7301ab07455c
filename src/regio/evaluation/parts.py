"""MS-SSIM and LPIPS of a part of a picture: the mean over places that all of it has, taken over the part's places.

Both look through windows. Each window of MS-SSIM, and each place of LPIPS' features, counts with the part of it that
lies inside; at the border of the part they see what lies outside, too. Over the whole picture the figures are those of
`metrics` and of `Lpips.distance`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from regio.evaluation.marks import Mask
from regio.evaluation.metrics import PEAK, SMALLEST_SIDE_FOR_MS_SSIM
from regio.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from regio.losses.perceptual import Lpips

WINDOW, DEVIATION = 11, 1.5  # of the Gaussian, in pixels
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of Wang, Simoncelli and Bovik, fine to coarse


def masked_ms_ssim(reference: Pixels, decoded: Pixels, masks: Sequence[Mask]) -> list[float]:
    """MS-SSIM of two (H,W,3) uint8 pictures over each of several (H,W) masks, mean over R, G and B.

    NaN for a picture too small for five scales, and for a mask that holds nothing.
    """
    if min(reference.shape[:2]) < SMALLEST_SIDE_FOR_MS_SSIM:
        return [math.nan] * len(masks)
    import torch

    with torch.inference_mode():
        weights = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in masks]
        channels = [_similarities(_plane(reference, c), _plane(decoded, c), weights) for c in range(3)]
    return [float(one) for one in np.mean(channels, axis=0)]


def masked_lpips(judge: Lpips, reference: list[Tensor], decoded: list[Tensor], mask: Mask) -> float:
    """LPIPS of what `judge.features` gave for two pictures, over an (H,W) mask; NaN where it holds nothing."""
    if not mask.any():
        return math.nan
    import torch
    from torch.nn.functional import interpolate

    total = 0.0
    with torch.inference_mode():
        inside = torch.from_numpy(mask.astype(np.float32))[None, None].to(judge.device)
        for head, f, g in zip(judge.heads, reference, decoded, strict=True):
            weight = interpolate(inside, size=f.shape[2:], mode="area")
            places = ((f - g).square() * head).sum(dim=1, keepdim=True)  # (1,1,h,w)
            total += float((places * weight).sum() / weight.sum())
    return total


def _plane(pixels: Pixels, channel: int) -> Tensor:
    import torch

    return torch.from_numpy(pixels[..., channel].astype(np.float32))[None, None]  # (1,1,H,W)


def _similarities(x: Tensor, y: Tensor, weights: list[Tensor]) -> list[float]:
    """x, y and each weight (1,1,H,W) -> for each weight the product over scales, as pytorch-msssim arranges it."""
    from torch.nn.functional import avg_pool2d

    results = [1.0] * len(weights)
    for scale, exponent in enumerate(SCALES):
        similarity, contrast = _maps(x, y)
        last = scale == len(SCALES) - 1
        for k, weight in enumerate(weights):
            seen = _blur(weight)
            mean = float((((similarity if last else contrast) * seen).sum() / seen.sum()).clamp(min=0))
            results[k] *= mean**exponent
        if not last:
            padding = [side % 2 for side in x.shape[2:]]
            x, y, *weights = (avg_pool2d(one, 2, padding=padding) for one in (x, y, *weights))
    return results


def _maps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity, and its part that regards contrast and structure, (1,1,H-10,W-10)."""
    mean_x, mean_y = _blur(x), _blur(y)
    square_x, square_y, product = mean_x.square(), mean_y.square(), mean_x * mean_y
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    variance = (_blur(x * x) - square_x) + (_blur(y * y) - square_y)
    contrast = (2 * (_blur(x * y) - product) + c2) / (variance + c2)
    return (2 * product + c1) / (square_x + square_y + c1) * contrast, contrast


def _blur(x: Tensor) -> Tensor:
    """(1,1,H,W) -> (1,1,H-10,W-10), no padding."""
    import torch
    from torch.nn.functional import conv2d

    taps = torch.exp(-((torch.arange(WINDOW, dtype=torch.float32) - WINDOW // 2) ** 2) / (2 * DEVIATION**2))
    taps = (taps / taps.sum()).to(x)
    return conv2d(conv2d(x, taps.view(1, 1, WINDOW, 1)), taps.view(1, 1, 1, WINDOW))
