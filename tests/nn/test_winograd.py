"""Convolutions by tiles: their sums, and when they are taken."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from regio.nn.precise import PreciseConv, conv_by_taps, taps_of
from regio.nn.winograd import conv_by_tiles, fits, to_tiles


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


@pytest.mark.parametrize("block", [1, 2**12, 2**21])
@pytest.mark.parametrize(("channels", "count", "size"), [(1, 1, (4, 4)), (7, 5, (16, 24))])
def test_tiles_give_the_sums_of_a_convolution(
    monkeypatch: pytest.MonkeyPatch, channels: int, count: int, size: tuple[int, int], block: int
) -> None:
    """One channel at a time, some, and all."""
    monkeypatch.setattr("regio.nn.winograd.BLOCK", block)
    x, weight, bias = drawn(1, channels, *size), drawn(count, channels, 3, 3), drawn(count)
    out = torch.full((count, *size), torch.nan, dtype=torch.float64)
    values = to_tiles(F.pad(x, (1, 1, 1, 1))[0])
    conv_by_tiles(values.split([1, channels - 1][: min(2, channels)], dim=1), taps_of(weight), bias, out)
    expected = F.conv2d(x, weight, bias, padding=1)[0]
    assert (out - expected).abs().max() < 1e-13 * expected.abs().max()  # two digits more than float64 has


def test_tiles_are_for_large_maps_that_they_cover_and_for_kernels_of_three() -> None:
    assert fits(32, 48, 3)
    assert not fits(32, 48, 5)
    assert not fits(30, 48, 3)
    assert not fits(32, 46, 3)
    assert not fits(8, 12, 3)


@pytest.mark.parametrize("size", [(32, 32), (30, 32)])
def test_a_precise_convolution_gives_the_same_either_way(size: tuple[int, int]) -> None:
    """A batch of two, so that each picture is seen to get its own sums."""
    torch.manual_seed(0)
    conv = PreciseConv(3, 4, 3).double().requires_grad_(False)
    x = drawn(2, 3, *size)
    with torch.no_grad():
        found = conv(x)
    assert (found - F.conv2d(x, conv.weight, conv.bias, padding=1)).abs().max() < 1e-13


def test_whole_numbers_stay_exact() -> None:
    """Levels in whole numbers must be the same everywhere, so they are never taken by tiles."""
    x, weight = (drawn(*shape).mul(1e4).round() for shape in ((1, 3, 32, 32), (4, 3, 3, 3)))
    bias = torch.ones(4, dtype=torch.float64)
    assert torch.equal(conv_by_taps(x, taps_of(weight), bias), F.conv2d(x, weight, bias, padding=1))
