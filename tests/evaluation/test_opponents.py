"""Opponents on small synthetic pictures: sizes, colours, budgets, and what happens when one is not installed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from regio.evaluation.metrics import psnr
from regio.evaluation.opponents import OPPONENTS, RATIOS, Opponent

NAMES = ("jpeg", "webp", "jpeg2000", "avif", "avif-psnr", "jxl", "hevc")


def waves(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [127 + 60 * np.sin(rows / 9 + c) + 60 * np.cos(columns / 7 - c) for c in range(3)]
    speckle = np.random.default_rng(3).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(planes, -1) + speckle, 0, 255).astype(np.uint8)


@pytest.fixture(params=NAMES)
def opponent(request: pytest.FixtureRequest) -> Opponent:
    found = OPPONENTS[request.param]
    if reason := found.missing():
        pytest.skip(reason)
    return found


def test_the_opponents_are_those_of_the_results_tables() -> None:
    assert tuple(OPPONENTS) == NAMES


@pytest.mark.parametrize("shape", [(96, 64), (33, 17), (1, 1), (1, 40)])
def test_any_size_comes_back_as_rgb_of_that_size(opponent: Opponent, shape: tuple[int, int]) -> None:
    pixels = waves(*shape)
    decoded = opponent.decode(opponent.encode(pixels, opponent.ladder[-1]))
    assert decoded.shape == pixels.shape
    assert decoded.dtype == np.uint8


def test_the_settings_of_a_sweep_rise_in_bytes_and_in_psnr(opponent: Opponent) -> None:
    pixels = waves(96, 128)
    files = [opponent.encode(pixels, setting) for setting in (opponent.settings[2], opponent.settings[-1])]
    errors = [psnr(pixels, opponent.decode(data)) for data in files]
    assert len(files[0]) < len(files[1])
    assert errors[0] < errors[1]
    assert errors[1] > 28


@pytest.mark.parametrize("budget", [1500, 3000])
def test_the_budget_is_used_and_never_exceeded(opponent: Opponent, budget: int) -> None:
    pixels = waves(96, 128)
    made = opponent.at_bytes(pixels, budget)
    assert made.fits
    assert 0.6 * budget < len(made.data) <= budget  # the coarsest knob here steps by a third
    assert made.setting in opponent.ladder
    assert opponent.decode(made.data).shape == pixels.shape


def test_an_impossible_budget_gives_the_smallest_file_and_says_so(opponent: Opponent) -> None:
    pixels = waves(48, 48)
    made = opponent.at_bytes(pixels, 10)
    assert not made.fits
    assert made.setting == opponent.ladder[0]
    assert made.data == opponent.encode(pixels, opponent.ladder[0])


def test_a_budget_above_the_largest_file_gets_the_largest_setting() -> None:
    assert OPPONENTS["jpeg"].at_bytes(waves(32, 32), 10**9).setting == 100


def test_jpeg_is_sampled_4_2_0_and_jpeg_2000_hits_its_rate() -> None:
    pixels = waves(256, 256)
    assert b"\xff\xc0\x00\x11\x08\x01\x00\x01\x00\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01" in OPPONENTS["jpeg"].encode(
        pixels, 50
    )  # baseline frame header: 256x256, three components sampled 2x2, 1x1, 1x1
    assert len(OPPONENTS["jpeg2000"].encode(pixels, 40)) == pytest.approx(256 * 256 * 3 / 40, rel=0.1)
    assert 2 < RATIOS[-1] < 2.02


def test_a_missing_library_is_a_reason_not_an_exception() -> None:
    absent = dataclasses.replace(OPPONENTS["jxl"], library="no-such-package", plugin="no_such_module")
    assert absent.missing() == "needs the package no-such-package (pip install no-such-package)"
    unbuilt = dataclasses.replace(OPPONENTS["avif"], library="raqm_of_the_future")
    with pytest.warns(UserWarning, match="Unknown feature"):
        assert unbuilt.missing() == "this Pillow is built without raqm_of_the_future"


def test_the_library_version_stands_where_weights_would() -> None:
    name, version = OPPONENTS["webp"].weights.split()
    assert name == "webp"
    assert version[0].isdigit()
