"""Chunks: the optional parts of a .rgo file between header and payload, and the bodies that we define."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from regio.errors import UnsupportedFile, UsageError
from regio.format.cursor import Cursor, varint_bytes

CRC_BYTES = 4
MAX_LENGTH = (1 << 32) - 1  # of a chunk's body and of a tile's payload
IGNORABLE = 128  # a reader skips a kind from here on that it does not know
TILE_SIDES = range(6, 16)  # log2 of the tile side
FINGERPRINT_BYTES = 16
MAX_NAME = 255  # UTF-8 bytes of the name of custom weights

PNG_START = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR"
PNG_GREY_8 = b"\x08\x00"  # bit depth, colour type
PNG_KINDS = (b"IHDR", b"IDAT", b"IEND")
WEBP_START = b"\x2f"
WEBP_SIDE = 1 << 14  # pixels of a side, at most


class Kind(IntEnum):
    """The kinds of chunks. The numbers appear in files: append only."""

    ICC = 1
    EXIF = 2
    XMP = 3
    ALPHA = 4
    TILES = 5
    WEIGHTS = 6
    COLOUR = 7
    ICC_DEFLATED = 8
    LOSSLESS = 9
    EXIF_DEFLATED = 130
    XMP_DEFLATED = 131


MEANINGS = {
    Kind.ICC: "ICC profile of the decoded picture",
    Kind.EXIF: "EXIF block, orientation already applied",
    Kind.XMP: "XMP packet, UTF-8",
    Kind.ALPHA: "opacity: one byte for the whole picture, or a grey 8-bit PNG of its size",
    Kind.TILES: "tile index: the payload is cut into tiles",
    Kind.WEIGHTS: "custom weights: their fingerprint and name",
    Kind.COLOUR: "one byte for the colours of the decoded picture, instead of a profile",
    Kind.ICC_DEFLATED: "like `icc`, deflated",
    Kind.LOSSLESS: "the picture without loss, as the bit stream of a WebP: no symbols and no weights are needed",
    Kind.EXIF_DEFLATED: "like `exif`, deflated",
    Kind.XMP_DEFLATED: "like `xmp`, deflated",
}
METADATA = {  # bytes kept for the user, which decoding does not need, and the block that they stand for
    Kind.ICC: Kind.ICC,
    Kind.EXIF: Kind.EXIF,
    Kind.XMP: Kind.XMP,
    Kind.COLOUR: Kind.ICC,
    Kind.ICC_DEFLATED: Kind.ICC,
    Kind.EXIF_DEFLATED: Kind.EXIF,
    Kind.XMP_DEFLATED: Kind.XMP,
}


@dataclass(frozen=True)
class Chunk:
    """One chunk: its kind 1..255 and its body."""

    kind: int
    body: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.kind <= 255:
            raise UsageError(f"chunk kind {self.kind} is outside 1..255")
        if len(self.body) > MAX_LENGTH:
            raise UsageError(f"{self.name} chunk of {len(self.body)} bytes; at most {MAX_LENGTH} fit the file")

    @property
    def name(self) -> str:
        """icc, exif, ... or "chunk 200" for a kind this release does not know."""
        return kind_name(self.kind)

    @property
    def size(self) -> int:
        """Bytes of the chunk in the file: kind, length, body and CRC."""
        return 1 + len(varint_bytes(len(self.body))) + len(self.body) + CRC_BYTES

    def pack(self) -> bytes:
        """Write the chunk."""
        crc = zlib.crc32(self.body).to_bytes(CRC_BYTES, "big")
        return bytes([self.kind]) + varint_bytes(len(self.body)) + self.body + crc


def kind_name(kind: int) -> str:
    """Return the name of a kind."""
    return Kind(kind).name.lower() if kind in set(Kind) else f"chunk {kind}"


def block_of(kind: int) -> int:
    """The kind that a chunk stands in place of, itself for most: of each, a file has one at most."""
    return METADATA[Kind(kind)] if kind in METADATA else kind


def check_known(kind: int, at: int) -> None:
    """UnsupportedFile for a kind that this release does not know and must not skip; at is its offset."""
    if kind < IGNORABLE and kind not in set(Kind):
        raise UnsupportedFile(f"chunk of unknown kind {kind} at offset {at} is needed to decode; try a newer release")


@dataclass(frozen=True)
class Tile:
    """One tile of the payload: its bytes, and the checksum of its symbols."""

    length: int
    check: int

    def __post_init__(self) -> None:
        if not (0 <= self.length <= MAX_LENGTH and 0 <= self.check < 1 << 32):
            raise UsageError(f"tile length {self.length} and check {self.check} must both fit 32 bits")


def tile_grid(width: int, height: int, log2_side: int) -> tuple[int, int]:
    """Return the (columns, rows) of tiles that cover a picture; the last of each may be cut."""
    return -(-width >> log2_side), -(-height >> log2_side)


@dataclass(frozen=True)
class TileIndex:
    """The places of the tiles' bytes in the payload: square tiles of side 2**log2_side, in raster order."""

    log2_side: int
    tiles: tuple[Tile, ...]

    def __post_init__(self) -> None:
        if self.log2_side not in TILE_SIDES:
            raise UsageError(f"tile side 2**{self.log2_side} is outside 2**6..2**15")

    @property
    def side(self) -> int:
        """Rows and columns of a whole tile."""
        return 1 << self.log2_side

    @property
    def payload_size(self) -> int:
        """Bytes of all tiles together."""
        return sum(tile.length for tile in self.tiles)

    @property
    def symbol_crc(self) -> int:
        """The CRC-32 of the tiles' checks: the header's check covers it instead of all symbols."""
        return zlib.crc32(b"".join(tile.check.to_bytes(CRC_BYTES, "big") for tile in self.tiles))

    def spans(self) -> list[slice]:
        """Return the part of the payload that belongs to each tile."""
        done: list[slice] = []
        at = 0
        for tile in self.tiles:
            done.append(slice(at, at + tile.length))
            at += tile.length
        return done

    def chunk(self) -> Chunk:
        """Write the index as a chunk."""
        entries = (varint_bytes(tile.length) + tile.check.to_bytes(CRC_BYTES, "big") for tile in self.tiles)
        return Chunk(Kind.TILES, bytes([self.log2_side]) + b"".join(entries))


def read_tiles(cursor: Cursor, width: int, height: int) -> TileIndex:
    """Read the body of a tile index chunk for a picture of this size; CorruptFile."""
    start = cursor.at
    log2_side = cursor.uint(1)
    if log2_side not in TILE_SIDES:
        raise cursor.fault(f"tile side 2**{log2_side} outside 2**6..2**15", start)
    columns, rows = tile_grid(width, height, log2_side)
    least = columns * rows * (1 + CRC_BYTES)  # the size in the header asks for no more work than the file holds
    if cursor.left < least:
        raise cursor.fault(f"{columns}x{rows} tiles need {least} bytes or more, {cursor.left} left")
    tiles = tuple(Tile(cursor.varint(MAX_LENGTH), cursor.uint(CRC_BYTES)) for _ in range(columns * rows))
    cursor.finish()
    return TileIndex(log2_side, tiles)


@dataclass(frozen=True)
class CustomWeights:
    """Weights outside the catalog: their whole fingerprint (16 bytes) and a name or hub id to ask for."""

    fingerprint: bytes
    name: str

    def __post_init__(self) -> None:
        if len(self.fingerprint) != FINGERPRINT_BYTES:
            raise UsageError(f"fingerprint of {len(self.fingerprint)} bytes, {FINGERPRINT_BYTES} expected")
        # a surrogate is not printable, so what passes here has a UTF-8 form
        if not self.name.isprintable() or not 1 <= len(self.name.encode()) <= MAX_NAME:
            raise UsageError(f"name of weights {self.name!r} must be 1..{MAX_NAME} bytes of printable text")

    def chunk(self) -> Chunk:
        """Write the chunk."""
        return Chunk(Kind.WEIGHTS, self.fingerprint + self.name.encode())


def read_weights(cursor: Cursor) -> CustomWeights:
    """Read the body of a weights chunk; CorruptFile. The name is printable, so that it can be shown as it is."""
    fingerprint = cursor.take(FINGERPRINT_BYTES)
    start = cursor.at
    try:
        return CustomWeights(fingerprint, cursor.take(cursor.left).decode())
    except (UnicodeDecodeError, UsageError):
        raise cursor.fault(f"name of weights is not 1..{MAX_NAME} bytes of printable UTF-8", start) from None


def check_alpha(cursor: Cursor, width: int, height: int) -> None:
    """Refuse an alpha chunk that is neither one byte nor, by its outside, a grey 8-bit PNG of the picture's size.

    It is not interlaced and has IHDR, IDAT and IEND only: texts, profiles and animations inflate, turn or warn, and
    mean nothing here.
    """
    if cursor.left == 1:
        return
    start = cursor.at
    head = cursor.take(min(cursor.left, len(PNG_START) + 10))
    if head != PNG_START + struct.pack(">II", width, height) + PNG_GREY_8:
        raise cursor.fault(f"neither one byte nor a grey 8-bit PNG of {width}x{height}", start)
    if any(cursor.take(3)):
        raise cursor.fault("the PNG of the opacity is interlaced or uses unknown methods", start)
    cursor.take(CRC_BYTES)
    kind = b"IHDR"
    while kind != b"IEND":
        at = cursor.at
        length, kind = cursor.uint(4), cursor.take(4)
        if kind not in PNG_KINDS:
            raise cursor.fault("the PNG of the opacity has a chunk that is neither IHDR, IDAT nor IEND", at)
        cursor.take(length + CRC_BYTES)
    cursor.finish()


def check_lossless(cursor: Cursor, width: int, height: int) -> None:
    """Refuse a lossless chunk that is not, by its first five bytes, a WebP bit stream of the picture's size."""
    start = cursor.at
    if cursor.take(min(cursor.left, 5)) != webp_head(width, height):
        raise cursor.fault(f"not a lossless WebP bit stream of {width}x{height} without opacity", start)


def webp_head(width: int, height: int) -> bytes:
    """How the bit stream of a lossless WebP without opacity begins; b"" where a side is too long for one."""
    if max(width, height) > WEBP_SIDE:
        return b""
    return WEBP_START + (width - 1 | (height - 1) << 14).to_bytes(4, "little")


def table() -> str:
    """Return the Markdown table of kinds that docs/format.md shows."""
    lines: Sequence[str] = [f"| {kind:d} | `{kind.name.lower()}` | {MEANINGS[kind]} |" for kind in Kind]
    return "\n".join(["| kind | name | body |", "|---|---|---|", *lines]) + "\n"
