"""The guard band: what differs by less than its width does not matter, what differs by more is noticed."""

import zlib
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_codec import code_of_page

from regio.entropy import StreamReader, StreamWriter, TableSet
from regio.entropy.guard import doubtful, read_guard, table_indices, write_guard
from regio.entropy.range_coder import RangeReader, RangeWriter
from regio.errors import CorruptFile

WIDTH = 1e-3
TABLES = TableSet({})
SymbolDecoder: Any = code_of_page()["SymbolDecoder"]


def draw(count: int, seed: int, close: float = 0.2) -> NDArray[np.float64]:
    """Levels over the whole scale and beyond, a share `close` of them within two widths of a boundary."""
    generator = np.random.default_rng(seed)
    levels = generator.uniform(-2, 65, count)
    near = generator.random(count) < close
    boundary = generator.integers(-1, 64, count) + 0.5
    return np.where(near, boundary + generator.uniform(-2, 2, count) * WIDTH, levels)


def code(levels: NDArray[np.float64]) -> tuple[bytes, NDArray[np.uint8]]:
    writer = RangeWriter()
    tables = write_guard(writer, levels, WIDTH)
    return writer.finish(), tables


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 300), share=st.floats(0, 0.99))
def test_a_reader_off_by_less_than_the_width_takes_the_same_tables(seed: int, count: int, share: float) -> None:
    levels = draw(count, seed)
    data, tables = code(levels)
    off = share * WIDTH * np.random.default_rng(seed + 1).choice([-1.0, 1.0], count)
    assert (read_guard(RangeReader(data), levels + off, WIDTH) == tables).all()


def test_every_level_the_same_side_of_the_width_agrees_at_its_very_edge() -> None:
    edge = np.array([10.5 - WIDTH, 10.5 + WIDTH, 10.5, 0.5 - WIDTH, 62.5 + WIDTH])
    data, tables = code(edge)
    for sign in (-1, 1):
        assert (read_guard(RangeReader(data), edge + sign * 0.999 * WIDTH, WIDTH) == tables).all()


def test_only_levels_near_a_boundary_are_listed() -> None:
    levels = np.array([5.0, 5.5, 5.5 + 2 * WIDTH, 5.5 - WIDTH / 2, -0.5, 63.5, 62.5, 0.5, np.nan])
    assert doubtful(levels, WIDTH).tolist() == [1, 3, 6, 7]
    assert doubtful(levels, 0).tolist() == [1, 6, 7]


def test_tables_are_the_nearest_within_the_scale() -> None:
    levels = np.array([-9.0, -0.5, 0.49, 0.5, 1.49, 62.5, 63.5, 1e300, np.inf, -np.inf, np.nan])
    assert table_indices(levels).tolist() == [0, 0, 0, 1, 1, 63, 63, 63, 63, 0, 0]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 200), close=st.floats(0, 1))
def test_the_decoder_of_the_specification_reads_guard_lists(seed: int, count: int, close: float) -> None:
    levels = draw(count, seed, close)
    data, tables = code(levels)
    off = (levels + np.random.default_rng(seed).uniform(-WIDTH, WIDTH, count)).tolist()
    specified = [min(max(int(np.floor(level + 0.5)), 0), 63) for level in off]
    SymbolDecoder(data).guard(off, specified)
    assert specified == tables.tolist()


def test_a_list_costs_about_the_information_in_it() -> None:
    """n log2(e N / n) bits for n of N places, one bit each for the side, and the count."""
    places, listed = 200_000, 40
    levels = np.full(places, 7.0)
    levels[np.random.default_rng(0).choice(places, listed, replace=False)] = 7.5
    data, _ = code(levels)
    assert len(data) * 8 <= 1.05 * listed * (np.log2(np.e * places / listed) + 1) + 5 + 6 + 8


def test_no_list_costs_five_bits() -> None:
    assert len(code(np.full(10_000, 7.0))[0]) <= 1


def gaussian(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values, means and levels (2,3,8,9), many of the levels close to a boundary."""
    level = torch.from_numpy(draw(2 * 3 * 8 * 9, seed, close=0.5)).view(2, 3, 8, 9).clamp(0, 40)
    generator = torch.Generator().manual_seed(seed)
    scale = 0.11 * torch.exp(level * 0.123)
    mean = torch.randn(level.shape, generator=generator)
    return (mean + scale * torch.randn(level.shape, generator=generator)).float(), mean, level


def test_values_decode_alike_under_any_difference_below_the_width_whatever_the_means() -> None:
    for seed in range(5):
        values, mean, level = gaussian(seed)
        writer = StreamWriter(TABLES, batch=2)
        sent = writer.gaussian("y", values, mean, level, WIDTH)
        written = writer.finish()
        off = 0.99 * WIDTH * torch.sign(torch.randn(level.shape, generator=torch.Generator().manual_seed(seed)))
        reader = StreamReader(TABLES, [w.payload for w in written])
        received = reader.gaussian("y", None, mean + 1e-6, level + off, WIDTH)
        assert reader.finish() == [w.symbol_crc for w in written]
        assert torch.allclose(received, sent, atol=1e-5)  # means differ by 1e-6, symbols by nothing


def test_differences_above_the_width_are_noticed_by_the_checksum() -> None:
    noticed = 0
    for seed in range(20):
        values, mean, level = gaussian(seed)
        writer = StreamWriter(TABLES, batch=2)
        writer.gaussian("y", values, mean, level, WIDTH)
        written = writer.finish()
        reader = StreamReader(TABLES, [w.payload for w in written])
        try:
            received = reader.gaussian("y", None, mean, level + 30 * WIDTH, WIDTH)
        except CorruptFile:
            noticed += 1
            continue
        same = torch.equal(torch.round(received - mean), torch.round(values - mean))
        assert same == (reader.finish() == [w.symbol_crc for w in written])
        noticed += not same
    assert noticed >= 18  # a table next to the right one may give the right symbol, hardly ever hundreds of times


def test_more_listed_positions_than_there_are_is_damage() -> None:
    writer = RangeWriter()
    writer.natural(6)
    with pytest.raises(CorruptFile, match="6 guarded positions among 5"):
        read_guard(RangeReader(writer.finish()), np.zeros(5), WIDTH)


def test_a_listed_position_behind_the_last_is_damage() -> None:
    writer = RangeWriter()
    writer.natural(1)
    writer.rice(5, 1)
    with pytest.raises(CorruptFile, match="outside the latent"):
        read_guard(RangeReader(writer.finish()), np.zeros(5), WIDTH)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_whatever_the_bytes_a_list_is_read_or_refused(data: bytes) -> None:
    levels = draw(50, zlib.crc32(data))
    try:
        tables = read_guard(RangeReader(data), levels, WIDTH)
    except CorruptFile:
        return
    assert tables.max() <= 63


RARELY = 1e-6


@pytest.mark.parametrize("count", [1, 511, 600, 5000])
@pytest.mark.parametrize("listed", [0, 1, 3])
def test_rare_lists_are_read_by_us_and_by_the_specification(count: int, listed: int) -> None:
    levels = np.random.default_rng(count).integers(1, 60, count) + 0.2
    levels[:listed] += 0.3  # on the boundary
    writer = RangeWriter()
    tables = write_guard(writer, levels, RARELY)
    data = writer.finish()
    off = levels + 0.9 * RARELY * np.random.default_rng(1).choice([-1.0, 1.0], count)
    assert (read_guard(RangeReader(data), off, RARELY) == tables).all()
    specified = table_indices(off).tolist()
    SymbolDecoder(data).guard(off.tolist(), specified, True)
    assert specified == tables.tolist()


def test_a_rare_list_of_nothing_takes_next_to_nothing() -> None:
    """Twelve slices of a small picture, as MCM has them; in the other form they take 60 bits."""
    writer = RangeWriter()
    for _ in range(12):
        write_guard(writer, np.full(800, 7.2), RARELY)
    writer.number(1, 1)  # or nothing would be written at all
    assert len(writer.finish()) == 1
