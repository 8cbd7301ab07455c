"""Blocks of the small models: their linear path starts as an orthonormal transform."""

import pytest
import torch
from torch.nn import functional as F

from regio.nn.patch import BottleneckUnit, PatchDown, PatchUp, block_spread, block_transform, dct_matrix


@pytest.mark.parametrize("size", [2, 8, 16])
def test_the_dct_is_orthonormal(size: int) -> None:
    dct = dct_matrix(size)
    assert torch.allclose(dct @ dct.T, torch.eye(size, dtype=torch.float64), atol=1e-12)


def test_the_dct_of_four_numbers() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    expected = torch.tensor([5.0, -2.230442497, 0.0, -0.158512668], dtype=torch.float64)
    assert torch.allclose(dct_matrix(4) @ values, expected, atol=1e-8)


@pytest.mark.parametrize("channels", [192, 48, 12])
def test_a_block_transform_has_orthonormal_rows(channels: int) -> None:
    rows = block_transform(8, channels)
    assert rows.shape == (channels, 192)
    assert torch.allclose(rows @ rows.T, torch.eye(channels), atol=1e-5)


def test_the_first_coefficient_of_a_block_is_its_brightness() -> None:
    blocks = F.pixel_unshuffle(torch.full((1, 3, 8, 8), 0.5), 8)
    coefficients = torch.einsum("kc,nchw->k", block_transform(8, 192), blocks)
    assert coefficients[0] == pytest.approx(0.5 * 8 * 3**0.5, rel=1e-5)
    assert coefficients[1:].abs().max() < 1e-4


def test_down_and_up_undo_each_other_when_fresh() -> None:
    start = block_transform(8, 192)
    x = torch.rand(2, 3, 16, 24)
    features = PatchDown(8, start * 4)(x)
    assert features.shape == (2, 192, 2, 3)
    assert torch.allclose(PatchUp(8, start / 4)(features), x, atol=1e-5)


def test_low_frequencies_are_expected_to_be_large() -> None:
    spread = block_spread(16, 320)
    assert spread.shape == (320,)
    assert torch.equal(spread, torch.sort(spread, descending=True)[0])


def test_patches_are_mixed_in_full_precision_under_autocast() -> None:
    down, x = PatchDown(8, block_transform(8, 192)), torch.rand(1, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(down(x), PatchDown(8, block_transform(8, 192))(x))
        assert down(x).dtype == torch.float32


def test_a_fresh_unit_is_the_identity_and_learns() -> None:
    unit, x = BottleneckUnit(6), torch.randn(1, 6, 4, 4)
    assert torch.equal(unit(x), x)
    unit(x).square().sum().backward()
    assert unit.out.weight.grad is not None
    assert unit.out.weight.grad.any()
    assert BottleneckUnit(6, inner=5).body[0].out_channels == 5
