"""The byte string: exact bytes, exact probabilities, the shortest ending, and a second decoder that agrees."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_codec import code_of_page

from regio.entropy.range_coder import SYMBOL_LIMIT, RangeReader, RangeWriter, table_model
from regio.entropy.tables import gaussian_tables
from regio.errors import CorruptFile

SymbolDecoder: Any = code_of_page()["SymbolDecoder"]
COUNTS = np.array([1, 2**20, 2**23, 2**24 - 2**23 - 2**20 - 1 - 300, 300])  # symbols -1 ... 2 and the escape
LOWEST = -1


def write(symbols: list[int], counts: NDArray[np.int64] = COUNTS, lowest: int = LOWEST) -> bytes:
    writer = RangeWriter()
    writer.table(np.array(symbols, np.int32), lowest, table_model(counts), len(counts))
    return writer.finish()


def read(data: bytes, count: int, counts: NDArray[np.int64] = COUNTS, lowest: int = LOWEST) -> list[int]:
    return RangeReader(data).table(count, lowest, table_model(counts), len(counts)).tolist()


def shortest(steps: list[tuple[int, int]]) -> bytes:
    """The shortest string for steps (start, count) of 24-bit tables, by whole numbers without end."""
    low, width, words = 0, 2**64 - 1, 2
    for start, count in steps:
        scale = width >> 24
        low, width = low + scale * start, scale * count
        if width < 2**32:
            low, width, words = low << 32, width << 32, words + 1
    for zeros in range(32 * words, -1, -8):
        value = -(-low >> zeros) << zeros
        if value < low + width:
            return (value >> zeros).to_bytes((32 * words - zeros) // 8, "big")
    raise AssertionError("an interval of one or more always holds a whole number")


def steps_of(symbols: list[int], counts: NDArray[np.int64] = COUNTS, lowest: int = LOWEST) -> list[tuple[int, int]]:
    starts = np.cumsum(counts) - counts
    return [(int(starts[s - lowest]), int(counts[s - lowest])) for s in symbols]


def test_the_bytes_of_a_message() -> None:
    writer = RangeWriter()
    writer.table(np.array([0, 1, -1, 2, 7, -5], np.int32), LOWEST, table_model(COUNTS), len(COUNTS))
    writer.natural(1000)
    writer.rice(11, 2)
    writer.number(5, 3)
    data = bytes.fromhex("0100 0117 fe60 07f8 60a1 6e17 50")
    assert writer.finish() == data
    specified = SymbolDecoder(data)
    assert specified.group(6, LOWEST, COUNTS.tolist()) == [0, 1, -1, 2, 7, -5]
    assert (specified.natural(), specified.rice(2), specified.number(3)) == (1000, 11, 5)


def test_nothing_takes_no_bytes() -> None:
    assert RangeWriter().finish() == b""
    assert write([]) == b""
    assert read(b"", 3) == [-1, -1, -1]  # an empty string is zeros without end, the first symbol of any table


@settings(max_examples=200, deadline=None)
@given(symbols=st.lists(st.sampled_from([-1, 0, 0, 1, 1, 1, 1, 2]), max_size=60))
def test_a_string_is_as_short_as_any_that_decodes_to_the_message(symbols: list[int]) -> None:
    data = write(symbols)
    assert read(data, len(symbols)) == symbols
    assert len(data) == len(shortest(steps_of(symbols)))


@pytest.mark.parametrize("length", [1, 3, 20, 200])
def test_a_message_of_the_last_symbol_alone_carries_into_every_word_and_still_ends_short(length: int) -> None:
    counts = np.array([2**24 - 2**4 - 1, 2**4, 1])
    symbols = [1] * length
    data = write(symbols, counts, 0)
    assert read(data, length, counts, 0) == symbols
    assert len(data) == len(shortest(steps_of(symbols, counts, 0)))


@settings(max_examples=200, deadline=None)
@given(weights=st.lists(st.integers(1, 2**20), min_size=2, max_size=40), seed=st.integers(0, 99))
def test_the_fast_construction_of_a_table_keeps_its_integers(weights: list[int], seed: int) -> None:
    counts = np.array(weights, np.int64)
    counts[seed % len(counts)] += 2**24 - counts.sum()
    if counts.min() < 1:
        counts = np.array([2**24 - len(weights) + 1, *[1] * (len(weights) - 1)])
    symbols = np.random.default_rng(seed).integers(0, len(counts) - 1, 30).tolist()
    data = write(symbols, counts, 0)
    reader = SymbolDecoder(data)
    assert reader.group(30, 0, counts.tolist()) == symbols
    assert len(data) == len(shortest(steps_of(symbols, counts, 0)))


def test_the_fast_construction_keeps_every_count_of_every_gaussian_table() -> None:
    for table in gaussian_tables():
        symbols = np.arange(-table.reach, table.reach + 1, dtype=np.int32)
        writer = RangeWriter()
        writer.table(symbols, -table.reach, table_model(table.counts), len(table.counts))
        data = writer.finish()
        assert len(data) == len(shortest(steps_of(symbols.tolist(), table.counts, -table.reach)))
        bits = -np.log2(table.counts[:-1] / 2**24).sum()
        assert len(data) <= bits / 8 + 1 + 1e-3 * len(symbols)


EXTREMES = [-SYMBOL_LIMIT, SYMBOL_LIMIT, -2, 3, -3, 4, 0, 2**20 - 1, -(2**20) + 1]


def test_symbols_outside_their_table_come_back_however_far_out() -> None:
    assert read(write(EXTREMES), len(EXTREMES)) == EXTREMES


@settings(max_examples=100, deadline=None)
@given(symbols=st.lists(st.integers(-SYMBOL_LIMIT, SYMBOL_LIMIT), min_size=1, max_size=20))
def test_the_decoder_of_the_specification_reads_escapes(symbols: list[int]) -> None:
    near = [s % 7 - 3 if s % 2 else s for s in symbols]
    assert SymbolDecoder(write(near)).group(len(near), LOWEST, COUNTS.tolist()) == near


def test_an_escape_costs_sixteen_bits_and_about_twice_those_of_its_distance() -> None:
    table = gaussian_tables()[0]
    writer = RangeWriter()
    writer.table(np.array([1000], np.int32), -table.reach, table_model(table.counts), len(table.counts))
    assert len(writer.finish()) <= (16 + 1 + 5 + 10 + 7) // 8


@pytest.mark.parametrize("value", [0, 1, 2, 254, 255, 2**16, 2**24 - 2])
def test_naturals_come_back(value: int) -> None:
    writer = RangeWriter()
    writer.natural(value)
    data = writer.finish()
    assert RangeReader(data).natural() == value
    assert SymbolDecoder(data).natural() == value


@pytest.mark.parametrize(("value", "bits"), [(0, 0), (5, 0), (0, 3), (7, 3), (8, 3), (1000, 4), (2**20 + 3, 17)])
def test_rice_codes_come_back(value: int, bits: int) -> None:
    writer = RangeWriter()
    writer.rice(value, bits)
    data = writer.finish()
    assert RangeReader(data).rice(bits, limit=value) == value
    assert SymbolDecoder(data).rice(bits) == value


def test_a_natural_of_too_many_bits_is_damage() -> None:
    writer = RangeWriter()
    writer.number(24, 5)
    with pytest.raises(CorruptFile, match="number of 24 bits"):
        RangeReader(writer.finish()).natural()


def test_a_gap_above_its_limit_is_damage_and_stops_the_reader() -> None:
    writer = RangeWriter()
    writer.rice(10**5, 2)
    data = writer.finish()
    assert RangeReader(data).rice(2, limit=10**5) == 10**5
    with pytest.raises(CorruptFile, match="gap leaves"):
        RangeReader(data).rice(2, limit=10**5 - 4)


def test_bytes_that_no_writer_makes_are_damage() -> None:
    with pytest.raises(CorruptFile, match="its end does not follow"):
        read(b"\xff" * 8, 1)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=40), level=st.integers(0, 63))
def test_whatever_the_bytes_a_reader_gives_symbols_or_corrupt_file(data: bytes, level: int) -> None:
    table = gaussian_tables()[level]
    model = table_model(table.counts)
    reader, specified = RangeReader(data), SymbolDecoder(data)
    try:
        symbols = [reader.table(20, -table.reach, model, len(table.counts)).tolist() for _ in range(10)]
    except CorruptFile:
        with pytest.raises(ValueError, match="damaged"):
            [specified.group(20, -table.reach, table.counts.tolist()) for _ in range(10)]
    else:
        assert symbols == [specified.group(20, -table.reach, table.counts.tolist()) for _ in range(10)]


def test_the_checksum_is_the_crc_of_little_endian_symbols_in_raster_order() -> None:
    writer = RangeWriter()
    writer.log(np.array([[[1, 2]], [[3, -4]]], np.int32))
    writer.log(np.array([[[5]]], np.int32))
    assert writer.checksum == 0xB900801F
    reader = RangeReader(b"")
    reader.log(np.array([1, 2, 3, -4, 5], np.int32))
    assert reader.checksum == writer.checksum


def test_a_long_message_costs_its_information_and_a_few_bytes() -> None:
    generator = np.random.default_rng(7)
    symbols = generator.choice(4, 100_000, p=COUNTS[:-1] / COUNTS[:-1].sum()) - 1
    data = write(symbols.tolist())
    ideal = sum(
        Fraction(int(n)) * Fraction(-np.log2(c / 2**24)) for n, c in zip(np.bincount(symbols + 1), COUNTS, strict=False)
    )
    assert (
        ideal / 8 <= len(data) <= ideal / 8 + 4
    )  # the state is flushed to a byte; intervals round by 2**-8 of a count
