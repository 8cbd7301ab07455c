"""Ways of damaging a .rgo file, for robustness.py, fuzz.py and the tests.

Blind ones change bytes whatever these mean; nearly all of what they make fails a checksum. Knowing ones take the file
apart, change a part, and put it together again so that lengths and CRCs of chunks fit: what stands behind those checks
is reached. Only the header's own check is left as it was, because it covers the symbols (`forged` is for that).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from unittest.mock import patch

from regio.codec import decoding
from regio.format import NO_LIMITS, Kind, Tile, TileIndex, container, parse
from regio.format.cursor import varint_bytes
from regio.format.header import CHECK_BYTES, MAX_RATE, MAX_SIDE, Header

SIDES = (1, 2, 63, 64, 65, 127, 128, 129, 16383, 16384, MAX_SIDE)
CHUNK_KINDS = (*Kind, 7, 127, 128, 255)
PNG = b"\x89PNG\r\n\x1a\n"

Damage = Callable[[bytes, bytes, random.Random], bytes]


def flip_bit(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One bit of the file."""
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def change_bytes(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One to eight bytes, anywhere, to anything."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(data))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
    return bytes(changed)


def change_start(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A byte of the first 24, where header and chunks stand."""
    at = dice.randrange(min(24, len(data)))
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def truncate(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The beginning only."""
    return data[: dice.randrange(len(data))]


def insert(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Up to sixteen bytes more."""
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.randint(1, 16)) + data[at:]


def remove(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Up to sixteen bytes fewer."""
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.randint(1, 16) :]


def splice(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def repeat(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A stretch of the file put over another."""
    size = dice.randint(1, min(64, len(data)))
    start, to = dice.randrange(len(data) - size + 1), dice.randrange(len(data) - size + 1)
    return data[:to] + data[start : start + size] + data[to + size :]


def extreme_header(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A header that is sound in itself, with fields at their ends."""
    header = parse(data).header
    choices = {
        "width": SIDES,
        "height": SIDES,
        "rate": (0, 1, MAX_RATE // 2, MAX_RATE),
        "grid": (1, 2, 16),
        "grey": (False, True),
        "check": (0, 2**32 - 1),
    }
    names = dice.sample(sorted(choices), dice.randint(1, 3))
    changed: Header = replace(header, **{name: dice.choice(choices[name]) for name in names})  # type: ignore[arg-type]
    return changed.pack() + data[header.size :]


def noise(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A sound beginning, then nothing but noise."""
    start = len(data) - len(parse(data).payload)
    return data[:start] + dice.choice((dice.randbytes(len(data)), b"\xff" * len(data), bytes(len(data))))


@dataclass
class Parts:
    """A sound file taken apart. What `pack` puts together has lengths and CRCs that fit, whatever was changed."""

    header: bytes
    chunks: list[tuple[int, bytes]]
    tiles: list[bytes]
    index: TileIndex | None

    @classmethod
    def of(cls, data: bytes) -> Parts:
        """data: a file that `parse` takes."""
        file = parse(data, NO_LIMITS)
        chunks = [(chunk.kind, chunk.body) for chunk in file.chunks if chunk.kind != Kind.TILES]
        return cls(data[: file.header.size], chunks, [file.payload[span] for span in file.spans], file.tiles)

    def pack(self) -> bytes:
        """The file; the tile index is made anew."""
        chunks = list(self.chunks)
        if self.index is not None:
            checks = [tile.check for tile in self.index.tiles]
            chunks.append((int(Kind.TILES), _index_body(self.index.log2_side, self.tiles, checks)))
        packed = b"".join(
            bytes([kind]) + varint_bytes(len(body)) + body + zlib.crc32(body).to_bytes(4, "big")
            for kind, body in chunks
        )
        header = bytearray(self.header)
        header[2] = header[2] & 0xFE | bool(chunks)  # the flag for chunks
        return bytes(header) + (packed + b"\0" if chunks else b"") + b"".join(self.tiles)


def _index_body(log2_side: int, tiles: list[bytes], checks: list[int]) -> bytes:
    """The body of a tile index."""
    entries = (varint_bytes(len(tile)) + check.to_bytes(4, "big") for tile, check in zip(tiles, checks, strict=False))
    return bytes([log2_side]) + b"".join(entries)


def change_chunk(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The body of a chunk: some bytes, its length, or all of it; a chunk more or less."""
    parts = Parts.of(data)
    k = dice.randrange(len(parts.chunks) + 1)
    if k == len(parts.chunks):
        parts.chunks.append((dice.choice(CHUNK_KINDS), dice.randbytes(dice.choice((0, 1, 17, 300)))))
    elif dice.random() < 0.2:
        del parts.chunks[k]
    else:
        kind, body = parts.chunks[k]
        parts.chunks[k] = (dice.choice((kind, kind, kind, dice.choice(CHUNK_KINDS))), _changed(body, dice))
    dice.shuffle(parts.chunks)
    return parts.pack()


@lru_cache(maxsize=8)
def zeros(count: int) -> bytes:
    """So many zero bytes, compressed: a large thing in few bytes."""
    return zlib.compress(bytes(count))


def change_opacity(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A plane of opacity that is a PNG by its first bytes, and is changed behind them, its own CRCs fitted."""
    parts, header = Parts.of(data), parse(data, NO_LIMITS).header
    size = header.width.to_bytes(4, "big") + header.height.to_bytes(4, "big")
    rows = zlib.compress(bytes((header.width + 1) * header.height))
    inside = [
        (b"IDAT", dice.choice((rows, rows[:-2], _changed(rows, dice), zeros(1 << 22), b""))),
        (dice.choice((b"tRNS", b"zTXt", b"iCCP", b"eXIf", b"acTL", b"sPLT")), dice.randbytes(dice.randrange(40))),
        (b"zTXt", b"k\0\0" + zeros(dice.choice((10, 1 << 20, 1 << 23)))),
        (b"IEND", b""),
    ]
    inside = [chunk for chunk in inside if dice.random() < 0.8]
    if dice.random() < 0.3:
        dice.shuffle(inside)
    body = PNG
    for kind, content in ((b"IHDR", size + b"\x08\0\0\0" + bytes([dice.choice((0, 0, 1, 7))])), *inside):
        body += len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
    parts.chunks = [chunk for chunk in parts.chunks if chunk[0] != Kind.ALPHA] + [(int(Kind.ALPHA), body)]
    return parts.pack()


def change_streams(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The coded bytes of a tile: its rate map, if it has one, its symbols; the index fits."""
    parts = Parts.of(data)
    k = dice.randrange(len(parts.tiles))
    foreign = Parts.of(other).tiles
    parts.tiles[k] = dice.choice(
        (
            lambda tile: _changed(tile, dice),
            lambda tile: _changed(tile[:6], dice) + tile[6:],  # where a rate map stands
            lambda tile: tile[: dice.randrange(len(tile) + 1)],
            lambda tile: tile + dice.randbytes(dice.randint(1, 40)),
            lambda tile: dice.randbytes(len(tile)),
            lambda tile: dice.choice((b"\xff", b"\xfe", b"\0", b"\x7f")) * dice.randrange(400),
            lambda tile: dice.choice(foreign),
        )
    )(parts.tiles[k])
    return parts.pack()


def change_tiles(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Tiles in another order, of other lengths, too few or too many, of another side; or a file cut into tiles."""
    parts = Parts.of(data)
    index = parts.index or TileIndex(dice.choice((6, 7, 15)), tuple(Tile(0, dice.getrandbits(32)) for _ in range(6)))
    checks = [tile.check if dice.random() < 0.9 else dice.getrandbits(32) for tile in index.tiles]
    if dice.random() < 0.3:
        dice.shuffle(parts.tiles)
    if dice.random() < 0.2:
        dice.shuffle(checks)
    if dice.random() < 0.3:  # borders elsewhere
        whole, at = b"".join(parts.tiles), 0
        ends = sorted(dice.randrange(len(whole) + 1) for _ in range(dice.randrange(len(checks))))
        parts.tiles = []
        for end in (*ends, len(whole)):
            parts.tiles.append(whole[at:end])
            at = end
    side = dice.choice((index.log2_side, index.log2_side, dice.randrange(17)))
    body = _index_body(side, parts.tiles, checks)
    parts.index = None
    parts.chunks.append((int(Kind.TILES), body if dice.random() < 0.9 else _changed(body, dice)))
    return parts.pack()


def change_map(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A rate map where there was none, or another; the flag in the header says so."""
    parts = Parts.of(data)
    header = bytearray(parts.header)
    varies = bool(header[2] & 4)
    header[2] |= 4
    parts.header = bytes(header)
    ladder = dice.getrandbits(16).to_bytes(2, "big")
    coded = ladder + dice.choice((b"", b"\0", dice.randbytes(dice.randrange(20)), b"\xff" * dice.randrange(30)))
    length = dice.choice((len(coded), len(coded), len(coded), dice.randrange(1 << 21)))
    rates = dice.choice((b"\0", varint_bytes(length) + coded))
    parts.tiles = [rates + (tile[dice.randrange(len(tile) + 1) :] if varies else tile) for tile in parts.tiles]
    return parts.pack()


def _changed(body: bytes, dice: random.Random) -> bytes:
    """Some bytes of a string other than they were, or fewer, or more."""
    if not body or dice.random() < 0.1:
        return body[: dice.randrange(len(body) + 1)] + dice.randbytes(dice.randrange(8))
    changed = bytearray(body)
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(body))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
    return bytes(changed)


BLIND: tuple[Damage, ...] = (
    flip_bit,
    change_bytes,
    change_start,
    truncate,
    insert,
    remove,
    splice,
    repeat,
    noise,
)
KNOWING: tuple[Damage, ...] = (
    extreme_header,
    change_chunk,
    change_opacity,
    change_streams,
    change_tiles,
    change_map,
)
DAMAGES = BLIND + KNOWING


@contextmanager
def forged(checks: list[int]) -> Iterator[None]:
    """Let every file pass its checks, as one does whose author computed them: anybody can.

    checks: gets the symbol CRC of each tile that is decoded.
    """
    with (
        patch.object(decoding, "verify_check", lambda data, symbol_crc: True),
        patch.object(container, "verify_check", lambda data, symbol_crc: True),
        patch.object(decoding.Decoding, "_matches", lambda self, k, symbol_crc: not checks.append(symbol_crc)),
    ):
        yield


def with_check(data: bytes, symbol_crc: int) -> bytes:
    """A file whose check is that of these symbols: a real forgery."""
    end = parse(data, NO_LIMITS).header.size
    crc = zlib.crc32(data[end:], zlib.crc32(data[: end - CHECK_BYTES]))
    return (
        data[: end - CHECK_BYTES]
        + zlib.crc32(symbol_crc.to_bytes(4, "big"), crc).to_bytes(CHECK_BYTES, "big")
        + data[end:]
    )
