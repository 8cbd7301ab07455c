"""Slices of a latent: who sees whom, and what the coder is asked to code."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from regio.entropy.tables import SCALE_MIN
from regio.models.context import ChannelContext, context_net, to_level


class Call(NamedTuple):
    values: Tensor | None
    mean: Tensor
    level: Tensor
    guard: float


class Recorder:
    """A coder that hands back rounded residuals, or, with nothing to code, zeros."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        assert stream == "y"
        self.calls.append(Call(values, mean, level, guard))
        return mean if values is None else torch.round(values - mean) + mean

    def factorized(self, *arguments: object) -> Tensor:
        raise AssertionError("a context codes Gaussian parts only")


def context(context_scales: bool, zero_init: bool = False) -> ChannelContext:
    torch.manual_seed(2)
    return ChannelContext(
        12,
        5,
        slices=4,
        support=2,
        widths=(6,),
        first_kernel=3,
        guard=1e-3 if context_scales else None,
        zero_init=zero_init,
    ).eval()


def run(net: ChannelContext, y: Tensor | None, sides: tuple[Tensor, Tensor]) -> tuple[Tensor, list[Call]]:
    coder = Recorder()
    with torch.no_grad():
        return net(y, *sides, coder), coder.calls


SIDES = (torch.randn(2, 5, 3, 4), torch.randn(2, 5, 3, 4))
Y = torch.randn(2, 12, 3, 4) * 5


def test_slices_are_coded_in_order_each_with_its_channels_of_the_latent() -> None:
    y_hat, calls = run(context(True), Y, SIDES)
    assert y_hat.shape == Y.shape
    assert len(calls) == 4
    for k, call in enumerate(calls):
        assert call.values is not None
        assert torch.equal(call.values, Y[:, 3 * k : 3 * k + 3])
        assert call.mean.shape == call.level.shape == (2, 3, 3, 4)
        assert call.guard == 1e-3


@pytest.mark.parametrize("changed", [0, 1, 2, 3])
def test_a_slice_sees_the_first_two_slices_before_it_and_no_other(changed: int) -> None:
    other = Y.clone()
    other[:, 3 * changed : 3 * changed + 3] += 7
    (_, calls), (_, changed_calls) = run(context(True), Y, SIDES), run(context(True), other, SIDES)
    for k, (call, changed_call) in enumerate(zip(calls, changed_calls, strict=True)):
        sees = changed < k and changed < 2
        assert torch.equal(call.mean, changed_call.mean) == (not sees)
        assert torch.equal(call.level, changed_call.level) == (not sees)


def test_levels_from_the_hyper_latent_are_handed_on_untouched() -> None:
    levels = torch.rand(2, 12, 3, 4, dtype=torch.float64) * 60
    _, calls = run(context(False), Y, (SIDES[0], levels))
    assert torch.equal(torch.cat([call.level for call in calls], dim=1), levels)


def test_decoding_predicts_from_what_it_decoded() -> None:
    y_hat, calls = run(context(True), None, SIDES)
    assert all(call.values is None for call in calls)
    assert (y_hat - torch.cat([call.mean for call in calls], dim=1)).abs().max() <= 0.5  # 0.5 tanh(...)


def test_a_fresh_context_of_ours_predicts_nothing() -> None:
    y_hat, calls = run(context(False, zero_init=True), Y, (SIDES[0], Y))
    assert all(not call.mean.any() for call in calls)
    assert torch.equal(y_hat, torch.round(Y))


def test_scales_below_the_least_table_count_as_it() -> None:
    assert to_level(torch.tensor([-1.0, 0.0, SCALE_MIN])).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert to_level(torch.tensor([256.0], dtype=torch.float64)).tolist() == pytest.approx([63])
    assert to_level(torch.tensor([1.0]).half()).dtype == torch.float32  # never less: a level must be good to 1e-4


def test_the_first_convolution_may_be_a_point() -> None:
    kernels = [layer.kernel_size for layer in context_net(3, (4, 5), 6, first_kernel=1)[::2]]
    assert kernels == [(1, 1), (3, 3), (3, 3)]
