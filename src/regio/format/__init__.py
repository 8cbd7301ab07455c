"""The .rgo container: bytes only, standard library only. docs/format.md is the specification.

`header` declares the header, from which its reader, writer and documentation follow; `chunks` holds metadata, alpha,
tile index and custom weights; `rate_map` what a tile begins with where rates vary; `container` has pack(),
parse(), verify_check() and Limits.
"""

from regio.format.chunks import Chunk, CustomWeights, Kind, Tile, TileIndex, tile_grid
from regio.format.container import (
    DEFAULT_LIMITS,
    NO_LIMITS,
    Data,
    Limits,
    RgoFile,
    coded_side,
    pack,
    parse,
    read,
    verify_check,
)
from regio.format.header import Header, rate_step
from regio.format.rate_map import NO_MAP, Ladder, RateMap

__all__ = [
    "DEFAULT_LIMITS", "NO_LIMITS", "NO_MAP", "Chunk", "CustomWeights", "Data", "Header", "Kind", "Ladder", "Limits",
    "RateMap", "RgoFile", "Tile", "TileIndex", "coded_side", "pack", "parse", "rate_step", "read", "tile_grid",
    "verify_check",
]  # fmt: skip
