"""Smoothing and pooling, against the sums they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regio.regions import BOX, pool, smooth, upper_half


def test_smoothing_is_the_average_over_the_box_with_borders_repeated() -> None:
    values = np.random.default_rng(0).integers(0, 256, (70, 90)).astype(np.uint8)
    padded = np.pad(values.astype(float), BOX // 2, mode="edge") / 255
    windows = np.lib.stride_tricks.sliding_window_view(padded, (BOX, BOX))
    assert np.abs(smooth(values) - windows.mean((2, 3))).max() < 1e-6


def test_smoothing_keeps_what_is_even() -> None:
    assert np.allclose(smooth(np.full((5, 9), 255, np.uint8)), 1)
    assert not smooth(np.zeros((60, 9), np.uint8)).any()


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), cell=st.sampled_from([16, 32]), seed=st.integers(0, 9))
def test_pooling_is_the_average_of_what_is_smoothed(height: int, width: int, cell: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    grid = -(-height // cell), -(-width // cell)
    whole = smooth(values)
    extra = [(0, count * cell - side) for count, side in zip(grid, whole.shape, strict=True)]
    expected = np.pad(whole, extra, mode="edge").reshape(grid[0], cell, grid[1], cell).mean((1, 3))
    assert np.abs(pool(values, cell, grid) - expected).max() < 1e-5


@pytest.mark.parametrize(("covered", "share"), [(0, 0), (256, 0.5), (512, 1), (1024, 1)])
def test_a_cell_that_is_covered_by_half_counts_as_covered(covered: int, share: float) -> None:
    cell = np.zeros(1024, np.uint8)
    cell[:covered] = 255
    values = np.hstack([cell.reshape(32, 32), np.zeros((32, 10), np.uint8)])
    assert upper_half(values, 32, (1, 2)).tolist() == [[share, 0]]


def test_cells_beyond_the_picture_take_its_border() -> None:
    values = np.zeros((33, 40), np.uint8)
    values[32] = 255
    assert upper_half(values, 32, (2, 2)).tolist() == [[0, 0], [1, 1]]
