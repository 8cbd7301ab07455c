"""From an importance map to the grid of a latent: smoothing, so that borders ramp, and pooling.

[ROI2022] (docs/papers.md), spec of the ROI codec, steps 2 and 3: RM2D is the map convolved with a box of 51 x 51,
normalised; RM_latent its average over each position of the latent. Ours: beyond the picture the map goes on as at
its border.
"""

import numpy as np
from numpy.typing import NDArray

from regio.regions.maps import Values

BOX = 51  # pixels; odd


def smooth(values: Values, box: int = BOX) -> NDArray[np.float32]:
    """(H,W) 0..255 -> (H,W) 0..1: the average over box x box pixels."""
    out = values.astype(np.float64) / 255
    for axis in (0, 1):
        reach = [(box // 2 + 1, box // 2) if axis == k else (0, 0) for k in (0, 1)]
        sums = np.cumsum(np.pad(out, reach, mode="edge"), axis)
        size = out.shape[axis]
        out = (np.take(sums, range(box, box + size), axis) - np.take(sums, range(size), axis)) / box
    return np.clip(out, 0, 1).astype(np.float32)


def pool(values: Values, cell: int, grid: tuple[int, int], box: int = BOX) -> NDArray[np.float64]:
    """(H,W) 0..255 -> (rows, columns) = grid, in 0..1: the smoothed map, averaged over cells of cell x cell pixels.

    The same as averaging what `smooth` returns, without that map in memory: both are sums along rows and columns. Cells
    beyond the picture take what is at its border.
    """
    down, across = (_weights(length, cell, count, box) for length, count in zip(values.shape, grid, strict=True))
    out = np.empty(grid)
    for row, weights in enumerate(down):
        used = np.flatnonzero(weights)
        part = slice(int(used[0]), int(used[-1]) + 1)
        out[row] = across @ (weights[part] @ values[part].astype(np.float32))
    return np.clip(out / 255, 0, 1)


def _weights(length: int, cell: int, count: int, box: int) -> NDArray[np.float32]:
    """(count, length): what each pixel of a row gives to each cell of it."""
    weights = np.zeros((count, length), np.float64)
    for k in range(count):
        inside = np.clip(np.arange(k * cell, (k + 1) * cell), 0, length - 1)
        seen = np.clip(inside[:, None] + np.arange(-(box // 2), box // 2 + 1), 0, length - 1)
        np.add.at(weights[k], seen.ravel(), 1 / seen.size)
    return weights.astype(np.float32)


def upper_half(values: Values, cell: int, grid: tuple[int, int]) -> NDArray[np.float64]:
    """(H,W) 0..255 -> (rows, columns) = grid, in 0..1: the mean over the more important half of each cell's pixels.

    A cell that a region covers by half counts as covered. Cells beyond the picture take what is at its border.
    """
    rows, columns = grid
    across = np.clip(np.arange(columns * cell), 0, values.shape[1] - 1)
    out = np.empty(grid)
    half = cell * cell // 2
    for row in range(rows):
        down = np.clip(np.arange(row * cell, (row + 1) * cell), 0, values.shape[0] - 1)
        band = values[down][:, across].reshape(cell, columns, cell).transpose(1, 0, 2).reshape(columns, -1)
        out[row] = np.partition(band, half, axis=1)[:, half:].mean(axis=1)
    return out / 255
