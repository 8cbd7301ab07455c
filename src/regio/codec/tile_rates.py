"""The rate map of a tile, as a file has it. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regio.entropy.rate_maps import read_levels, write_levels
from regio.errors import CorruptFile
from regio.format import NO_MAP, Ladder, RateMap, RgoFile
from regio.format.header import MAX_RATE
from regio.models.facts import Facts


@dataclass(frozen=True, eq=False)
class TileRates:
    """The rate map of a tile, both as levels and as what they mean."""

    ladder: Ladder
    levels: NDArray[np.int32]  # (rows, columns) of the tile's hyper-latent

    def pack(self) -> bytes:
        """The bytes with which the tile begins."""
        if not self.levels.any():
            return NO_MAP
        return RateMap(self.ladder, write_levels(self.levels, self.ladder.levels)).pack()

    def values(self, rest: int) -> NDArray[np.float64]:
        """The rates (rows, columns) in [0,1]; rest: the rate step of the header."""
        steps = np.array([self.ladder.step(rest, k) for k in range(self.ladder.levels)])[self.levels]
        return steps / MAX_RATE


def rates_of_tile(
    net: Facts, file: RgoFile, k: int, span: slice, size: tuple[int, int]
) -> tuple[TileRates | None, bytes]:
    """The rate map of tile k of a file, None where rates do not vary, and its streams; CorruptFile.

    span: its part of the payload; size: (h,w) of its latents.
    """
    rate_map, streams = file.tile(k, span)
    if not file.header.varies:
        return None, streams
    if not net.region_support.in_file:
        raise CorruptFile("the file has a rate map, which its model cannot use")
    scale = net.multiple // net.stride
    positions = size[0] // scale, size[1] // scale
    if rate_map is None:
        return TileRates(Ladder(span=1, levels=2), np.zeros(positions, np.int32)), streams
    return TileRates(rate_map.ladder, read_levels(rate_map.coded, rate_map.ladder.levels, positions)), streams
