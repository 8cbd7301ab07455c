"""Reading never leaves its bounds, and every number has one spelling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regio.errors import CorruptFile
from regio.format.cursor import Cursor, varint_bytes

TOP = (1 << 32) - 1


@pytest.mark.parametrize(
    ("value", "spelling"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (16383, "ff7f"), (16384, "808001")],
)
def test_varints_are_these_very_bytes(value: int, spelling: str) -> None:
    assert varint_bytes(value) == bytes.fromhex(spelling)
    assert Cursor(bytes.fromhex(spelling), where="number").varint(TOP) == value


@settings(max_examples=50, deadline=None)
@given(value=st.integers(0, TOP), after=st.binary(max_size=3))
def test_a_varint_reads_back_and_stops_at_its_end(value: int, after: bytes) -> None:
    spelling = varint_bytes(value)
    cursor = Cursor(spelling + after, where="number")
    assert cursor.varint(TOP) == value
    assert cursor.left == len(after)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=6), hi=st.integers(0, TOP))
def test_what_reads_as_a_varint_is_its_only_spelling(data: bytes, hi: int) -> None:
    cursor = Cursor(data, where="number")
    try:
        value = cursor.varint(hi)
    except CorruptFile:
        return
    assert value <= hi
    assert varint_bytes(value) == data[: cursor.at]


def test_errors_count_from_the_start_of_the_file() -> None:
    outer = Cursor(bytes(10), where="file")
    outer.take(4)
    inner = outer.inside(3, "part")
    assert outer.at == 7
    inner.take(2)
    with pytest.raises(CorruptFile, match="part: 2 bytes wanted at offset 6, 1 left"):
        inner.take(2)
    with pytest.raises(CorruptFile, match="part: 1 bytes too many at offset 6"):
        inner.finish()


def test_a_count_beyond_the_end_costs_nothing() -> None:
    with pytest.raises(CorruptFile, match="1099511627776 bytes wanted at offset 0, 1 left"):
        Cursor(b"x", where="file").take(1 << 40)
