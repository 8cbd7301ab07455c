"""Wasserstein distortion: LPIPS where σ is 0, statistics of texture where it is large."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from shared import SHARED, needs_shared
from torch import Tensor

from regio.losses.perceptual import Lpips
from regio.losses.wasserstein import Wasserstein
from regio.losses.windows import filter_matrix


@pytest.fixture
def distortion(toy_weights: Path) -> Wasserstein:
    return Wasserstein(Lpips("squeeze", weights=toy_weights))


def noise(seed: int, contrast: float = 0.3, size: int = 128) -> Tensor:
    return 0.5 + contrast * (torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed)) - 0.5)


def everywhere(sigma: float, size: int = 128) -> Tensor:
    return torch.full((1, 1, size, size), sigma)


def test_with_sigma_0_it_is_lpips(distortion: Wasserstein) -> None:
    x, y = noise(1), noise(2)
    for sigma in (0.0, 1.0):  # a window of one pixel is none
        assert torch.allclose(distortion(x, y, everywhere(sigma)), distortion.network(x, y))


def test_equal_pictures_cost_nothing_and_give_finite_gradients(distortion: Wasserstein) -> None:
    x = noise(1)
    y = x.clone().requires_grad_()
    found = distortion(x, y, everywhere(12.0))
    found.sum().backward()
    assert found.item() == pytest.approx(0, abs=1e-9)
    assert y.grad is not None
    assert y.grad.isfinite().all()


def resampled_against_changed(distortion: Wasserstein, sigma: float) -> tuple[float, float]:
    """The same texture drawn anew, and the same draw with another contrast."""
    x, map_ = noise(1), everywhere(sigma)
    return distortion(x, noise(2), map_).item(), distortion(x, noise(1, contrast=0.1), map_).item()


def test_another_draw_of_a_texture_is_as_good_where_sigma_is_large(distortion: Wasserstein) -> None:
    near, _ = resampled_against_changed(distortion, 0)
    far, _ = resampled_against_changed(distortion, 64)
    assert far < 0.25 * near


@needs_shared
def test_where_sigma_is_large_contrast_counts_and_the_draw_does_not() -> None:
    trained = Wasserstein(Lpips("squeeze", weights=SHARED / "data" / "weights"))
    drawn, changed = resampled_against_changed(trained, 0)
    drawn_far, changed_far = resampled_against_changed(trained, 64)
    assert changed_far > 0.8 * changed  # 0.187 of 0.211
    assert drawn_far < 0.25 * drawn  # 0.016 of 0.094


def test_the_map_says_where(distortion: Wasserstein) -> None:
    """A change counts by σ at its place: a picture that is drawn anew in the left half alone."""
    x, y = noise(1), noise(1)
    y[..., :64] = noise(2)[..., :64]
    left, right = everywhere(0.0), everywhere(0.0)
    left[..., :64], right[..., 64:] = 32.0, 32.0
    exact, free, elsewhere = (distortion(x, y, map_).item() for map_ in (everywhere(0.0), left, right))
    assert free < 0.5 * exact
    assert elsewhere == pytest.approx(exact, rel=0.15)  # features of large reach see across the middle


def test_small_and_odd_sizes_have_fewer_octaves(distortion: Wasserstein) -> None:
    x, y = noise(1, size=37)[..., :33, :], noise(2, size=37)[..., :33, :]
    found = distortion(x, y, torch.full((1, 1, 33, 37), 100.0))
    assert found.isfinite().all()
    assert found > 0


def test_a_filter_as_a_matrix_mirrors_or_meets_zero() -> None:
    like = torch.zeros(1)
    assert filter_matrix(4, (1, 2, 1), like).tolist() == [
        [0.75, 0.25, 0, 0],
        [0.25, 0.5, 0.25, 0],
        [0, 0.25, 0.5, 0.25],
        [0, 0, 0.25, 0.75],
    ]
    assert filter_matrix(3, (1, 2, 1), like, mirror=False)[0].tolist() == [0.5, 0.25, 0]
    halved = filter_matrix(5, (1, 3, 3, 1), like, stride=2)
    assert halved.tolist() == [[0.5, 0.375, 0.125, 0, 0], [0, 0.125, 0.375, 0.375, 0.125], [0, 0, 0, 0.25, 0.75]]
