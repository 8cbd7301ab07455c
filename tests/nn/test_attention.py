"""Window attention against pixel-by-pixel loops."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from regio.nn.attention import ResidualUnit, ShiftedWindowAttention, WindowAttentionModule, relative_position


def plain_attention(layer: ShiftedWindowAttention, x: Tensor) -> Tensor:
    """One picture (C,H,W), one pixel and one head at a time, straight from the definition."""
    channels, height, width = x.shape
    w, shift, depth = layer.window, layer.window // 2, channels // layer.heads
    pixels = [(r, c) for r in range(height) for c in range(width)]
    q, k, v = (part.view(height, width, layer.heads, depth) for part in layer.qkv(x.permute(1, 2, 0)).chunk(3, -1))
    result = x.clone()
    for r, c in pixels:
        row, column = (r - shift) % height, (c - shift) % width  # where the roll puts this pixel
        mine = [
            (a, b)
            for a, b in pixels
            if (a - shift) % height // w == row // w and (b - shift) % width // w == column // w
        ]
        heads = []
        for h in range(layer.heads):
            logits = []
            for a, b in mine:
                dy, dx = row - (a - shift) % height, column - (b - shift) % width
                bias = layer.bias[(dy + w - 1) * (2 * w - 1) + dx + w - 1, h]
                wrapped = (a < shift) != (r < shift) or (b < shift) != (c < shift)
                inside = height - shift <= 0 or not wrapped
                at_edge = row >= height - w or column >= width - w
                mask = -100.0 if at_edge and not inside else 0.0
                logits.append(q[r, c, h] @ k[a, b, h] / math.sqrt(depth) + bias + mask)
            weight = torch.softmax(torch.stack(logits), 0)
            heads.append(sum(p * v[a, b, h] for p, (a, b) in zip(weight, mine, strict=True)))
        result[:, r, c] += layer.mix(torch.cat(heads))
    return result


@pytest.mark.parametrize(("window", "height", "width"), [(2, 4, 6), (4, 4, 4), (4, 8, 4)])
def test_shifted_window_attention_matches_the_definition(window: int, height: int, width: int) -> None:
    torch.manual_seed(3)
    layer = ShiftedWindowAttention(4, window, heads=2).double()
    with torch.no_grad():
        layer.bias.normal_()
    x = torch.randn(2, 4, height, width, dtype=torch.float64)
    want = torch.stack([plain_attention(layer, picture) for picture in x])
    torch.testing.assert_close(layer(x), want)


def test_relative_position_of_a_two_by_two_window() -> None:
    assert relative_position(2).tolist() == [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]


def test_maps_that_do_not_divide_into_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="8x6 map does not divide into 4x4"):
        ShiftedWindowAttention(8, 4)(torch.zeros(1, 8, 8, 6))
    with pytest.raises(ValueError, match="12"):
        ShiftedWindowAttention(12, 4)


def test_channels_last_and_contiguous_maps_give_the_same() -> None:
    torch.manual_seed(4)
    layer, x = ShiftedWindowAttention(8, 4), torch.randn(1, 8, 8, 8)
    torch.testing.assert_close(layer(x.contiguous(memory_format=torch.channels_last)), layer(x))


def test_residual_unit_adds_before_the_last_gelu() -> None:
    torch.manual_seed(5)
    unit, x = ResidualUnit(6), torch.randn(1, 6, 5, 5)
    first, middle, last = unit.branch[0], unit.branch[2], unit.branch[4]
    y = F.gelu(torch.einsum("oi,bihw->bohw", first.weight[:, :, 0, 0], x) + first.bias[:, None, None])
    y = F.gelu(F.conv2d(F.pad(y, (1, 1, 1, 1)), middle.weight, middle.bias))
    y = torch.einsum("oi,bihw->bohw", last.weight[:, :, 0, 0], y) + last.bias[:, None, None]
    torch.testing.assert_close(unit(x), F.gelu(x + y))


def test_a_closed_gate_makes_the_module_the_identity_and_an_open_one_adds_the_trunk() -> None:
    torch.manual_seed(6)
    module, x = WindowAttentionModule(8, 4), torch.randn(1, 8, 4, 8)
    with torch.no_grad():
        module.gate[-1].weight.zero_()
        module.gate[-1].bias.fill_(-200.0)
        torch.testing.assert_close(module(x), x)
        module.gate[-1].bias.fill_(200.0)
        torch.testing.assert_close(module(x), x + module.trunk(x))
