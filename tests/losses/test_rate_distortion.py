"""The loss is that of the papers, per sample."""

import math

import pytest
import torch

from regio.losses.rate_distortion import multipliers, rate_distortion


def test_multipliers_are_evenly_spaced_on_a_logarithmic_scale() -> None:
    weights = multipliers(torch.tensor([0.0, 0.5, 1.0]), 0.0001, 0.01)
    torch.testing.assert_close(weights, torch.tensor([0.0001, 0.001, 0.01]))


def test_multipliers_may_be_given_point_by_point() -> None:
    points = (720.0, 520.0, 420.0, 320.0, 220.0, 120.0)
    weights = multipliers(torch.linspace(0, 1, 6), *points)
    torch.testing.assert_close(weights, torch.tensor(points))
    between = multipliers(torch.tensor([[[[0.1]]]]), *points)
    torch.testing.assert_close(between, torch.full((1, 1, 1, 1), (720.0 * 520.0) ** 0.5))


def test_mse_counts_in_eight_bit_levels_and_rate_in_bits_per_pixel() -> None:
    x = torch.zeros(2, 3, 4, 8)
    x_hat = torch.stack([x[0] + 2 / 255, x[1] + 4 / 255])
    bits = {"y": torch.tensor([32.0, 64.0]), "z": torch.tensor([16.0, 0.0])}
    cost = rate_distortion(x, x_hat, bits, torch.tensor([0.5, 0.25]))
    torch.testing.assert_close(cost.bpp, torch.tensor([1.5, 2.0]))
    torch.testing.assert_close(cost.distortion, torch.tensor([2.0, 4.0]))  # 0.5 * 2², 0.25 * 4²
    torch.testing.assert_close(cost.total, torch.tensor([3.5, 6.0]))


def test_a_map_of_multipliers_weighs_each_part_of_the_picture_by_its_own() -> None:
    x, x_hat = torch.zeros(1, 3, 4, 8), torch.zeros(1, 3, 4, 8)
    x_hat[..., :4] += 2 / 255
    x_hat[..., 4:] += 4 / 255
    bits = {"y": torch.zeros(1)}
    cost = rate_distortion(x, x_hat, bits, torch.tensor([[[[0.5, 0.25]]]]))
    torch.testing.assert_close(cost.distortion, torch.tensor([3.0]))  # half the picture 0.5 * 2², half 0.25 * 4²
    flat = torch.full((1, 1, 2, 2), 0.5)
    torch.testing.assert_close(
        rate_distortion(x, x_hat, bits, flat).total, rate_distortion(x, x_hat, bits, flat[:, 0, 0, 0]).total
    )


def test_ms_ssim_costs_nothing_for_equal_pictures_and_has_a_gradient_elsewhere() -> None:
    dice = torch.Generator().manual_seed(1)
    x = torch.rand(1, 3, 192, 192, generator=dice)
    x_hat = (x + 0.1 * torch.rand(x.shape, generator=dice)).requires_grad_()
    bits, weight = {"y": torch.zeros(1)}, torch.tensor([10.0])
    same = rate_distortion(x, x.clone(), bits, weight, "ms-ssim")
    assert same.distortion.item() == pytest.approx(0, abs=1e-4)
    other = rate_distortion(x, x_hat, bits, weight, "ms-ssim")
    other.total.sum().backward()
    assert 0 < other.distortion.item() < 10
    assert x_hat.grad is not None
    assert math.isfinite(x_hat.grad.norm().item())


def test_means_of_blocks_count_besides_what_their_pixels_count() -> None:
    """An area of another tone costs (1 + means) times as much; noise without a tone costs no more."""
    x = torch.full((1, 3, 32, 32), 0.5)
    bits, weight = {"y": torch.zeros(1)}, torch.ones(1)
    tone = x + 0.1
    plain = rate_distortion(x, tone, bits, weight).distortion
    assert rate_distortion(x, tone, bits, weight, means=1.5).distortion == pytest.approx(2.5 * float(plain), rel=1e-5)
    checks = x + 0.1 * (1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2))
    assert rate_distortion(x, checks, bits, weight, means=1.5).distortion == pytest.approx(float(plain), rel=1e-5)
    maps = torch.ones(1, 1, 2, 2)
    assert rate_distortion(x, tone, bits, maps, means=1.5).distortion == pytest.approx(2.5 * float(plain), rel=1e-5)
