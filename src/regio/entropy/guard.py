"""The guard band: how two machines whose scales differ in the last bits agree on every table.

A level that lies within `width` of the boundary between two tables may round to either side elsewhere. The encoder
lists these positions, each with the table it took, and the decoder takes them from the list. Every other level is
further than `width` from a boundary, so machines whose levels differ by less than that round it alike.
"""

import numpy as np
from numpy.typing import NDArray

from regio.entropy.range_coder import RangeReader, RangeWriter
from regio.entropy.tables import LEVELS
from regio.errors import CorruptFile

RARE = 1e-5  # widths up to this seldom list anything, which then takes next to nothing to say
Indices = NDArray[np.uint8]
Levels = NDArray[np.float64]


def table_indices(levels: Levels) -> Indices:
    """Levels (n,), real -> nearest table (n,), 0 ... 63."""
    return np.clip(np.floor(np.nan_to_num(levels) + 0.5), 0, LEVELS - 1).astype(np.uint8)


def doubtful(levels: Levels, width: float) -> NDArray[np.int64]:
    """Positions whose level lies within `width` of a boundary between two tables."""
    inside = (levels > 0) & (levels < LEVELS - 1)
    return np.flatnonzero(inside & (np.abs(levels - np.floor(levels) - 0.5) <= width))


def write_guard(writer: RangeWriter, levels: Levels, width: float) -> Indices:
    """Levels (n,) -> tables (n,). Writes how many positions are doubtful, then for each the gap before it and one bit:
    whether the table above the boundary was taken. For a rare list, whether there is any position comes first."""
    tables = table_indices(levels)
    positions = doubtful(levels, width)
    if width <= RARE:
        writer.binary(int(len(positions) > 0), _chance(len(levels)))
        if not len(positions):
            return tables
    writer.natural(len(positions))
    rice = _rice_bits(len(levels), len(positions))
    for gap, at in zip(np.diff(positions, prepend=-1) - 1, positions, strict=True):
        writer.rice(int(gap), rice)
        writer.number(int(tables[at]) - int(np.floor(levels[at])), 1)
    return tables


def read_guard(reader: RangeReader, levels: Levels, width: float) -> Indices:
    """Levels (n,) as this machine computes them -> tables (n,) as the writing machine took them.

    The width matters only in whether lists are rare.
    """
    tables = table_indices(levels)
    if width <= RARE and not reader.binary(_chance(len(levels))):
        return tables
    count = reader.natural()
    if count > len(levels):
        raise CorruptFile(f"the coded data is damaged: {count} guarded positions among {len(levels)}")
    rice = _rice_bits(len(levels), count)
    at = -1
    for _ in range(count):
        at += 1 + reader.rice(rice, len(levels))
        if at >= len(levels):
            raise CorruptFile("the coded data is damaged: a guarded position lies outside the latent")
        base = np.floor(np.nan_to_num(levels[at]))
        tables[at] = np.clip(base + reader.number(1), 0, LEVELS - 1)
    return tables


def _chance(positions: int) -> int:
    """Probability that a rare list has a position, times 2**24: about 2 * 10**-6 per position of the part."""
    return 32 * min(max(positions, 1 << 9), 1 << 18)


def _rice_bits(positions: int, listed: int) -> int:
    """Low bits of a gap written without coding: about log2 of (mean gap times ln 2), in whole numbers."""
    return max(0, (69 * positions // (100 * max(listed, 1))).bit_length() - 1)
