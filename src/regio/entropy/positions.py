"""The stream that says which patches were kept: a set of K cells among L, in raster order, in exact integers.

Two ways of telling each cell's chance from the cells before it, both in whole numbers:

enumerative  k of the n cells to come are kept, so the chance is k / n. Over all cells the chances multiply to
             1 / C(L, K): this *is* combinatorial coding, log2 C(L, K) bits for every set.
modelled     kept patches cling together, so the odds k : n - k are moved by the neighbours above and to the left, and
             by how often that was right so far.

One bit says which of them is shorter. With the bit for "as many as the rate says", a set takes at most
ceil(log2 C(L, K)) + 2 bits and what the range coder rounds; the paper's Huffman text takes 91 bytes for 64 of 256.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from regio.entropy.range_coder import RangeReader, RangeWriter
from regio.entropy.tables import PRECISION
from regio.errors import CorruptFile

Kept = NDArray[np.bool_]
_ONE = 1 << PRECISION
_LEAST = 1 << 10  # of a modelled chance: a surprise costs 14 bits
_NEIGHBOURS = ((0, -1, 4), (-1, 0, 4), (-1, -1, 2), (-1, 1, 2), (0, -2, 1), (-2, 0, 1))  # rows, columns, weight
_SUM = 14  # of these weights
# 1024 exp(3 j / 14), j = 0 ... 14, written out because exp may differ in its last bit
_ODDS = (1024, 1269, 1572, 1947, 2413, 2990, 3704, 4589, 5686, 7045, 8729, 10815, 13400, 16603, 20572)
_LARGE = 4096  # cells of a grid whose sets must not be nearly empty
_FEWEST = 8  # such a set has at least one of so many of the usual number of cells
_TRUST = 10  # cells seen in one context that count as much as the odds above


def write_positions(writer: RangeWriter, kept: Kept, expected: int | None) -> None:
    """Write a set (h,w); expected: its usual number of cells, known to both sides."""
    count = int(kept.sum())
    if expected is not None:
        writer.number(int(count != expected), 1)
    if count != expected:
        writer.number(count, kept.size.bit_length())
    modelled = _bits(kept, _modelled) < _bits(kept, _enumerative)
    writer.number(int(modelled), 1)
    _walk(kept.shape, count, _modelled if modelled else _enumerative, _feed(kept, writer.binary))
    writer.log(kept.astype(np.int32))


def read_positions(reader: RangeReader, size: tuple[int, int], expected: int | None) -> Kept:
    """Read a set of a grid of this size; CorruptFile if it has no cells, more than the grid, or far fewer than usual.

    Work follows the grid and not the set: without the last check, a file of 22 bytes has 5 megapixels painted.
    """
    total = size[0] * size[1]
    count = reader.number(total.bit_length()) if expected is None or reader.number(1) else expected
    if not 0 < count <= total:
        raise CorruptFile(f"the coded data is damaged: {count} of {total} patches are kept")
    if expected is not None and total > _LARGE and count * _FEWEST < expected:
        raise CorruptFile(f"the coded data is damaged: {count} of {total} patches are kept, {expected} are usual")
    model = _modelled if reader.number(1) else _enumerative
    kept = _walk(size, count, model, lambda _, chance: reader.binary(chance))
    reader.log(kept.astype(np.int32))
    return kept


def position_bits(kept: Kept, expected: int | None) -> float:
    """Bits that `write_positions` takes, without the range coder's rounding (below 0.001 bits a set)."""
    head = 1.0 if expected is None else 2.0
    if int(kept.sum()) != expected:
        head += kept.size.bit_length()
    return head + min(_bits(kept, _modelled), _bits(kept, _enumerative))


def set_bits(total: int, count: int) -> float:
    """log2 C(total, count): what a set of `count` among `total` takes when all are alike."""
    return (math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)) / math.log(2)


_Model = Callable[[NDArray[np.uint8], int, int], Iterator[int]]
_Decide = Callable[[int, int], bool]


def _walk(size: tuple[int, ...], count: int, model: _Model, decide: _Decide) -> Kept:
    """Go through the cells in raster order; decide(cell, chance of 2**24) -> whether it is kept.

    Cells that are certain are skipped. `model` yields chances and sees the cells decided so far.
    """
    grid = np.zeros(size, np.uint8)
    chances = model(grid, count, grid.size)
    flat, left = grid.reshape(-1), count
    for at in range(grid.size):
        todo = grid.size - at
        if left == 0:
            break
        if left == todo:
            flat[at:] = 1
            break
        if decide(at, next(chances)):
            flat[at] = 1
            left -= 1
    return grid.astype(np.bool_)


def _enumerative(grid: NDArray[np.uint8], count: int, total: int) -> Iterator[int]:
    flat, left = grid.reshape(-1), count
    for at in range(total):
        todo = total - at
        yield min(max((left * _ONE + todo // 2) // todo, 1), _ONE - 1)
        left -= int(flat[at])


def _modelled(grid: NDArray[np.uint8], count: int, total: int) -> Iterator[int]:
    height, width = grid.shape
    seen = [[0, 0] for _ in range(_SUM // 2 + 1)]  # cells left out and kept, by context
    usual = _ODDS[(_SUM * count + total // 2) // total]
    rows: list[list[int]] = []
    left, todo = count, total
    for row in range(height):
        rows.append([0] * width)
        for column in range(width):
            score, beyond = 0, 0
            for down, across, weight in _NEIGHBOURS:
                y, x = row + down, column + across
                if y >= 0 and 0 <= x < width:
                    score += weight * rows[y][x]
                else:  # outside the grid: as likely as anywhere
                    beyond += weight
            score += (beyond * count + total // 2) // total
            kept, out = left * _ODDS[score], (todo - left) * usual
            chance, (no, yes) = kept * _ONE // (kept + out), seen[score // 2]
            chance = (chance * _TRUST + yes * _ONE) // (_TRUST + no + yes)
            yield min(max(chance, _LEAST), _ONE - _LEAST)
            bit = int(grid[row, column])
            rows[row][column] = bit
            seen[score // 2][bit] += 1
            left, todo = left - bit, todo - 1


def _feed(kept: Kept, write: Callable[[int, int], None]) -> _Decide:
    cells: list[bool] = kept.reshape(-1).tolist()

    def decide(cell: int, chance: int) -> bool:
        write(int(cells[cell]), chance)
        return cells[cell]

    return decide


def _bits(kept: Kept, model: _Model) -> float:
    cells: list[bool] = kept.reshape(-1).tolist()
    total = 0.0

    def decide(cell: int, chance: int) -> bool:
        nonlocal total
        total -= math.log2((chance if cells[cell] else _ONE - chance) / _ONE)
        return cells[cell]

    _walk(kept.shape, int(kept.sum()), model, decide)
    return total
