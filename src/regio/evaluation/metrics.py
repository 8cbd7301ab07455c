"""How close a decoded picture is, and what it cost.

Pictures are (H,W,3) uint8 RGB. Every figure is per picture; a table's figure is the mean of the pictures' figures
(PSNR: the mean of the decibel values, not the decibels of the mean error, as the field's result files have it).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from regio.images import Pixels

PEAK = 255.0
SMALLEST_SIDE_FOR_MS_SSIM = 161
"""MS-SSIM halves a picture four times and then slides an 11-tap window over it: both sides must exceed 10 x 2**4."""


def mse(reference: Pixels, decoded: Pixels) -> float:
    """Mean squared error over pixels and channels of two (H,W,3) uint8 pictures, in squared 8-bit steps.

    Raises ValueError if the two are not of one shape and uint8.
    """
    check_pair(reference, decoded)
    return _squared(reference, decoded) / reference.size


def psnr(reference: Pixels, decoded: Pixels) -> float:
    """Peak signal-to-noise ratio in dB over R, G and B together; infinity for equal pictures.

    Raises ValueError if the two are not of one shape and uint8.
    """
    return _decibels(mse(reference, decoded))


def masked_psnr(reference: Pixels, decoded: Pixels, mask: npt.NDArray[np.bool_]) -> float:
    """PSNR in dB over the pixels of (H,W) `mask` only; NaN if it holds none.

    Raises ValueError if the pictures are not of one shape and uint8, or the mask is of another size.
    """
    check_pair(reference, decoded)
    if mask.shape != reference.shape[:2]:
        raise ValueError(f"the mask is {mask.shape}, the pictures are {reference.shape[:2]}")
    marked = 3 * int(np.count_nonzero(mask))
    return _decibels(_squared(reference, decoded, mask) / marked) if marked else math.nan


def ms_ssim(reference: Pixels, decoded: Pixels) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003), mean over R, G, B; 1 for equal pictures.

    As pytorch-msssim computes it on 0..255 with data_range=255: 11-tap Gaussian of deviation 1.5, five scales. For a
    picture with a side under `SMALLEST_SIDE_FOR_MS_SSIM` the five scales do not exist and the answer is NaN: fewer
    scales, or a padded picture, would give a number that looks comparable with the others and is not.

    Raises ValueError if the two are not of one shape and uint8.
    """
    check_pair(reference, decoded)
    if min(reference.shape[:2]) < SMALLEST_SIDE_FOR_MS_SSIM:
        return math.nan
    import torch
    from pytorch_msssim import ms_ssim as measure

    def tensor(pixels: Pixels) -> torch.Tensor:
        return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]  # (H,W,3) -> (1,3,H,W)

    with torch.inference_mode():
        return float(measure(tensor(reference), tensor(decoded), data_range=PEAK))


def bpp(size: int, pixels: Pixels) -> float:
    """Bits per pixel of a whole file of `size` bytes, container included, for an (H,W,...) picture."""
    height, width = pixels.shape[:2]
    return 8 * size / int(height * width)


def _squared(reference: Pixels, decoded: Pixels, mask: npt.NDArray[np.bool_] | None = None) -> int:
    """Sum of squared errors of two (H,W,3) pictures where (H,W) `mask` is true, some rows at a time."""
    rows, total = max(1, (1 << 16) // max(1, reference.shape[1])), 0
    for top in range(0, reference.shape[0], rows):
        part = slice(top, top + rows)
        difference = reference[part].astype(np.int32) - decoded[part]
        squares = difference * difference
        total += int(squares.sum(dtype=np.int64) if mask is None else squares[mask[part]].sum(dtype=np.int64))
    return total


def _decibels(error: float) -> float:
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def check_pair(reference: Pixels, decoded: Pixels) -> None:
    for name, pixels in (("reference", reference), ("decoded", decoded)):
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
            raise ValueError(f"{name}: (H,W,3) uint8 wanted, not {pixels.shape} {pixels.dtype}")
    if reference.shape != decoded.shape:
        raise ValueError(f"the pictures differ in shape: reference {reference.shape}, decoded {decoded.shape}")
