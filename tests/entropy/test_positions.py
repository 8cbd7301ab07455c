"""Kept sets: never more than the number of sets says, less where patches cling together, the same on both sides."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_codec import code_of_page

from regio.entropy.positions import position_bits, read_positions, set_bits, write_positions
from regio.entropy.range_coder import RangeReader, RangeWriter
from regio.errors import CorruptFile


def drawn(size: tuple[int, int], count: int, seed: int) -> np.ndarray:
    """`count` cells anywhere."""
    flat = np.zeros(size[0] * size[1], bool)
    flat[np.random.default_rng(seed).permutation(flat.size)[:count]] = True
    return flat.reshape(size)


def blob(size: tuple[int, int]) -> np.ndarray:
    """Cells within a circle."""
    row, column = np.indices(size)
    return np.hypot(row - size[0] / 2, column - size[1] / 2) < min(size) / 3


def written(kept: np.ndarray, expected: int | None) -> bytes:
    writer = RangeWriter()
    write_positions(writer, kept, expected)
    return writer.finish()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 10**6), st.booleans())
def test_any_set_is_read_back_and_the_checksums_agree(rows: int, columns: int, seed: int, known: bool) -> None:
    count = 1 + seed % (rows * columns)
    kept, writer = drawn((rows, columns), count, seed), RangeWriter()
    write_positions(writer, kept, count if known else None)
    reader = RangeReader(writer.finish())
    assert np.array_equal(read_positions(reader, (rows, columns), count if known else None), kept)
    assert reader.checksum == writer.checksum


@pytest.mark.parametrize("count", [1, 64, 144, 255, 256])
def test_a_set_takes_at_most_a_byte_more_than_the_number_of_sets_says(count: int) -> None:
    for seed in range(8):
        kept = drawn((16, 16), count, seed)
        bound = math.ceil(math.log2(math.comb(256, count))) + 8
        assert position_bits(kept, count) <= bound
        assert 8 * len(written(kept, count)) <= bound + 7  # whole bytes


def test_bytes_are_what_the_bits_promise() -> None:
    for kept in (drawn((16, 16), 64, 1), blob((16, 16)), drawn((40, 50), 700, 2), blob((40, 50))):
        bits = position_bits(kept, int(kept.sum()))
        assert bits / 8 - 1 <= len(written(kept, int(kept.sum()))) <= bits / 8 + 1.1  # trailing zeros are not sent


def test_patches_that_cling_together_cost_less_than_half() -> None:
    kept = blob((16, 16))
    assert position_bits(kept, int(kept.sum())) < 0.5 * set_bits(256, int(kept.sum()))


def test_an_unexpected_number_is_told_and_costs_its_digits() -> None:
    kept = drawn((8, 8), 20, 0)
    reader = RangeReader(written(kept, 21))
    assert np.array_equal(read_positions(reader, (8, 8), 21), kept)
    assert position_bits(kept, 21) == position_bits(kept, 20) + 7


def test_literal_bytes_of_a_small_set() -> None:
    kept = np.zeros((4, 4), bool)
    kept[1, 1:3] = True
    assert written(kept, 2).hex() == "1d"


def test_nonsense_is_corrupt() -> None:
    writer = RangeWriter()
    writer.number(1, 1)  # not as many as expected, but
    writer.number(17, 5)  # more than there are
    with pytest.raises(CorruptFile, match="17 of 16 patches"):
        read_positions(RangeReader(writer.finish()), (4, 4), 3)
    with pytest.raises(CorruptFile, match="0 of 16 patches"):
        read_positions(RangeReader(b""), (4, 4), None)


@pytest.mark.parametrize("side", [64, 65])
def test_a_large_grid_with_next_to_nothing_is_refused(side: int) -> None:
    for count, usual in ((32, 256), (31, 256), (1, 8), (1, 9)):
        kept = np.zeros((side, side), np.bool_)
        kept.reshape(-1)[:count] = True
        writer = RangeWriter()
        write_positions(writer, kept, usual)
        reader = RangeReader(writer.finish())
        if side > 64 and 8 * count < usual:
            with pytest.raises(CorruptFile, match=f"{count} of 4225 patches are kept, {usual} are usual"):
                read_positions(reader, kept.shape, usual)
        else:
            assert np.array_equal(read_positions(reader, kept.shape, usual), kept)


@pytest.mark.parametrize("expected", [20, 21])
def test_the_decoder_of_the_specification_reads_sets(expected: int) -> None:
    decoder = code_of_page()["PositionDecoder"]
    for kept in (drawn((8, 9), 20, 5), np.roll(np.eye(8, 9, dtype=bool) | np.eye(8, 9, 1, dtype=bool), 2, axis=1)):
        grid = kept.copy()
        while grid.sum() > 20:
            grid[tuple(np.argwhere(grid)[-1])] = False
        assert decoder(written(grid, expected)).positions(8, 9, expected) == grid.astype(int).tolist()
    blob_like = blob((12, 12))
    count = int(blob_like.sum())
    assert decoder(written(blob_like, count)).positions(12, 12, count) == blob_like.astype(int).tolist()


def test_a_set_of_all_patches_takes_next_to_nothing() -> None:
    assert len(written(np.ones((16, 16), bool), 256)) <= 1
