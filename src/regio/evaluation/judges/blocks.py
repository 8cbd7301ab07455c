"""Faults that PSNR hardly shows: areas that change their tone, and visible block borders. Exact, without a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from regio.evaluation.judges.base import Column, Figures, Judge, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from regio.evaluation.marks import Mask
    from regio.images import Pixels

    Planes = NDArray[np.float64]

BLOCK = 16  # pixels a side
_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # BT.601, as JFIF


class Blocks(Judge):
    """Root mean square error of the means of 16x16 blocks in Y, Cb and Cr, and how much block borders stand out.

    Blocking is the mean absolute step across 16-pixel borders over that between them, divided by the same ratio of the
    original: 1 says that borders show no more than there.
    """

    name = "blocks"
    about = "error of the means of 16x16 blocks in Y, Cb, Cr, and how much block borders stand out; fast"
    columns = (
        Column("mean_y", "means Y", ".3f"),
        Column("mean_cb", "means Cb", ".3f"),
        Column("mean_cr", "means Cr", ".3f"),
        Column("blocking", "blocking", ".3f"),
    )

    description = "blocks of 16"

    def prepare(self, original: Pixels, mask: Mask | None) -> Verdict:
        """See Judge; NaN for pictures without a whole block, or too small to have a border."""
        import numpy as np

        from regio.evaluation.metrics import check_pair

        means, ratio = block_means(original), border_ratio(original)

        def verdict(decoded: Pixels) -> Figures:
            check_pair(original, decoded)
            error = block_means(decoded) - means
            found = np.sqrt(np.square(error).mean(axis=(0, 1))) if error.size else [math.nan] * 3
            blocking = border_ratio(decoded) / ratio if ratio else math.nan
            return {column.key: float(value) for column, value in zip(self.columns, (*found, blocking), strict=True)}

        return verdict


def block_means(pixels: Pixels) -> Planes:
    """(H,W,3) uint8 -> (H//16, W//16, 3): means of whole blocks, in Y, Cb, Cr."""
    import numpy as np

    rows, columns = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    whole = pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
    means: Planes = whole.mean(axis=(1, 3)) @ np.array(_YCBCR).T
    return means


def border_ratio(pixels: Pixels) -> float:
    """Mean absolute step of luma across 16-pixel borders over the mean of all other steps; NaN without either."""
    import numpy as np

    luma = pixels @ np.array(_YCBCR[0])
    across: list[Planes] = []
    between: list[Planes] = []
    for axis in (0, 1):
        steps = np.abs(np.diff(luma, axis=axis))
        at_border = (np.arange(1, luma.shape[axis]) % BLOCK) == 0
        across.append(np.compress(at_border, steps, axis=axis).ravel())
        between.append(np.compress(~at_border, steps, axis=axis).ravel())
    borders, rest = np.concatenate(across), np.concatenate(between)
    if not borders.size or not rest.size or not rest.mean():
        return math.nan
    return float(borders.mean() / rest.mean())
