"""Files made to break a reader: one input for each fault, and noise. Each gives one line of regio.errors."""

import io
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import regio  # noqa: F401 - makes Pillow know our files
from regio.errors import CorruptFile, LimitExceeded, RegioError, UnsupportedFile
from regio.format import (
    DEFAULT_LIMITS,
    NO_LIMITS,
    Chunk,
    Header,
    Kind,
    Limits,
    RgoFile,
    Tile,
    TileIndex,
    pack,
    parse,
    verify_check,
)
from regio.format.chunks import METADATA
from regio.format.cursor import varint_bytes
from regio.format.metadata import COLOURS, MOST_INFLATED

HEAD = bytes.fromhex("d752 11 01 abcd 64 46 9603 00000000")  # 14 bytes: 100x70, chunks follow
CUSTOM = bytes.fromhex("d752 11 00 abcd 64 46 9603 00000000")
GREY = bytes.fromhex("d752 13 01 abcd 64 46 9603 00000000")
END = b"\0"
SHRUNK = zlib.compress(bytes(100), 9)


def chunk(kind: int, body: bytes) -> bytes:
    return bytes([kind, len(body)]) + body + zlib.crc32(body).to_bytes(4, "big")


PNG = bytes.fromhex("89504e470d0a1a0a 0000000d 49484452 00000064 00000046 0800 000000")

CORRUPT = {
    "an empty file": (b"", "not a .rgo file: it is empty"),
    "a JPEG": (bytes.fromhex("ffd8ffe0"), "not a .rgo file: it is a JPEG picture"),
    "a text": (b"hello, world", "not a .rgo file: it begins with 68 65"),
    "chunks promised, none there": (HEAD, "1 bytes wanted at offset 14, 0 left"),
    "a chunk without a length": (HEAD + b"\x01", "1 bytes wanted at offset 15"),
    "a chunk longer than the file": (
        HEAD + b"\x01\x7fabc",
        "truncated: at least 128 bytes are missing, from the icc chunk at offset 14 on",
    ),
    "a chunk of 4 GiB": (
        HEAD + b"\x01\xff\xff\xff\xff\x0f",
        "at least 4,294,967,299 bytes are missing, from the icc chunk at offset 14",
    ),
    "a length above its bound": (HEAD + b"\x01\xff\xff\xff\xff\x1f", "above its bound 4294967295 at offset 15"),
    "an endless length": (HEAD + b"\x01" + b"\xff" * 50, "number longer than the 5 bytes .* at offset 15"),
    "a length spelt long": (HEAD + b"\x01\x80\x00" + bytes(5), "needless zero bits at offset 15"),
    "a chunk without its CRC": (HEAD + b"\x01\x01a\0\0", "truncated: at least 2 bytes are missing, from the icc chunk"),
    "a chunk with another's CRC": (HEAD + b"\x01\x01a\0\0\0\0\0", "icc chunk is damaged: wrong CRC at offset 14"),
    "chunks without an end": (HEAD + chunk(1, b"a"), "1 bytes wanted at offset 21, 0 left"),
    "two profiles": (HEAD + chunk(1, b"a") + chunk(1, b"a") + END, "second icc chunk at offset 21"),
    "alpha of no bytes": (HEAD + chunk(4, b"") + END, "neither one byte nor .* at offset 16"),
    "alpha that is no PNG": (HEAD + chunk(4, b"opaque") + END, "neither one byte nor .* PNG of 100x70 at offset 16"),
    "alpha of another size": (HEAD + chunk(4, PNG.replace(b"\x64", b"\x65")) + END, "PNG of 100x70"),
    "alpha of 16 bits": (HEAD + chunk(4, PNG.replace(b"\x08", b"\x10")) + END, "grey 8-bit PNG"),
    "a tile index of no bytes": (HEAD + chunk(5, b"") + END, "tiles chunk: 1 bytes wanted at offset 16"),
    "tiles of side 32": (HEAD + chunk(5, b"\5" + bytes(20)) + END, r"tile side 2\*\*5 outside .* at offset 16"),
    "tiles of side 65536": (HEAD + chunk(5, b"\x10" + bytes(20)) + END, r"tile side 2\*\*16 outside"),
    "a tile too few": (
        HEAD + chunk(5, b"\6" + bytes(15)) + END,
        "2x2 tiles need 20 bytes or more, 15 left at offset 17",
    ),
    "a tile too many": (HEAD + chunk(5, b"\6" + bytes(25)) + END, "5 bytes too many at offset 37"),
    "a tile cut short": (HEAD + chunk(5, b"\6\x80\x01" + bytes(18)) + END, "4 bytes wanted at offset 34, 3 left"),
    "tiles longer than the payload": (
        HEAD + chunk(5, b"\6\1" + bytes(19)) + END,
        "the file is truncated: 1 of 43 bytes are missing at its end, from tile 0 on",
    ),
    "tiles shorter than the payload": (
        HEAD + chunk(5, b"\6" + bytes(20)) + END + b"x",
        "1 bytes after the last tile",
    ),
    "chunks promised, an empty list": (HEAD + END, "an empty list, .* at offset 14"),
    "an interlaced picture in the opacity": (
        HEAD + chunk(4, PNG[:-1] + b"\1" + bytes(4)) + END,
        "interlaced or uses unknown methods at offset 16",
    ),
    "a picture in the opacity that moves": (
        HEAD + chunk(4, PNG + bytes(4) + b"\0\0\0\0acTL" + bytes(4)) + END,
        "neither IHDR, IDAT nor IEND at offset 49",
    ),
    "opacity without an end": (HEAD + chunk(4, PNG + bytes(4) + b"\0\0\0\0IDAT" + bytes(4)) + END, "4 bytes wanted at"),
    "bytes behind the opacity": (
        HEAD + chunk(4, PNG + bytes(4) + b"\0\0\0\0IEND" + bytes(5)) + END,
        "1 bytes too many",
    ),
    "a colour of no bytes": (HEAD + chunk(7, b"") + END, "1 bytes wanted at offset 16, 0 left"),
    "a colour of two bytes": (HEAD + chunk(7, b"\1\1") + END, "1 bytes too many at offset 17"),
    "grey colours of a colour picture": (HEAD + chunk(7, b"\5") + END, "are not the colours of a colour picture .* 16"),
    "colours of a grey picture": (GREY + chunk(7, b"\1") + END, "are not the colours of a grey picture at offset 16"),
    "a profile and a code": (HEAD + chunk(1, b"a") + chunk(7, b"\1") + END, "second icc chunk at offset 21"),
    "EXIF twice": (HEAD + chunk(130, SHRUNK) + chunk(2, b"a") + END, "second exif chunk at offset 32"),
    "zlib data of no bytes": (HEAD + chunk(8, b"") + END, "zlib data without an end at offset 16"),
    "zlib data cut short": (HEAD + chunk(8, SHRUNK[:-1]) + END, "zlib data without an end at offset 16"),
    "zlib data with a wrong sum": (HEAD + chunk(131, SHRUNK[:-1] + b"x") + END, "damaged zlib data at offset 16"),
    "zlib data that asks for a dictionary": (HEAD + chunk(130, b"\x78\xf9" + bytes(9)) + END, "damaged zlib data"),
    "what is no zlib data": (HEAD + chunk(130, b"MM\0*") + END, "damaged zlib data at offset 16"),
    "bytes behind zlib data": (HEAD + chunk(8, SHRUNK + b"ab") + END, "2 bytes behind the zlib data at offset 16"),
    "custom weights unnamed": (CUSTOM + chunk(1, b"a") + END, "model 0 and a weights chunk go together"),
    "named weights of the catalog": (HEAD + chunk(6, b"\xab\xcd" + bytes(14) + b"n") + END, "go together"),
    "weights of another fingerprint": (
        CUSTOM + chunk(6, bytes(16) + b"n") + END,
        "differs from the header's at offset 16",
    ),
    "half a fingerprint": (CUSTOM + chunk(6, b"\xab\xcd") + END, "16 bytes wanted at offset 16, 2 left"),
    "weights without a name": (CUSTOM + chunk(6, b"\xab\xcd" + bytes(14)) + END, "printable UTF-8 at offset 32"),
    "a name that is not UTF-8": (CUSTOM + chunk(6, b"\xab\xcd" + bytes(14) + b"\xff") + END, "printable UTF-8"),
    "a name that moves the cursor": (CUSTOM + chunk(6, b"\xab\xcd" + bytes(14) + b"\x1b[2J") + END, "printable UTF-8"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_each_fault_is_corrupt_and_located(name: str) -> None:
    data, message = CORRUPT[name]
    with pytest.raises(CorruptFile, match=message) as caught:
        parse(data)
    assert any(word in str(caught.value) for word in ("offset", "not a .rgo file", "from tile"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [0, max(COLOURS) + 1, 255])
def test_a_code_of_a_later_release_is_unsupported(code: int) -> None:
    with pytest.raises(UnsupportedFile, match=f"code {code} at offset 16"):
        parse(HEAD + chunk(7, bytes([code])) + END)


def bomb(kind: int, size: int) -> bytes:
    body = zlib.compress(bytes(size), 9)
    head = bytes([kind]) + varint_bytes(len(body))
    return HEAD + head + body + zlib.crc32(body).to_bytes(4, "big") + END


@pytest.mark.parametrize("kind", [Kind.ICC_DEFLATED, Kind.EXIF_DEFLATED, Kind.XMP_DEFLATED])
def test_a_bomb_is_refused_before_it_is_inflated(kind: Kind) -> None:
    assert parse(bomb(kind, MOST_INFLATED)).block(METADATA[kind]) == bytes(MOST_INFLATED)
    data = bomb(kind, 8 * MOST_INFLATED)
    tracemalloc.start()
    for limits in (DEFAULT_LIMITS, NO_LIMITS):  # even who only looks inflates no more
        with pytest.raises(LimitExceeded, match=f"offset .* inflates to more than {MOST_INFLATED} bytes"):
            parse(data, limits)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20  # parsing holds a piece at a time
    with pytest.raises(LimitExceeded, match="more than 99 bytes"):
        parse(bomb(kind, 100), Limits(metadata=99))


@pytest.mark.parametrize("kind", [10, 127])
def test_an_unknown_chunk_that_matters_is_unsupported(kind: int) -> None:
    with pytest.raises(UnsupportedFile, match=f"unknown kind {kind} at offset 14"):
        parse(HEAD + chunk(kind, b"new") + END)


@pytest.mark.parametrize("kind", [128, 255])
def test_an_unknown_chunk_that_does_not_matter_is_kept(kind: int) -> None:
    assert parse(HEAD + chunk(kind, b"new") + END).chunks == (Chunk(kind, b"new"),)


def test_a_huge_picture_in_a_few_bytes_is_refused_before_any_work() -> None:
    with pytest.raises(LimitExceeded, match="1048576x1048576"):
        parse(bytes.fromhex("d752 10 01 abcd 808040 808040 9603 00000000"))


SOUND = pack(
    RgoFile(
        Header(model=1, fingerprint=b"\xab\xcd", width=65, height=64, rate=0, grid=1),
        (Chunk(Kind.ICC, b"profile"), TileIndex(6, (Tile(3, 7), Tile(2, 8))).chunk(), Chunk(129, b"later")),
        b"pixel",
    ),
    1234,
)


def outcome_is_named(data: bytes) -> None:
    """Whatever the bytes: a RegioError of one line, or a file whose check tells it from the sound one."""
    message = ""
    passes = False
    try:
        parse(data)
        passes = verify_check(data, 1234)
    except RegioError as error:
        message = str(error)
    assert "\n" not in message
    assert passes == (data == SOUND)


@settings(max_examples=300, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_never_pass_unnoticed(edits: list[tuple[int, int]]) -> None:
    data = bytearray(SOUND)
    for at, value in edits:
        data[at] = value
    outcome_is_named(bytes(data))


@settings(max_examples=200, deadline=None)
@given(start=st.integers(0, len(SOUND)), removed=st.integers(0, 8), added=st.binary(max_size=8))
@example(start=len(SOUND), removed=0, added=b"\0")
def test_inserted_and_removed_bytes_never_pass_unnoticed(start: int, removed: int, added: bytes) -> None:
    outcome_is_named(SOUND[:start] + added + SOUND[start + removed :])


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=100))
def test_noise_after_a_magic_is_an_error_or_a_file(noise: bytes) -> None:
    outcome_is_named(b"\xd7\x52\x11" + noise)


def test_a_reader_keeps_what_it_was_given_whatever_the_check() -> None:
    file = parse(SOUND)
    assert pack(replace(file, header=replace(file.header, check=99)), 1234) == SOUND


def test_pillow_holds_its_own_limit_against_our_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 65 * 64)
    assert Image.open(io.BytesIO(SOUND)).size == (65, 64)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 65 * 32 - 1)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(SOUND))
