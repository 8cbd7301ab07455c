"""The whole file: header, chunks, payload; written, read within limits, and checked.

The layout is

    [header] ([chunk] ... [0]) [payload to the end of the file]

where the payload is one tile or several, each with a rate map before its streams if rates vary over the picture.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from regio.errors import CorruptFile, LimitExceeded, UsageError
from regio.format import chunks, header, metadata, rate_map
from regio.format.chunks import Chunk, CustomWeights, Kind, TileIndex
from regio.format.cursor import Buffer, Cursor
from regio.format.header import CHECK_BYTES, Header
from regio.format.metadata import MOST_INFLATED, Colours
from regio.format.rate_map import RateMap
from regio.names import opened

Data = Buffer | str | os.PathLike[str] | BinaryIO  # a file, its path, or a stream of it

NO_SYMBOLS = 0  # the symbol CRC of a file without symbols
CODED_MULTIPLE = 64  # models fill up the sides of pictures to multiples of this, or of a divisor of it


def coded_side(length: int) -> int:
    """A side of a picture as it is coded, in pixels: work and memory follow it."""
    return -(-length // CODED_MULTIPLE) * CODED_MULTIPLE


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a reader; intact files beyond them raise LimitExceeded.

    pixels bounds the work and memory of decoding: 2**28 is a square of 16384. They are counted after both sides are
    filled up to multiples of 64, as models do: a line of pixels counts 64. piece bounds, in pixels, a tile, or a
    picture without tiles, whose features take 100 to 220 bytes a pixel; writers of ours cut pictures of more than
    2**22. metadata bounds, in bytes, each chunk whose size does not follow from the picture's: an alpha plane or a tile
    index may also take a byte for every pixel, and a picture without loss four. It bounds what
    a deflated chunk inflates to, too, but never above MOST_INFLATED (16 MiB).
    """

    pixels: int = 1 << 28
    piece: int = 5 << 20
    metadata: int = 16 << 20

    def check_size(self, width: int, height: int) -> None:
        """LimitExceeded for too many pixels, counted as they are coded."""
        wide, high = coded_side(width), coded_side(height)
        if wide * high > self.pixels:
            as_coded = "" if (wide, high) == (width, height) else f", coded as {wide}x{high} = {wide * high}"
            raise LimitExceeded(
                f"the picture has {width}x{height} = {width * height} pixels{as_coded}, the limit is {self.pixels}; "
                f"allow more with max_pixels (--max-pixels) if you trust it"
            )

    def check_piece(self, head: Header, tiles: TileIndex | None) -> None:
        """LimitExceeded for too many pixels in one piece."""
        side = header.MAX_SIDE if tiles is None else tiles.side
        width, height = (min(side, coded_side(length)) for length in head.coded)
        if width * height > self.piece:
            raise LimitExceeded(
                f"{width} x {height} pixels in one piece, the limit is {self.piece}; "
                f"allow more with max_memory (--max-memory): 512 bytes for each"
            )

    def check_chunk(self, head: Header, kind: int, length: int) -> None:
        """LimitExceeded for too long a chunk."""
        each = {Kind.ALPHA: 1, Kind.TILES: 1, Kind.LOSSLESS: 4}.get(Kind(kind), 0) if kind in set(Kind) else 0
        limit = self.metadata + each * head.pixels
        if length > limit:
            raise LimitExceeded(
                f"the {chunks.kind_name(kind)} chunk has {length} bytes, the limit is {limit}; "
                f"raise Limits.metadata to read it"
            )


DEFAULT_LIMITS = Limits()
LONGEST_HEADER = 32  # bytes; no header is longer
_ALL_PIXELS = header.MAX_SIDE**2
NO_LIMITS = Limits(pixels=_ALL_PIXELS, piece=_ALL_PIXELS, metadata=chunks.MAX_LENGTH)  # to look: allocates nothing


@dataclass(frozen=True)
class RgoFile:
    """A .rgo file in memory. UsageError if header and chunks contradict each other."""

    header: Header
    chunks: tuple[Chunk, ...] = ()
    payload: bytes = b""

    def __post_init__(self) -> None:
        kinds = [chunk.kind for chunk in self.chunks]
        blocks = [chunks.block_of(kind) for kind in kinds]
        for block in blocks:
            if blocks.count(block) > 1:
                raise UsageError(f"two {chunks.kind_name(block)} chunks; each kind may occur once")
        if (self.header.model == 0) != (Kind.WEIGHTS in kinds):
            raise UsageError("model 0 and a weights chunk go together")
        weights = self.body(Kind.WEIGHTS)
        if weights is not None and not weights.startswith(self.header.fingerprint):
            raise UsageError("the fingerprint in the header must be the beginning of that in the weights chunk")
        if Kind.LOSSLESS in kinds and (self.payload or Kind.TILES in kinds or not _idle(self.header)):
            raise UsageError("a picture without loss has no tiles, no payload and no rates")

    def body(self, kind: int) -> bytes | None:
        """Return the body of a chunk, or None."""
        return next((chunk.body for chunk in self.chunks if chunk.kind == kind), None)

    def block(self, kind: Kind) -> bytes | None:
        """Return the ICC profile, the EXIF block or the XMP packet, inflated where it is deflated; None without one.

        A profile that stands as a code is not made here: see `colours`.
        """
        deflated = self.body(metadata.DEFLATED[kind])
        return self.body(kind) if deflated is None else metadata.inflated(Cursor(deflated, where=f"{kind.name} chunk"))

    @property
    def lossless(self) -> bool:
        """Whether the file holds the picture without loss, in place of symbols."""
        return self.body(Kind.LOSSLESS) is not None

    @property
    def colours(self) -> Colours | None:
        """The colours that the code stands for, or None without one."""
        body = self.body(Kind.COLOUR)
        return None if body is None else metadata.colours_of(Cursor(body, where="colour chunk"), self.header.grey)

    @property
    def tiles(self) -> TileIndex | None:
        """The tile index, or None when the payload is one tile."""
        body = self.body(Kind.TILES)
        if body is None:
            return None
        return chunks.read_tiles(Cursor(body, where="tiles chunk"), *self.header.coded)

    @property
    def spans(self) -> list[slice]:
        """The part of the payload that belongs to each tile; all of it where there is no index."""
        tiles = self.tiles
        return [slice(0, len(self.payload))] if tiles is None else tiles.spans()

    def tile(self, k: int, span: slice) -> tuple[RateMap | None, bytes]:
        """The rate map of tile k, whose part of the payload is `span`, if it has one, and its streams; CorruptFile."""
        part = self.payload[span]
        if not self.header.varies:
            return None, part
        before = self.header.size + sum(chunk.size for chunk in self.chunks) + bool(self.chunks)
        return rate_map.split(part, self.header.rate, f"tile {k}", before + span.start)

    def maps(self) -> Iterator[tuple[RateMap | None, int]]:
        """The rate map of each tile and how many bytes it takes; nothing where rates do not vary. CorruptFile."""
        for k, span in enumerate(self.spans if self.header.varies else ()):
            rates, streams = self.tile(k, span)
            yield rates, span.stop - span.start - len(streams)

    @property
    def weights(self) -> CustomWeights | None:
        """The custom weights the file needs, or None when the catalog has them."""
        body = self.body(Kind.WEIGHTS)
        return None if body is None else chunks.read_weights(Cursor(body, where="weights chunk"))


def _idle(head: Header) -> bool:
    """Whether no field says how symbols are coded."""
    return (head.rate, head.grid, head.varies, head.log2_scale) == (0, 1, False, 0)


def _check(parts: Iterable[bytes | memoryview], symbol_crc: int) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return zlib.crc32(symbol_crc.to_bytes(4, "big"), crc)


def pack(file: RgoFile, symbol_crc: int) -> bytes:
    """Write a file. The check and the flag for chunks are filled in here, whatever the header says.

    symbol_crc is the CRC-32 of the coded symbols, 0 <= symbol_crc < 2**32.
    """
    head = replace(file.header, check=0, has_chunks=bool(file.chunks)).pack()[:-CHECK_BYTES]
    middle = b"".join([*(chunk.pack() for chunk in file.chunks), b"\0"]) if file.chunks else b""
    check = _check((head, middle, file.payload), symbol_crc).to_bytes(CHECK_BYTES, "big")
    return b"".join((head, check, middle, file.payload))


def _inspect_body(kind: int, body: Cursor, head: Header, limits: Limits) -> None:
    """Refuse a body whose inside is wrong, so that nobody after parse() meets one."""
    if kind == Kind.ALPHA:
        chunks.check_alpha(body, head.width, head.height)
    elif kind == Kind.LOSSLESS:
        chunks.check_lossless(body, head.width, head.height)
    elif kind == Kind.TILES:
        chunks.read_tiles(body, *head.coded)
    elif kind == Kind.WEIGHTS:
        start = body.at
        if chunks.read_weights(body).fingerprint[: len(head.fingerprint)] != head.fingerprint:
            raise body.fault("fingerprint differs from the header's", start)
    elif kind == Kind.COLOUR:
        metadata.colours_of(body, head.grey)
    elif kind in metadata.DEFLATED.values():
        metadata.check_deflated(body, min(limits.metadata, MOST_INFLATED))


def _read_chunks(cursor: Cursor, head: Header, limits: Limits) -> tuple[Chunk, ...]:
    done: dict[int, Chunk] = {}
    while True:
        start = cursor.at
        kind = cursor.uint(1)
        if kind == 0:
            if not done:  # so that a file without chunks has one spelling
                raise cursor.fault("an empty list, which the flag for chunks is not to be set for", start)
            return tuple(done.values())
        name = chunks.kind_name(kind)
        length = cursor.varint(chunks.MAX_LENGTH)
        if (missing := length + chunks.CRC_BYTES - cursor.left) > 0:
            where = f"from the {name} chunk at offset {start} on"
            raise CorruptFile(f"the file is truncated: at least {missing:,} bytes are missing, {where}")
        body = cursor.inside(length, f"{name} chunk")
        if zlib.crc32(body.data) != cursor.uint(chunks.CRC_BYTES):
            raise cursor.fault(f"the {name} chunk is damaged: wrong CRC", start)
        block = chunks.block_of(kind)
        if block in done:
            raise cursor.fault(f"second {chunks.kind_name(block)} chunk", start)
        chunks.check_known(kind, start)
        limits.check_chunk(head, kind, length)
        done[block] = Chunk(kind, body.data)
        _inspect_body(kind, body, head, limits)


def parse(data: Buffer, limits: Limits = DEFAULT_LIMITS) -> RgoFile:
    """Read a file; nothing is decoded. Every allocation is bounded by len(data), or by MOST_INFLATED.

    CorruptFile with the offset of the fault, UnsupportedFile for a later version or feature, LimitExceeded. The check
    in the header is not verified here, because it covers the decoded symbols: see verify_check().
    """
    cursor = Cursor(data, where="header")
    head = header.unpack(cursor)
    limits.check_size(head.width, head.height)
    found: tuple[Chunk, ...] = ()
    cursor.where = "chunks"
    if head.has_chunks:
        found = _read_chunks(cursor, head, limits)
    if (head.model == 0) != any(chunk.kind == Kind.WEIGHTS for chunk in found):
        raise cursor.fault("model 0 and a weights chunk go together; one of them is missing")
    cursor.where = "payload"
    start = cursor.at
    try:
        file = RgoFile(head, found, cursor.take(cursor.left))
    except UsageError as error:
        raise cursor.fault(str(error), start) from error
    if file.lossless:
        if not verify_check(data, NO_SYMBOLS):
            raise CorruptFile("the file fails its check: it is damaged")
        return file
    tiles = file.tiles
    limits.check_piece(head, tiles)
    if tiles is not None and tiles.payload_size != len(file.payload):
        found_bytes = len(file.payload)
        if (missing := tiles.payload_size - found_bytes) > 0:
            cut = next(k for k, span in enumerate(tiles.spans()) if span.stop > found_bytes)
            whole = len(data) + missing
            raise CorruptFile(
                f"the file is truncated: {missing:,} of {whole:,} bytes are missing at its end, from tile {cut} on"
            )
        raise cursor.fault(f"{-missing:,} bytes after the last tile", start + tiles.payload_size)
    for _ in file.maps():  # so that nobody after parse() meets a damaged one
        pass
    return file


def read(source: Data) -> bytes:
    """The bytes of a file: themselves, or read from a path or a binary stream to its end.

    Only what begins like a file of ours is read on: it may be an endless device or a film. CorruptFile, UnsupportedFile
    for a later version, UsageError for what is no file; NoSuchFile, IsAFolder or another OSError for a path.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        with opened(source) as stream:
            return _read(stream)
    if hasattr(source, "read"):
        return _read(source)
    kind = type(source).__name__
    raise UsageError(f"cannot read a file from {kind}: give its bytes, its path or a binary stream")


def _read(stream: BinaryIO) -> bytes:
    start = stream.read(LONGEST_HEADER)
    if not isinstance(start, bytes):
        raise UsageError("cannot read a file from a text stream; open it in binary mode")
    header.unpack(Cursor(start, where="header"))
    return start + stream.read()


def verify_check(data: Buffer, symbol_crc: int) -> bool:
    """Tell whether the bytes of a file and the CRC-32 of the symbols decoded from it are those that were written."""
    end = header.unpack(Cursor(data, where="header")).size
    view = memoryview(data)
    stored = int.from_bytes(view[end - CHECK_BYTES : end], "big")
    return stored == _check((view[: end - CHECK_BYTES], view[end:]), symbol_crc)
