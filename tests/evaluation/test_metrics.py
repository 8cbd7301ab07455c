"""Metrics against values worked out by hand or by independent code, not against themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regio.evaluation.judges.base import decibels
from regio.evaluation.metrics import bpp, masked_psnr, ms_ssim, mse, psnr


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def landscape(height: int, width: int) -> np.ndarray:
    """Smooth waves, different in each channel."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [127 + 80 * np.sin(rows / (9 + 3 * c)) * np.cos(columns / (7 + 2 * c)) for c in range(3)]
    return np.stack(waves, axis=-1).round().astype(np.uint8)


def test_an_error_of_one_step_everywhere_is_48_13_dB() -> None:
    reference = np.full((4, 5, 3), 100, np.uint8)
    assert mse(reference, reference + 1) == 1
    assert psnr(reference, reference + 1) == pytest.approx(48.130803608679, abs=1e-9)  # 20 log10(255)


def test_a_single_wrong_channel_counts_as_one_of_three() -> None:
    reference = np.zeros((2, 2, 3), np.uint8)
    decoded = reference.copy()
    decoded[0, 0, 1] = 60  # squared 3600, over 12 values: 300
    assert psnr(reference, decoded) == pytest.approx(10 * math.log10(65025 / 300), abs=1e-12)


def test_differences_do_not_wrap_around_in_eight_bits() -> None:
    black, white = np.zeros((3, 3, 3), np.uint8), np.full((3, 3, 3), 255, np.uint8)
    assert psnr(black, white) == psnr(white, black) == 0


@pytest.mark.parametrize("shape", [(701, 400), (2, 70_000), (1, 1)])
def test_the_error_of_large_pictures_is_exact_also_of_a_part(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    a, b = (rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(2))
    squares = (a.astype(np.int64) - b) ** 2
    assert mse(a, b) == squares.mean()
    mask = np.zeros(shape, bool)
    mask[shape[0] // 2 :, shape[1] // 3 :] = True
    assert masked_psnr(a, b, mask) == 10 * math.log10(255**2 / squares[mask].mean())
    assert math.isnan(masked_psnr(a, b, np.zeros(shape, bool)))


def test_equal_pictures_have_infinite_psnr_and_unit_similarity() -> None:
    picture = noise(161, 170)
    assert psnr(picture, picture) == math.inf
    assert ms_ssim(picture, picture) == pytest.approx(1, abs=1e-6)  # float32


def by_hand(reference: np.ndarray, decoded: np.ndarray) -> float:
    """MS-SSIM in float64 with numpy loops over taps, written from the paper, for sides that halve evenly."""
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blur(a: np.ndarray) -> np.ndarray:
        a = sum(w * a[i : a.shape[0] - 10 + i] for i, w in enumerate(taps))
        return sum(w * a[:, i : a.shape[1] - 10 + i] for i, w in enumerate(taps))

    x, y, product = reference.astype(float), decoded.astype(float), np.ones(3)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        term = (2 * cov + c2) / (vx + vy + c2)
        if scale == 4:
            term = term * (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        product *= term.mean((0, 1)) ** exponent
        x, y = (a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2, 3).mean((1, 3)) if scale < 4 else a for a in (x, y))
    return float(product.mean())


def test_ms_ssim_equals_an_independent_float64_computation() -> None:
    reference = landscape(176, 192)
    noisy = np.clip(reference + np.random.default_rng(1).normal(0, 20, reference.shape), 0, 255).astype(np.uint8)
    assert ms_ssim(reference, noisy) == pytest.approx(by_hand(reference, noisy), abs=2e-5)  # float32 there


@pytest.mark.parametrize("shape", [(160, 500), (500, 160), (1, 1)])
def test_a_picture_too_small_for_five_scales_has_no_ms_ssim(shape: tuple[int, int]) -> None:
    picture = noise(*shape)
    assert math.isnan(ms_ssim(picture, picture))
    assert psnr(picture, picture) == math.inf


def test_bpp_counts_the_whole_file_over_the_pixels() -> None:
    assert bpp(1000, np.zeros((20, 40, 3), np.uint8)) == 10


def test_similarity_in_decibels() -> None:
    assert decibels(0.9) == pytest.approx(10)
    assert decibels(0.999) == pytest.approx(30)
    assert decibels(1.0) == math.inf


@pytest.mark.parametrize(
    ("reference", "decoded", "says"),
    [
        (noise(4, 4), noise(4, 5), "differ in shape"),
        (noise(4, 4), noise(4, 4).astype(np.float32), "decoded.*uint8 wanted"),
        (noise(4, 4)[..., 0], noise(4, 4), r"reference: \(H,W,3\)"),
    ],
)
def test_pictures_that_cannot_be_compared_are_refused(reference: np.ndarray, decoded: np.ndarray, says: str) -> None:
    for metric in (psnr, ms_ssim):
        with pytest.raises(ValueError, match=says):
            metric(reference, decoded)
