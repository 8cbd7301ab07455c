"""Halving and doubling: sizes, and values where they can be written down."""

import pytest
import torch
from torch.nn import functional as F

from regio.nn.conv import Pointwise, double, halve, subpixel


@pytest.mark.parametrize(("side", "half"), [(8, 4), (7, 4), (1, 1)])
def test_halve_rounds_odd_sides_up(side: int, half: int) -> None:
    assert halve(2, 3)(torch.zeros(1, 2, side, side)).shape == (1, 3, half, half)


def test_double_is_the_adjoint_of_halve() -> None:
    torch.manual_seed(2)
    down, up = halve(2, 3).double(), double(3, 2).double()
    with torch.no_grad():
        up.weight.copy_(down.weight)
        down.bias.zero_()
        up.bias.zero_()
    x, y = torch.randn(1, 2, 8, 6, dtype=torch.float64), torch.randn(1, 3, 4, 3, dtype=torch.float64)
    torch.testing.assert_close((down(x) * y).sum(), (x * up(y)).sum())


def test_subpixel_lays_four_channels_out_as_a_square() -> None:
    layer = subpixel(1, 1)
    with torch.no_grad():
        layer[0].weight.zero_()
        layer[0].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert layer(torch.zeros(1, 1, 1, 1)).tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("grad", [False, True])
def test_a_pointwise_convolution_has_no_holes(dtype: torch.dtype, layout: torch.memory_format, grad: bool) -> None:
    torch.manual_seed(0)
    layer = Pointwise(5, 7).to(dtype)
    x = torch.randn(2, 5, 3, 4, dtype=dtype).contiguous(memory_format=layout)
    with torch.set_grad_enabled(grad):
        found = layer(x)
    assert found.shape == (2, 7, 3, 4)
    assert (found - F.conv2d(x, layer.weight, layer.bias)).abs().max() < 1e-6
    assert found.requires_grad == grad
