"""The header: its exact bytes, the edges of each field, and that it fits in sixteen bytes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regio.errors import CorruptFile, UnsupportedFile, UsageError
from regio.format.cursor import Cursor
from regio.format.header import CHECK_BYTES, MAX_MODEL, MAX_SIDE, Header, rate_step, unpack

HEADER = Header(model=1, fingerprint=b"\xab\xcd", width=768, height=512, rate=2400, grid=4, check=0x01020304)
BYTES = bytes.fromhex("d752 10 01 abcd 8006 8004 9603 01020304")


def read(data: bytes) -> Header:
    return unpack(Cursor(data, where="header"))


def test_a_header_is_these_very_bytes() -> None:
    assert HEADER.pack() == BYTES
    assert read(BYTES) == HEADER


def test_ordinary_sizes_take_sixteen_bytes_at_most() -> None:
    assert HEADER.size == 16
    assert replace(HEADER, width=127, height=127).size == 14
    assert replace(HEADER, width=16383, height=16383, model=127).size == 16


def test_quality_is_rate_in_fortieths() -> None:
    assert HEADER.quality == 60
    assert rate_step(60) == 2400
    assert rate_step(0.0125) == 0  # half a step, to even
    assert rate_step(100) == 4000


@pytest.mark.parametrize("quality", [-0.1, 100.1, float("nan"), float("inf")])
def test_quality_outside_its_range_is_a_usage_error(quality: float) -> None:
    with pytest.raises(UsageError, match=r"outside 0\.\.100"):
        rate_step(quality)


EDGES: list[tuple[str, Any, Any, Any, Any]] = [
    ("version", 1, 1, 0, 2),
    ("more", False, False, -1, 2),
    ("varies", False, True, -1, 2),
    ("grey", False, True, -1, 2),
    ("has_chunks", False, True, -1, 2),
    ("model", 0, MAX_MODEL, -1, MAX_MODEL + 1),
    ("fingerprint", bytes(2), b"\xff\xff", b"\0", bytes(3)),
    ("width", 1, MAX_SIDE, 0, MAX_SIDE + 1),
    ("height", 1, MAX_SIDE, 0, MAX_SIDE + 1),
    ("rate", 0, 4000, -1, 4001),
    ("grid", 1, 16, 0, 17),
    ("later", 0, 0, -1, 1),
    ("log2_scale", 1, 2, -1, 3),
    ("check", 0, 0xFFFFFFFF, -1, 1 << 32),
]


@pytest.mark.parametrize(("name", "lowest", "highest", "below", "above"), EDGES)
def test_each_field_holds_its_range_and_no_more(name: str, lowest: Any, highest: Any, below: Any, above: Any) -> None:
    for value in (lowest, highest):
        head = replace(HEADER, **{"more": name == "log2_scale", name: value})
        assert read(head.pack()) == head
    for value in (below, above):
        with pytest.raises(UsageError, match=f"{name}="):
            replace(HEADER, **{"more": name == "log2_scale", name: value})


def test_the_edges_above_name_every_field() -> None:
    assert ["magic", *(edge[0] for edge in EDGES)] == list(Header.__dataclass_fields__)


@pytest.mark.parametrize(
    ("spelling", "error", "message"),
    [
        ("d753 10 01 abcd 8006 8004 9603 01020304", CorruptFile, "not a .rgo file: it begins with D7 53 10 01"),
        ("d752 00 01 abcd 8006 8004 9603 01020304", UnsupportedFile, "version is 0 at offset 2, expected 1"),
        ("d752 20 01 abcd 8006 8004 9603 01020304", UnsupportedFile, "version is 2 at offset 2, expected 1"),
        ("d752 18 01 abcd 8006 8004 9603 05 01020304", UnsupportedFile, "later is 1 at offset 12, expected 0"),
        ("d752 1c 01 abcd 8006 8004 9603 81 01020304", UnsupportedFile, "later is 32 at offset 12, expected 0"),
        ("d752 18 01 abcd 8006 8004 9603 03 01020304", UnsupportedFile, "log2_scale is 3 at offset 12"),
        ("d752 18 01 abcd 8006 8004 9603 00 01020304", CorruptFile, "all of them are 0"),
        ("d752 18 01 abcd 8006 8004 9603", CorruptFile, "offset 12"),
        ("d752 10 80808001 abcd 8006 8004 9603 01020304", CorruptFile, "number longer than the 3 bytes .* offset 3"),
        ("d752 10 8100 abcd 8006 8004 9603 01020304", CorruptFile, "needless zero bits at offset 3"),
        ("d752 10 01 abcd 00 8004 9603 01020304", CorruptFile, "width is 0 at offset 6"),
        ("d752 10 01 abcd 818040 8004 9603 01020304", CorruptFile, "1048577 above its bound 1048576 at offset 6"),
        ("d752 10 01 abcd 8006 00 9603 01020304", CorruptFile, "height is 0 at offset 8"),
        ("d752 10 01 abcd 8006 ffffff7f 9603 01020304", CorruptFile, "number longer than the 3 bytes .* offset 8"),
        ("d752 10 01 abcd 8006 8004 fa10 01020304", CorruptFile, r"rate is 4001 at offset 10, expected 0\.\.4000"),
    ],
)
def test_each_fault_of_the_bytes_is_located(spelling: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(bytes.fromhex(spelling))


def test_a_later_version_is_recognised_before_anything_else_of_it_is_read() -> None:
    with pytest.raises(UnsupportedFile, match="version"):
        read(bytes.fromhex("d752 2f"))


def test_a_picture_coded_smaller_takes_one_byte_more() -> None:
    half = replace(HEADER, more=True, log2_scale=1)
    assert half.pack() == bytes.fromhex("d752 18 01 abcd 8006 8004 9603 01 01020304")
    assert replace(half, width=767, height=1).coded == (384, 1)
    assert replace(half, log2_scale=2, width=765, height=512).coded == (192, 128)
    assert HEADER.coded == (768, 512)


@pytest.mark.parametrize(("more", "log2_scale"), [(True, 0), (False, 1), (False, 2)])
def test_a_header_has_one_spelling(more: bool, log2_scale: int) -> None:
    with pytest.raises(UsageError, match="one needs the other"):
        replace(HEADER, more=more, log2_scale=log2_scale)


def test_the_check_is_the_last_field() -> None:
    assert list(Header.__dataclass_fields__)[-1] == "check"
    assert HEADER.pack()[-CHECK_BYTES:] == bytes.fromhex("01020304")


HEADERS = st.builds(
    Header,
    grey=st.booleans(),
    has_chunks=st.booleans(),
    model=st.integers(0, MAX_MODEL),
    fingerprint=st.binary(min_size=2, max_size=2),
    width=st.integers(1, MAX_SIDE),
    height=st.integers(1, MAX_SIDE),
    rate=st.integers(0, 4000),
    grid=st.integers(1, 16),
    check=st.integers(0, 0xFFFFFFFF),
)


@settings(max_examples=50, deadline=None)
@given(head=HEADERS, log2_scale=st.integers(0, 2))
def test_any_header_reads_back_and_no_prefix_of_it_does(head: Header, log2_scale: int) -> None:
    head = replace(head, more=log2_scale > 0, log2_scale=log2_scale)
    data = head.pack()
    assert read(data) == head
    for cut in range(len(data)):
        with pytest.raises(CorruptFile, match="offset" if cut else "it is empty"):
            read(data[:cut])
