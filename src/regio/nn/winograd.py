"""3x3 convolutions in float64 with a quarter of the products, after Winograd and after Lavin and Gray (CVPR 2016).

A tile of 4x4 results is a function of 6x6 values. Both sides are transformed by small matrices, so that the sum over
channels is one product for each of the 36 values, where the plain way has nine for each of 16 results. The transforms
lose about two digits: float32 cannot spare them, float64 can.

Kernels are transformed a few at a time, as they are used. Kept, they would take four times their memory.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

TILE = 4  # results on each side of a tile
REACH = TILE + 2  # values on each side that a tile is computed from
FEWEST = 24  # tiles for which transforming the kernels pays
BLOCK = 2**21  # numbers of transformed kernels or values at a time, about; these stay in the processor's cache


@cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Of values (36,36), of kernels (36,9), of results (16,36): F(4,3) at 0, 1, -1, 2, -2, in two dimensions."""
    values = [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
    kernels = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
    results = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    made = [torch.tensor(one, dtype=torch.float64) for one in (values, kernels, results)]
    made[1] /= 24
    return torch.kron(made[0], made[0]), torch.kron(made[1], made[1]), torch.kron(made[2], made[2])


def fits(height: int, width: int, kernel: int) -> bool:
    """Whether a map of this size, convolved with kernel x kernel taps, is quicker this way."""
    whole = height % TILE == 0 and width % TILE == 0
    return kernel == 3 and whole and (height // TILE) * (width // TILE) >= FEWEST


def to_tiles(seen: Tensor) -> Tensor:
    """seen (C,h+2,w+2) with its margin, float64; h and w as `fits` says -> transformed values (36,C,tiles)."""
    of_values, _, _ = _transforms()
    channels, height, width = seen.shape
    rows, columns = height // TILE, width // TILE
    tiles = _tiles(seen, REACH, rows, columns)  # (6,6,C,rows,columns), overlapping
    values = seen.new_empty(REACH * REACH, channels, rows * columns)
    step = max(1, BLOCK // (REACH * REACH * rows * columns))
    for k in range(0, channels, step):
        some = slice(k, k + step)
        torch.mm(of_values, tiles[:, :, some].reshape(REACH * REACH, -1), out=values[:, some].flatten(1))
    return values


def conv_by_tiles(values: Sequence[Tensor], taps: Tensor, bias: Tensor, out: Tensor) -> None:
    """values (36,C_i,tiles), of maps one after the other by channels; taps (9,K,C), bias (K,) -> out (K,h,w)."""
    _, of_kernels, of_results = _transforms()
    channels, count, (height, width) = taps.shape[2], len(out), out.shape[1:]
    rows, columns = height // TILE, width // TILE
    result = _tiles(out, TILE, rows, columns)  # (4,4,K,rows,columns)
    step = max(1, BLOCK // (REACH * REACH * channels))
    room = taps.new_empty(REACH * REACH, min(step, count) * channels)
    for k in range(0, count, step):
        some = slice(k, min(k + step, count))
        few = some.stop - k
        kernels = torch.mm(of_kernels, taps[:, some].flatten(1), out=room[:, : few * channels])
        parts = torch.split(kernels.view(-1, few, channels), [one.shape[1] for one in values], dim=2)
        products = torch.bmm(parts[0], values[0])  # (36,few,tiles)
        for part, one in zip(parts[1:], values[1:], strict=True):
            products.baddbmm_(part, one)
        sums = (of_results @ products.flatten(1)).view(TILE, TILE, few, rows, columns)
        torch.add(sums, bias[some, None, None], out=result[:, :, some])


def _tiles(x: Tensor, side: int, rows: int, columns: int) -> Tensor:
    """A map (C,h,w) as its tiles, which begin at every fourth row and column (side,side,C,rows,columns)."""
    channel, row, column = x.stride()
    size, strides = (side, side, len(x), rows, columns), (row, column, channel, TILE * row, TILE * column)
    return x.as_strided(size, strides, x.storage_offset())
