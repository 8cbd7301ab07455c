"""Networks of whole numbers: exact in float32, in any order of summation."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from regio.nn.whole import (
    FAN_IN_LIMIT,
    HIDDEN_LIMIT,
    HIDDEN_UNIT,
    INPUT_LIMIT,
    INPUT_UNIT,
    OUTPUT_SCALE,
    OUTPUT_UNIT,
    WholeContext,
    WholeConv,
    WholeNet,
    nearest,
    whole_filters,
    whole_input,
    whole_weights,
)

EXACT = 2**24  # whole numbers up to here are float32 numbers


def network(channels: int = 40, widths: tuple[int, ...] = (64, 64), out: int = 50) -> WholeNet:
    """Random, and large enough that all limits occur."""
    torch.manual_seed(5)
    net = WholeNet(channels, widths, torch.rand(9, out) * 40).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.2)
    return net


def symbols(channels: int = 40, spread: float = 9.0) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    return whole_input(torch.randn(2, channels, 12, 16, generator=generator) * spread)


RATE = torch.tensor([0.1234, 1.0])


@pytest.mark.parametrize("spread", [1e-8, 1e-3, 0.05, 1.0, 30.0, 1e6])
@pytest.mark.parametrize("fan_in", [1, 9 * 64, 9 * 640, FAN_IN_LIMIT])
def test_no_sum_of_a_filter_leaves_what_float32_holds(spread: float, fan_in: int) -> None:
    generator = torch.Generator().manual_seed(fan_in)
    weight = torch.randn(7, fan_in, 1, 1, generator=generator) * spread
    weight[0] = spread  # all alike: the largest sum
    bias = torch.randn(7, generator=generator) * spread * 1e4
    for unit, limit in ((INPUT_UNIT, INPUT_LIMIT), (HIDDEN_UNIT, HIDDEN_LIMIT)):
        whole = whole_filters(weight, bias, unit)
        assert torch.equal(whole.weight, whole.weight.round())
        assert torch.equal(whole.bias, whole.bias.round())
        assert float(whole.weight.abs().max()) <= 127
        sums = whole.weight.double().abs().sum(dim=(1, 2, 3)) * limit + whole.bias.double().abs()
        assert float(sums.max()) < EXACT


def test_rounding_is_fine_where_weights_are_small() -> None:
    """Each filter has its own power of two, so a filter of small weights keeps seven bits of them."""
    weight = torch.randn(4, 16, 3, 3) * torch.tensor([1e-3, 0.01, 0.3, 5.0])[:, None, None, None]
    rounded, _ = whole_weights(weight, torch.zeros(4), INPUT_UNIT)
    error = (rounded - weight).abs().amax(dim=(1, 2, 3)) / weight.abs().amax(dim=(1, 2, 3))
    assert float(error.max()) <= 1 / 127


def test_float32_gives_what_float64_gives() -> None:
    net, z = network(), symbols()
    expected = _in_double(net)(z, RATE)
    assert expected.dtype == torch.float64
    assert torch.equal(net(z, RATE).double(), expected)


def _in_double(net: WholeNet) -> WholeNet:
    other = WholeNet(40, (64, 64), torch.zeros(9, 50)).double().eval().requires_grad_(False)
    other.load_state_dict(net.state_dict())

    class Double(WholeNet):
        def forward(self, z: Tensor, rate: Tensor) -> Tensor:
            x = self.first(z.double()) + self.rate_first(rate)
            x = nearest(x / HIDDEN_UNIT).clamp(0, HIDDEN_LIMIT) * HIDDEN_UNIT
            for conv in self.ups:
                x = F.pixel_shuffle(conv(x), 2)
                x = nearest(x / HIDDEN_UNIT).clamp(0, HIDDEN_LIMIT) * HIDDEN_UNIT
            return (
                nearest(self.last(x) / OUTPUT_UNIT) * (OUTPUT_UNIT * OUTPUT_SCALE)
                + self.rate_last(rate).double() * OUTPUT_SCALE
            )

    other.__class__ = Double
    return other


def test_training_computes_what_files_compute() -> None:
    """One arithmetic: with gradients it is a convolution, without them products of matrices."""
    net, z = network(), symbols()
    plain = net(z, RATE)
    net.requires_grad_(True)
    trained = net(z, RATE)
    assert torch.equal(plain, trained.detach())
    trained.sum().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_layouts_change_nothing(threads: int) -> None:
    net, z = network(), symbols()
    expected = net(z, RATE)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert torch.equal(net(z, RATE), expected)
        assert torch.equal(net(z.to(memory_format=torch.channels_last), RATE), expected)
        assert torch.equal(torch.cat([net(one[None], rate[None]) for one, rate in zip(z, RATE, strict=True)]), expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_the_precision_of_matrix_products_changes_nothing(precision: str) -> None:
    net, z = network(), symbols()
    expected = net(z, RATE)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        assert torch.equal(net(z, RATE), expected)
    finally:
        torch.set_float32_matmul_precision(before)


def test_inputs_of_bfloat16_lose_nothing() -> None:
    """8 bits of a number are all that weights and activations have."""
    conv = WholeConv(30, 20, 3, HIDDEN_UNIT).requires_grad_(False)
    weight, _ = whole_weights(conv.weight * 9, conv.bias * 9, HIDDEN_UNIT)
    activation = torch.arange(HIDDEN_LIMIT + 1) * HIDDEN_UNIT
    assert torch.equal(weight.bfloat16().float(), weight)
    assert torch.equal(activation.bfloat16().float(), activation)
    values = whole_input(torch.randn(99) * 20)
    assert torch.equal(values.bfloat16().float(), values)


def test_a_context_starts_as_zero_and_says_levels_in_eighths() -> None:
    context = WholeContext(6, 8, 4, reduce=True).requires_grad_(False)
    seen = whole_input(torch.rand(1, 6, 5, 5) * 4)
    assert float(context(seen).abs().max()) == 0
    torch.nn.init.normal_(context.last.weight)
    eighths = context(seen) * 8
    assert float(eighths.abs().max()) > 0
    assert torch.equal(eighths, eighths.round())


def test_too_many_channels_for_exact_sums_are_refused() -> None:
    with pytest.raises(ValueError, match="1000 channels by 3x3 are too many"):
        WholeConv(1000, 1, 3, INPUT_UNIT)
