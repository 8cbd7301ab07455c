"""The whole file: its exact bytes, each chunk, what the check covers, and limits."""

import io
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regio.errors import CorruptFile, LimitExceeded, RegioError, UsageError
from regio.format import (
    NO_LIMITS,
    Chunk,
    CustomWeights,
    Header,
    Kind,
    Limits,
    RgoFile,
    Tile,
    TileIndex,
    pack,
    parse,
    read,
    tile_grid,
    verify_check,
)

SYMBOL_CRC = 0x89ABCDEF
HEADER = Header(model=1, fingerprint=b"\xab\xcd", width=100, height=70, rate=2400, grid=4)
TILES = TileIndex(6, (Tile(2, 1), Tile(0, 2), Tile(3, 3), Tile(1, 4)))


def alpha_png(pixels: bytes) -> bytes:
    """A PNG by its outside, as much as a container looks at."""
    head = bytes.fromhex("89504e470d0a1a0a 0000000d 49484452 00000064 00000046 0800 000000 00000000")
    return head + len(pixels).to_bytes(4, "big") + b"IDAT" + pixels + bytes(8) + b"IEND" + bytes(4)


WEIGHTS = CustomWeights(bytes(range(16)), "someone/weights")
FULL = RgoFile(
    replace(HEADER, model=0, fingerprint=b"\x00\x01", grey=True),
    (
        Chunk(Kind.ICC, b"profile"),
        Chunk(Kind.EXIF, b"MM\0*"),
        Chunk(Kind.XMP, b""),
        Chunk(Kind.ALPHA, alpha_png(b"rest")),
        TILES.chunk(),
        WEIGHTS.chunk(),
        Chunk(200, b"later"),
    ),
    b"\x01\x02\x03\x04\x05\x06",
)


def test_a_file_without_chunks_is_these_very_bytes() -> None:
    data = pack(RgoFile(HEADER, payload=b"\x12\x34"), SYMBOL_CRC)
    rest = bytes.fromhex("d752 10 01 abcd 64 46 9603 1234")
    check = zlib.crc32(bytes.fromhex("89abcdef"), zlib.crc32(rest))
    assert check == zlib.crc32(rest + bytes.fromhex("89abcdef")) == 0xC7258EFB
    assert data == rest[:-2] + bytes.fromhex("c7258efb") + rest[-2:]


def test_chunks_are_these_very_bytes() -> None:
    assert Chunk(Kind.EXIF, b"MM").pack() == bytes.fromhex("02 02 4d4d") + struct.pack(">I", zlib.crc32(b"MM"))
    assert TILES.chunk() == Chunk(5, bytes.fromhex("06 02 00000001 00 00000002 03 00000003 01 00000004"))
    assert WEIGHTS.chunk() == Chunk(6, bytes.fromhex("000102030405060708090a0b0c0d0e0f") + b"someone/weights")
    data = pack(RgoFile(HEADER, (Chunk(Kind.EXIF, b"MM"),), b"\x12"), SYMBOL_CRC)
    assert data[2] == 0x11
    assert data[14:] == bytes.fromhex("02 02 4d4d 0c631e9a 00 12")


def test_a_file_with_everything_reads_back() -> None:
    data = pack(FULL, SYMBOL_CRC)
    found = parse(data)
    assert (found.chunks, found.payload) == (FULL.chunks, FULL.payload)
    assert replace(found.header, check=0, has_chunks=False) == FULL.header
    assert found.header.has_chunks
    assert found.tiles == TILES
    assert found.weights == WEIGHTS
    assert found.body(Kind.XMP) == b""
    assert found.body(201) is None
    assert pack(found, SYMBOL_CRC) == data


def test_the_sizes_of_the_parts_add_up() -> None:
    chunks = sum(chunk.size for chunk in FULL.chunks)
    assert FULL.header.size + chunks + 1 + len(FULL.payload) == len(pack(FULL, SYMBOL_CRC))


def test_no_payload_is_a_file_too() -> None:
    data = pack(RgoFile(HEADER), 0)
    assert len(data) == HEADER.size
    assert parse(data).payload == b""
    assert verify_check(data, 0)


def test_bytearray_and_memoryview_read_alike() -> None:
    data = pack(FULL, SYMBOL_CRC)
    assert parse(bytearray(data)) == parse(memoryview(data)) == parse(data)
    assert verify_check(memoryview(data), SYMBOL_CRC)


def test_the_check_covers_every_bit_of_the_file_and_of_the_symbols() -> None:
    data = pack(RgoFile(HEADER, (Chunk(Kind.ICC, b"x"),), b"\x12\x34"), SYMBOL_CRC)
    assert verify_check(data, SYMBOL_CRC)
    assert not verify_check(data, SYMBOL_CRC ^ 1)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with suppress(RegioError):
            assert not verify_check(bytes(damaged), SYMBOL_CRC)


def test_every_prefix_is_corrupt_or_fails_the_check() -> None:
    for file in (FULL, replace(FULL, chunks=(FULL.chunks[0], WEIGHTS.chunk()))):
        whole = pack(file, SYMBOL_CRC)
        # only a payload without a tile index can be cut unnoticed, and only until its symbols are checked
        unseen = 0 if file is FULL else len(file.payload)
        for cut in range(len(whole) - unseen):
            with pytest.raises(CorruptFile, match=r"offset|it is empty|the file is truncated"):
                parse(whole[:cut])
        for cut in range(len(whole) - unseen, len(whole)):
            assert parse(whole[:cut]).payload == file.payload[: cut - len(whole)]
            assert not verify_check(whole[:cut], SYMBOL_CRC)


def test_tiles_cover_the_picture_and_their_bytes_the_payload() -> None:
    assert tile_grid(1, 1, 6) == (1, 1)
    assert tile_grid(64, 65, 6) == (1, 2)
    assert tile_grid(1 << 20, 1 << 20, 15) == (32, 32)
    assert TILES.side == 64
    assert [b"abcdef"[span] for span in TILES.spans()] == [b"ab", b"", b"cde", b"f"]
    assert TILES.payload_size == 6


@pytest.mark.parametrize("log2_side", [5, 16])
def test_a_tile_side_outside_its_range_is_a_usage_error(log2_side: int) -> None:
    with pytest.raises(UsageError, match="tile side"):
        TileIndex(log2_side, ())


@pytest.mark.parametrize("log2_side", [6, 15])
def test_the_least_and_the_largest_tile_side_read_back(log2_side: int) -> None:
    index = TileIndex(log2_side, (Tile(1, 0xFFFFFFFF),))
    data = pack(RgoFile(replace(HEADER, width=64, height=64), (index.chunk(),), b"\x01"), 0)
    assert parse(data).tiles == index


@pytest.mark.parametrize(("length", "check"), [(-1, 0), (1 << 32, 0), (0, -1), (0, 1 << 32)])
def test_a_tile_outside_its_range_is_a_usage_error(length: int, check: int) -> None:
    with pytest.raises(UsageError, match="fit 32 bits"):
        Tile(length, check)


@pytest.mark.parametrize("kind", [0, 256])
def test_a_chunk_kind_outside_its_range_is_a_usage_error(kind: int) -> None:
    with pytest.raises(UsageError, match="kind"):
        Chunk(kind, b"")


@pytest.mark.parametrize("name", ["", "x" * 256, "\u00e9" * 128, "a\nb", "a\x1b[2J", "\udc80"])
def test_a_name_that_cannot_be_shown_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="printable"):
        CustomWeights(bytes(16), name)


def test_header_and_chunks_that_contradict_each_other_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="two icc chunks"):
        RgoFile(HEADER, (Chunk(Kind.ICC, b"a"), Chunk(Kind.ICC, b"b")))
    with pytest.raises(UsageError, match="go together"):
        RgoFile(HEADER, (WEIGHTS.chunk(),))
    with pytest.raises(UsageError, match="go together"):
        RgoFile(replace(HEADER, model=0))
    with pytest.raises(UsageError, match="fingerprint"):
        RgoFile(replace(HEADER, model=0), (WEIGHTS.chunk(),))


def test_limits_hold_at_their_edge_and_refuse_one_more() -> None:
    data = pack(RgoFile(HEADER, (Chunk(Kind.ICC, bytes(300)),)), 0)
    parse(data, Limits(pixels=128 * 128, metadata=300))
    with pytest.raises(LimitExceeded, match="100x70 = 7000 pixels, coded as 128x128 = 16384, the limit is 16383"):
        parse(data, Limits(pixels=128 * 128 - 1))
    with pytest.raises(LimitExceeded, match="icc chunk has 300 bytes, the limit is 299"):
        parse(data, Limits(metadata=299))


@pytest.mark.parametrize(("width", "height"), [(1 << 18, 1), (1, 1 << 18), (4096, 1), (65, 63), (1, 1)])
def test_pixels_are_counted_as_they_are_coded(width: int, height: int) -> None:
    data = pack(RgoFile(replace(HEADER, width=width, height=height)), 0)
    coded = -(-width // 64) * 64 * (-(-height // 64) * 64)
    assert parse(data, Limits(pixels=coded, piece=coded)).header.pixels == width * height
    for limits in (Limits(pixels=coded - 1), Limits(piece=coded - 1)):
        with pytest.raises(LimitExceeded):
            parse(data, limits)


def test_only_what_begins_like_a_file_is_read_to_its_end() -> None:
    class Endless(io.RawIOBase):
        asked = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 <= size <= 64
            self.asked += size
            return bytes(size)

    stream = Endless()
    with pytest.raises(CorruptFile):
        read(stream)
    assert stream.asked <= 64
    data = pack(RgoFile(HEADER, (), bytes(1000)), 0)
    assert read(io.BytesIO(data)) == data


def test_alpha_may_grow_with_the_picture() -> None:
    data = pack(RgoFile(HEADER, (Chunk(Kind.ALPHA, alpha_png(bytes(6900))),)), 0)
    parse(data, Limits(metadata=0))
    data = pack(RgoFile(HEADER, (Chunk(Kind.ALPHA, alpha_png(bytes(7000))),)), 0)
    with pytest.raises(LimitExceeded, match="alpha chunk"):
        parse(data, Limits(metadata=0))


def test_the_largest_picture_needs_raised_limits() -> None:
    data = pack(RgoFile(replace(HEADER, width=1 << 20, height=1 << 20)), 0)
    assert parse(data, NO_LIMITS).header.pixels == 1 << 40
    with pytest.raises(LimitExceeded, match="allow more with max_pixels"):
        parse(data)


BODIES = st.dictionaries(st.sampled_from([1, 2, 3, 128, 255]), st.binary(max_size=200), max_size=5)


@settings(max_examples=50, deadline=None)
@given(bodies=BODIES, payload=st.binary(max_size=50), crc=st.integers(0, 0xFFFFFFFF))
def test_any_file_reads_back_and_passes_its_check(bodies: dict[int, bytes], payload: bytes, crc: int) -> None:
    file = RgoFile(HEADER, tuple(Chunk(kind, body) for kind, body in bodies.items()), payload)
    data = pack(file, crc)
    found = parse(data)
    assert (found.chunks, found.payload) == (file.chunks, payload)
    assert verify_check(data, crc)
