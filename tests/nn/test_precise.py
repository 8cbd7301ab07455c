"""Convolutions in float64 by another way, and what is kept of frozen parameters."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.precise import Kept, PreciseConv, PreciseStack, Seen, conv_by_taps, make_precise, seen_by, taps_of


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (4, 7)])
def test_taps_give_the_sums_of_a_convolution(kernel: int, size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)

    def whole(*shape: int) -> Tensor:  # whole numbers: both ways are exact, so equal
        return torch.randint(-9, 10, shape, generator=generator).double()

    x, weight, bias = whole(2, 3, *size), whole(4, 3, kernel, kernel), whole(4)
    expected = F.conv2d(x, weight, bias, padding=kernel // 2)
    assert torch.equal(conv_by_taps(x, taps_of(weight), bias), expected)


def test_a_precise_convolution_is_an_ordinary_one_in_float32_and_in_training() -> None:
    torch.manual_seed(0)
    plain, precise = nn.Conv2d(3, 4, 3, padding=1), PreciseConv(3, 4, 3)
    precise.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 5, 6)
    with torch.no_grad():
        assert torch.equal(plain(x), precise(x))
        plain, precise = plain.double(), precise.double()
        assert (plain(x.double()) - precise(x.double())).abs().max() < 1e-15
    precise(x.double()).sum().backward()
    assert precise.weight.grad is not None


def test_weights_are_laid_out_for_their_taps_without_a_second_copy() -> None:
    conv = PreciseConv(2, 3, 3).requires_grad_(False)
    before = conv.weight.clone()
    make_precise(nn.Sequential(conv))
    assert conv.weight.dtype == torch.float64
    assert torch.equal(conv.weight, before.double())
    assert taps_of(conv.weight).data_ptr() == conv.weight.data_ptr()
    duplicate = copy.deepcopy(conv).float()
    assert torch.equal(duplicate.weight, before)


def test_a_precise_convolution_follows_its_weights() -> None:
    conv = PreciseConv(2, 2, 3).double().requires_grad_(False)
    x = torch.ones(1, 2, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        first = conv(x)
        conv.weight.mul_(2)
        conv.bias.mul_(2)
        second = conv(x)
        conv.load_state_dict({name: value / 2 for name, value in conv.state_dict().items()})
        third = conv(x)
    assert torch.allclose(second, 2 * first)
    assert torch.allclose(third, first)


def test_what_is_kept_is_made_once_for_frozen_parameters_and_anew_when_they_change() -> None:
    kept: Kept[float] = Kept()
    made = []

    def make() -> float:
        made.append(float(weight.detach().sum()))
        return made[-1]

    weight = nn.Parameter(torch.ones(3), requires_grad=False)
    assert [kept.of((weight,), make) for _ in range(3)] == [3.0] * 3
    assert len(made) == 1
    weight.fill_(2)
    assert kept.of((weight,), make) == 6.0
    weight.data = weight.data.clone() * 2  # replaced, as by .to(device) and .double()
    assert kept.of((weight,), make) == 12.0
    weight = nn.Parameter(torch.zeros(3), requires_grad=False)
    assert kept.of((weight,), make) == 0.0
    weight.requires_grad_(True)
    assert kept.of((weight,), make) == 0.0
    assert len(made) == 5  # nothing is kept of what is trained


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda kept: pickle.loads(pickle.dumps(kept))])
def test_copies_keep_nothing(duplicate: object) -> None:
    kept: Kept[int] = Kept()
    weight = torch.ones(2)
    kept.of((weight,), lambda: 1)
    assert callable(duplicate)
    assert duplicate(kept).of((weight,), lambda: 2) == 2


def test_values_go_to_float64_and_back_but_are_left_alone_otherwise() -> None:
    single, double, half = nn.Linear(1, 1), nn.Linear(1, 1).double(), torch.ones(1, dtype=torch.bfloat16)
    assert seen_by(half, single) is half  # mixed precision is not ours to undo
    assert seen_by(half, double).dtype == torch.float64
    assert seen_by(half.double(), single).dtype == torch.float32


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (4, 7), (24, 16)])
def test_a_stack_keeps_its_margins_and_gives_what_its_layers_give(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    stack = PreciseStack(PreciseConv(5, 4, 3), nn.GELU(), PreciseConv(4, 6, 1), nn.GELU(), PreciseConv(6, 2, 3))
    parts = [torch.randn(2, channels, *size) for channels in (2, 3)]
    with torch.no_grad():
        in_single = stack(*parts)
        stack.double()
        in_double = stack(*(part.double() for part in parts))
    expected = nn.Sequential(*stack)(torch.cat(parts, dim=1).double())  # with gradients: torch's convolutions
    assert (in_double - expected).abs().max() < 1e-14
    assert (in_single - expected).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(4, 7), (24, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stacks_that_share_a_map_give_what_each_gives_alone(size: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    stacks = [PreciseStack(PreciseConv(5, 4, 3), nn.GELU(), PreciseConv(4, 2, 3)).to(dtype) for _ in range(2)]
    x, rest = (torch.randn(2, channels, *size, dtype=torch.float64) for channels in (2, 3))
    seen = Seen(x)
    with torch.no_grad():
        for stack in stacks:
            expected = stack(x.to(dtype), rest.to(dtype))
            assert (stack(seen.by(stack), rest.to(dtype)) - expected).abs().max() < 1e-14
        alone = PreciseStack(PreciseConv(2, 3, 3)).to(dtype)
        assert torch.equal(alone(seen.by(alone)), alone(x.to(dtype)))
