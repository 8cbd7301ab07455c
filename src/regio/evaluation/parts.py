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
import numpy.typing as npt

from regio.evaluation.marks import Mask
from regio.evaluation.metrics import PEAK, SMALLEST_SIDE_FOR_MS_SSIM
from regio.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from regio.losses.perceptual import Lpips

WINDOW, DEVIATION = 11, 1.5  # of the Gaussian, in pixels
STRIP = 1 << 16  # pixels that are computed at once: they stay in the processor's cache
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # exponents of Wang, Simoncelli and Bovik, fine to coarse


def masked_ms_ssim(reference: Pixels, decoded: Pixels, masks: Sequence[Mask]) -> list[float]:
    """MS-SSIM of two (H,W,3) uint8 pictures over each of several (H,W) masks, mean over R, G and B.

    NaN for a picture too small for five scales, and for a mask that holds nothing.
    """
    if min(reference.shape[:2]) < SMALLEST_SIDE_FOR_MS_SSIM:
        return [math.nan] * len(masks)
    import torch

    with torch.inference_mode():
        x, y = (torch.from_numpy(np.array(one)).permute(2, 0, 1) for one in (reference, decoded))  # (3,H,W)
        weights = torch.from_numpy(np.stack(masks))  # (masks,H,W)
        results = np.ones((len(masks), 3))
        for scale, exponent in enumerate(SCALES):
            last = scale == len(SCALES) - 1
            results *= _means(x, y, weights, last=last) ** exponent
            if not last:
                x, y, weights = _halved(x), _halved(y), _halved(weights)
    return [float(one) for one in results.mean(axis=1)]


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


def _means(x: Tensor, y: Tensor, weights: Tensor, *, last: bool) -> npt.NDArray[np.float64]:
    """x, y (3,H,W), weights (masks,H,W) -> (masks,3): mean similarity at the last scale, else of contrast only."""
    sums, total = np.zeros((len(weights), 3)), np.zeros((len(weights), 1))
    rows = _rows(x)
    for top in range(0, x.shape[1] - WINDOW + 1, rows):
        part = slice(top, top + rows + WINDOW - 1)
        similarity, contrast = _maps(x[:, part].float(), y[:, part].float())
        values = similarity if last else contrast
        for k, weight in enumerate(weights):
            seen = _blur(weight[part].float())
            sums[k] += (values * seen).sum((1, 2)).double().numpy()
            total[k] += float(seen.sum())
    with np.errstate(invalid="ignore"):  # a mask that holds nothing
        return np.asarray(np.maximum(sums / total, 0))


def _maps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Similarity, and its part that regards contrast and structure, (C,H-10,W-10)."""
    mean_x, mean_y = _blur(x), _blur(y)
    square_x, square_y, product = mean_x.square(), mean_y.square(), mean_x * mean_y
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    variance = (_blur(x * x) - square_x) + (_blur(y * y) - square_y)
    contrast = (2 * (_blur(x * y) - product) + c2) / (variance + c2)
    return (2 * product + c1) / (square_x + square_y + c1) * contrast, contrast


def _blur(x: Tensor) -> Tensor:
    """(...,H,W) -> (...,H-10,W-10), no padding. Shifted pictures are added: `conv2d` takes 20 times as long."""
    taps = [math.exp(-((k - WINDOW // 2) ** 2) / (2 * DEVIATION**2)) for k in range(WINDOW)]
    for axis in (-2, -1):
        length = x.shape[axis] - WINDOW + 1
        blurred = x.narrow(axis, 0, length) * (taps[0] / sum(taps))
        for k in range(1, WINDOW):
            blurred.add_(x.narrow(axis, k, length), alpha=taps[k] / sum(taps))
        x = blurred
    return x


def _halved(x: Tensor) -> Tensor:
    """(C,H,W) -> (C,H',W'), means of four; odd sides begin with a row or column of zeros, as pytorch-msssim has it."""
    import torch
    from torch.nn.functional import avg_pool2d, pad

    above, left = x.shape[1] % 2, x.shape[2] % 2
    half = x.new_empty((x.shape[0], (x.shape[1] + above) // 2, (x.shape[2] + left) // 2), dtype=torch.float32)
    rows = _rows(x)
    for top in range(0, half.shape[1], rows):
        first = 2 * top - above
        part = x[:, max(0, first) : first + 2 * rows].float()
        half[:, top : top + rows] = avg_pool2d(pad(part, (left, 0, max(0, -first), 0)), 2)
    return half


def _rows(x: Tensor) -> int:
    """Rows of a picture (C,H,W) that are computed at once."""
    return max(16, STRIP // x.shape[2])
