"""Transformer blocks against definitions written out, and smooth filling."""

import math

import pytest
import torch
from torch.nn import functional as F

from regio.nn.vit import Attention, Block, WindowBlock, fill_holes, sin_cos_positions


def test_positions_are_those_of_masked_autoencoders() -> None:
    table = sin_cos_positions(8, 2, 3)
    assert table.shape == (6, 8)
    place = table[5]  # row 1, column 2
    want = [math.sin(2), math.sin(2 / 100), math.cos(2), math.cos(2 / 100)]
    want += [math.sin(1), math.sin(1 / 100), math.cos(1), math.cos(1 / 100)]
    assert place.tolist() == pytest.approx(want)
    with pytest.raises(ValueError, match="multiple of 4"):
        sin_cos_positions(6, 2, 2)


def test_attention_is_what_the_formula_says() -> None:
    torch.manual_seed(0)
    layer, x = Attention(6, 2), torch.randn(1, 4, 6)
    q, k, v = layer.qkv(x)[0].view(4, 3, 2, 3).unbind(1)  # (token, head, 3) each
    heads = [torch.softmax(q[:, h] @ k[:, h].T / math.sqrt(3), dim=1) @ v[:, h] for h in range(2)]
    want = layer.proj(torch.cat(heads, dim=1))
    assert torch.allclose(layer(x)[0], want, atol=1e-6)


def test_a_window_block_over_one_window_is_a_block_with_positions_and_distance() -> None:
    torch.manual_seed(0)
    block, grid = WindowBlock(8, 2, window=4, shifted=False).eval(), torch.randn(2, 4, 4, 8)
    tokens = grid.flatten(1, 2)
    bias = -block.slope.abs()[:, None, None] * block.distance
    want = tokens + block.attn(block.norm1(tokens) + block.positions, bias)
    want = want + block.mlp(block.norm2(want))
    assert torch.allclose(block.on_grid(grid, None), want.view_as(grid), atol=1e-6)


def influence(block: WindowBlock, size: tuple[int, int], at: tuple[int, int]) -> torch.Tensor:
    """Which outputs change when one input does, bool (h,w)."""
    torch.manual_seed(1)
    grid = torch.randn(1, *size, 8)
    other = grid.clone()
    other[0, at[0], at[1]] += torch.randn(8)
    with torch.no_grad():
        change = block.on_grid(grid, None) - block.on_grid(other, None)
    return change[0].abs().amax(-1) > 1e-6


def test_windows_are_cut_at_the_edge_and_shifted_ones_lie_across_the_others_borders() -> None:
    plain = influence(WindowBlock(8, 2, window=4, shifted=False), (6, 7), (3, 3))
    assert plain.nonzero().tolist() == [[r, c] for r in range(4) for c in range(4)]
    shifted = influence(WindowBlock(8, 2, window=4, shifted=True), (6, 7), (3, 3))
    assert shifted.nonzero().tolist() == [[r, c] for r in range(2, 6) for c in range(2, 6)]


def test_hidden_tokens_change_nothing_but_themselves() -> None:
    torch.manual_seed(0)
    block, grid = WindowBlock(8, 2, window=4, shifted=True), torch.randn(1, 5, 6, 8)
    visible = torch.rand(1, 5, 6) > 0.4
    other = torch.where(visible[..., None], grid, torch.randn_like(grid))
    a, b = block.on_grid(grid, visible), block.on_grid(other, visible)
    assert torch.equal(a[visible], b[visible])
    assert not torch.equal(a, b)


def test_a_window_without_a_visible_token_stays_finite() -> None:
    block = WindowBlock(8, 2, window=4, shifted=False)
    nothing = torch.zeros(1, 4, 4, dtype=torch.bool)
    assert bool(block.on_grid(torch.randn(1, 4, 4, 8), nothing).isfinite().all())


def test_blocks_refuse_heads_that_do_not_divide_the_width() -> None:
    with pytest.raises(ValueError, match="3 equal heads"):
        Block(8, 3)


def test_holes_take_what_is_near_and_known_cells_stay() -> None:
    values = torch.zeros(1, 1, 7, 9)
    values[..., 5:] = 1.0
    known = torch.zeros(1, 1, 7, 9)
    known[..., 3, 0] = known[..., 3, 8] = 1
    filled = fill_holes(values, known)
    assert filled[0, 0, 3, 0] == 0
    assert filled[0, 0, 3, 8] == 1
    row = filled[0, 0, 3]
    assert bool((row[1:] >= row[:-1] - 1e-6).all())
    assert row[1] < 0.25
    assert row[7] > 0.6


def test_a_constant_is_filled_with_itself_and_nothing_known_gives_zero() -> None:
    torch.manual_seed(0)
    known = (torch.rand(2, 1, 5, 11) > 0.8).float()
    known[:, :, 0, 0] = 1
    assert torch.allclose(fill_holes(torch.full((2, 3, 5, 11), 0.7), known), torch.full((2, 3, 5, 11), 0.7), atol=1e-5)
    assert not fill_holes(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).any()


def test_filling_lets_gradients_through() -> None:
    values = torch.randn(1, 2, 4, 4, requires_grad=True)
    known = F.pad(torch.ones(1, 1, 2, 2), (0, 2, 0, 2))
    fill_holes(values, known).sum().backward()
    assert values.grad is not None
    assert bool((values.grad[:, :, :2, :2] != 0).all())
    assert not values.grad[:, :, 2:].any()
