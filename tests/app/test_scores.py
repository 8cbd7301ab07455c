"""Figures by part: over the whole they are the usual ones, and a part knows nothing of damage elsewhere."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from random_judge import random_lpips

from regio.app.scores import Judging, lpips_at_hand
from regio.errors import MissingWeights
from regio.evaluation.metrics import ms_ssim, psnr
from regio.evaluation.parts import masked_ms_ssim
from regio.losses.perceptual import Lpips


@pytest.fixture(scope="module")
def textured() -> np.ndarray:
    """(203,187,3): odd sides, so that every scale has to pad."""
    return np.random.default_rng(3).integers(40, 215, (203, 187, 3), dtype=np.uint8)


@pytest.fixture
def lpips(tmp_path: Path) -> Lpips:
    return random_lpips(tmp_path)


def noisy(pixels: np.ndarray, amount: int, where: np.ndarray | None = None) -> np.ndarray:
    noise = np.random.default_rng(4).integers(-amount, amount + 1, pixels.shape)
    if where is not None:
        noise[~where] = 0
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_over_the_whole_picture_it_is_ms_ssim(textured: np.ndarray) -> None:
    decoded = noisy(textured, 40)
    whole = np.ones(textured.shape[:2], bool)
    expected = [ms_ssim(textured, decoded)]
    assert masked_ms_ssim(textured, decoded, [whole]) == pytest.approx(expected, abs=2e-6)  # float32
    assert masked_ms_ssim(textured, textured, [whole]) == pytest.approx([1], abs=1e-6)


@pytest.mark.parametrize("shape", [(203, 187), (210, 186)])
def test_strip_by_strip_it_is_the_same(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    mask = rng.integers(0, 2, shape).astype(bool)
    decoded, masks = noisy(pixels, 50, mask), [mask, ~mask, np.ones(shape, bool)]
    at_once = masked_ms_ssim(pixels, decoded, masks)
    monkeypatch.setattr("regio.evaluation.parts.STRIP", 1)  # of sixteen rows, the fewest
    assert masked_ms_ssim(pixels, decoded, masks) == pytest.approx(at_once, abs=2e-6)  # float32
    assert at_once[2] == pytest.approx(ms_ssim(pixels, decoded), abs=2e-6)


def test_damage_counts_where_it_is(textured: np.ndarray) -> None:
    left = np.zeros(textured.shape[:2], bool)
    left[:, :90] = True
    decoded = noisy(textured, 90, left)
    inside, outside = masked_ms_ssim(textured, decoded, [left, ~left])
    assert inside < ms_ssim(textured, decoded) < outside


def test_a_corner_of_the_picture_counts_as_well(textured: np.ndarray) -> None:
    corner = np.zeros(textured.shape[:2], bool)
    corner[:40, :40] = True
    spoilt = textured.copy()
    spoilt[:40, :40] = 128
    here, there = masked_ms_ssim(textured, spoilt, [corner, np.flip(corner).copy()])
    assert here < 0.7
    assert there > 0.999


def test_there_is_no_figure_for_small_pictures_and_for_nothing(textured: np.ndarray) -> None:
    small = textured[:160, :160]
    assert np.isnan(masked_ms_ssim(small, small, [np.ones((160, 160), bool)] * 2)).tolist() == [True, True]
    assert np.isnan(masked_ms_ssim(textured, textured, [np.zeros(textured.shape[:2], bool)])).all()


def test_every_version_is_judged_as_a_whole_and_by_part(textured: np.ndarray, lpips: Lpips) -> None:
    mask = np.zeros(textured.shape[:2], bool)
    mask[60:150, 60:150] = True
    decoded = noisy(textured, 60, mask)
    judging = Judging(textured, mask, lpips)
    scores = judging.scores(decoded)
    assert scores.whole.psnr == psnr(textured, decoded)
    assert scores.region is not None
    assert scores.background is not None
    assert scores.background.psnr == math.inf
    assert scores.region.psnr < scores.whole.psnr
    assert scores.region.ms_ssim < scores.whole.ms_ssim < scores.background.ms_ssim
    assert scores.region.lpips > scores.whole.lpips > scores.background.lpips > 0  # cells at the border see both


def test_over_the_whole_picture_it_is_lpips(textured: np.ndarray, lpips: Lpips) -> None:
    decoded = noisy(textured, 60)
    tensors = [torch.from_numpy(one.astype(np.float32) / 255).permute(2, 0, 1)[None] for one in (textured, decoded)]
    assert Judging(textured, None, lpips).scores(decoded).whole.lpips == pytest.approx(float(lpips(*tensors)), rel=1e-5)


def test_without_a_region_and_without_lpips_there_are_fewer_figures(textured: np.ndarray) -> None:
    scores = Judging(textured, None).scores(noisy(textured, 20))
    assert scores.region is scores.background is None
    assert math.isnan(scores.whole.lpips)
    assert scores.whole.ms_ssim < 1


def test_large_pictures_have_no_lpips(textured: np.ndarray, lpips: Lpips, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regio.app.scores.LPIPS_PIXELS", 203 * 187 - 1)
    assert math.isnan(Judging(textured, None, lpips).scores(textured).whole.lpips)


def test_weights_are_taken_where_they_are_and_never_fetched(
    tmp_path: Path, lpips: Lpips, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*arguments: object, **options: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("urllib.request.urlopen", fetch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    found, why = lpips_at_hand(None)
    assert found is None
    assert "--lpips-weights" in why
    found, why = lpips_at_hand(tmp_path)
    assert found is not None
    assert not why
    with pytest.raises(MissingWeights):
        lpips_at_hand(tmp_path / "nowhere")
