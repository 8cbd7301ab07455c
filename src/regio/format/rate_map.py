"""The frame of a tile's rate map, with which each tile begins if the header says so. Levels are decoded elsewhere.

    [length of the rest: varint] ([span and levels: 2 bytes] [levels of all positions: coded])

A map of no bytes says that all of the tile has the rate of the header.
"""

from __future__ import annotations

from dataclasses import dataclass

from regio.format import fields
from regio.format.cursor import Cursor, varint_bytes
from regio.format.fields import bits
from regio.format.header import MAX_RATE

MAX_LENGTH = 1 << 20  # bytes; the maps of the largest tiles take a tenth of it


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The rates of a map: level k of n = `levels` stands for the header's rate plus k * span / (n - 1)."""

    span: int = bits(12, lo=1, hi=MAX_RATE, doc="rate steps from the rate of the header to that of the top level")
    levels: int = bits(4, lo=2, hi=16, bias=1, doc="how many levels there are")

    def __post_init__(self) -> None:
        fields.check(self)

    def step(self, rate: int, level: int) -> int:
        """The rate step of a level, where the header has `rate`: rounded to the nearest, halves up."""
        gaps = self.levels - 1
        return rate + (2 * level * self.span + gaps) // (2 * gaps)


@dataclass(frozen=True)
class RateMap:
    """A map as it stands in the file."""

    ladder: Ladder
    coded: bytes

    def pack(self) -> bytes:
        """Write the map, its length before it."""
        body = fields.pack(self.ladder) + self.coded
        return varint_bytes(len(body)) + body


NO_MAP = b"\0"  # in its place, where all of a tile has the rate of the header


def split(tile: bytes, rate: int, where: str, base: int) -> tuple[RateMap | None, bytes]:
    """The bytes of a tile -> its map (None if it has no bytes) and its streams.

    rate: the header's; where, base: what the tile is called, and its offset in the file. CorruptFile.
    """
    cursor = Cursor(tile, where=f"{where}: rate map", base=base)
    start = cursor.at
    length = cursor.varint(MAX_LENGTH)
    body = cursor.inside(length, cursor.where)
    streams = cursor.take(cursor.left)
    if not length:
        return None, streams
    ladder = fields.unpack(Ladder, body)
    if rate + ladder.span > MAX_RATE:
        raise cursor.fault(f"rate steps up to {rate + ladder.span}, above {MAX_RATE}", start)
    return RateMap(ladder, body.take(body.left)), streams
