"""The network of whole numbers: the same bits however it runs, and close to the one that is trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.fixed_point import FixedPointContext, FixedPointNet, magnitudes
from regio.nn.gain import RATE_STEPS
from regio.nn.whole import nearest


def network(channels: int = 3, widths: tuple[int, ...] = (4, 5, 4), points: int = 5, out: int = 6) -> FixedPointNet:
    """Random, and large enough that all limits and both sides of the rectifier occur."""
    torch.manual_seed(5)
    net = FixedPointNet(channels, widths, torch.rand(points, out) * 40).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return net


def symbols_of(batch: int = 2, channels: int = 3, size: tuple[int, int] = (4, 5), spread: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    return torch.round(torch.randn(batch, channels, *size, generator=generator) * spread)


STEP = torch.tensor([1234, 4000])


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    net, z = network(40, (64, 64, 32), out=50), symbols_of(2, 40, (16, 16), 20)
    results = []
    for count in (1, 2, 3):
        with threads(count):
            results.append(net.exact(z, STEP))
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_memory_layout_gives_the_same_bits() -> None:
    net, z = network(40, (64, 64, 32), out=50), symbols_of(2, 40, (16, 16), 20)
    expected = net.exact(z, STEP)
    assert torch.equal(net.exact(z.to(memory_format=torch.channels_last), STEP), expected)
    assert torch.equal(net.to(memory_format=torch.channels_last).exact(z, STEP), expected)


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # torch tells it when mkldnn is switched
def test_libraries_give_the_same_bits() -> None:
    net, z = network(40, (64, 64, 32), out=50), symbols_of(2, 40, (16, 16), 20)
    expected = net.exact(z, STEP)
    with torch.backends.mkldnn.flags(enabled=False, allow_tf32=False):
        assert torch.equal(net.exact(z, STEP), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(net.exact(z, STEP), expected)


def test_a_picture_has_the_same_bits_alone_and_in_a_batch() -> None:
    net, z = network(), symbols_of()
    together = net.exact(z, STEP)
    for k in range(2):
        assert torch.equal(net.exact(z[k : k + 1], STEP[k : k + 1]), together[k : k + 1])


def test_weights_in_double_precision_give_the_same_bits() -> None:
    net, z = network(), symbols_of()
    assert torch.equal(net.double().exact(z.double(), STEP), network().exact(z, STEP))


def test_sums_in_another_order_give_the_same_bits() -> None:
    """Channels permuted, consistently: the same terms, added in another order."""
    net, z = network(40, (64, 64, 32), out=50), symbols_of(2, 40, (8, 8), 20)
    expected = net.exact(z, STEP)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    net.first.weight.copy_(net.first.weight[:, order].clone())
    assert torch.equal(net.exact(z[:, order], STEP), expected)


def around() -> FixedPointContext:
    torch.manual_seed(7)
    net = FixedPointContext(40, 24, 30, points=5).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    return net


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_what_is_said_of_neighbours_is_exact_too() -> None:
    net, seen = around(), magnitudes(symbols_of(2, 40, (12, 9), 4)).double()
    expected = net.exact(seen, STEP)
    for count in (1, 3):
        with threads(count):
            assert torch.equal(net.exact(seen, STEP), expected)
    with torch.backends.mkldnn.flags(enabled=False, allow_tf32=False):
        assert torch.equal(net.exact(seen, STEP), expected)
    assert torch.equal(net.double().exact(seen.to(memory_format=torch.channels_last), STEP), expected)


def test_what_is_said_of_neighbours_is_what_was_trained() -> None:
    net, seen = around(), magnitudes(symbols_of(2, 40, (12, 9), 4))
    trained, exact = net(seen, STEP / RATE_STEPS), net.exact(seen.double(), STEP)
    assert trained.std() > 1
    assert (trained - exact).abs().max() < 0.1


def test_magnitudes_grow_as_logarithms_in_eighths() -> None:
    symbols = torch.arange(-300.0, 301)
    found = magnitudes(symbols)
    assert torch.equal(found, torch.round(8 * torch.log2(1 + symbols.abs().clamp_max(15))) / 8)


def test_the_nearest_whole_number_takes_halves_upwards() -> None:
    assert nearest(torch.tensor([-1.5, -0.5, 0.49, 0.5, 2.5])).tolist() == [-1, 0, 0, 1, 3]


# The steps of docs/format.md, "levels by whole numbers", in Python's own integers.


def whole(values: Tensor, limit: float) -> NDArray[np.object_]:
    """floor(4096 limit(v) + 1/2), of numbers that float64 holds exactly."""
    scaled = np.clip(values.double().numpy(), -limit, limit) * 4096
    return np.vectorize(lambda v: int(np.floor(v + 0.5)), otypes=[object])(scaled)


def rate_row(points: Tensor, step: int) -> list[int]:
    table = [[round(v * 4096) for v in row] for row in points.double().tolist()]
    span = RATE_STEPS // (len(table) - 1)
    p = min(step // span, len(table) - 2)
    part = step - p * span
    return [(a * (span - part) + b * part) // span for a, b in zip(table[p], table[p + 1], strict=True)]


def convolve(x: NDArray[np.object_], conv: nn.Conv2d) -> NDArray[np.object_]:
    """x (C,h,w) of ints -> (D,h,w), without bias."""
    weight = whole(conv.weight, 8)
    reach = weight.shape[2] // 2
    padded = np.zeros((x.shape[0], x.shape[1] + 2 * reach, x.shape[2] + 2 * reach), dtype=object)
    padded[:, reach : reach + x.shape[1], reach : reach + x.shape[2]] = x
    out = np.zeros((weight.shape[0], *x.shape[1:]), dtype=object)
    for d, i, j in np.ndindex(*out.shape):
        out[d, i, j] = int((weight[d] * padded[:, i : i + weight.shape[2], j : j + weight.shape[3]]).sum())
    return out


def activate(a: NDArray[np.object_], above: int) -> NDArray[np.object_]:
    """Units of 2**-8 / above -> units of 2**-8: floor(a / above + 1/2), negative ones an eighth."""

    def one(v: int) -> int:
        divisor = above if v > 0 else 8 * above
        return min(max((2 * v + divisor) // (2 * divisor), -(2**18)), 2**18)

    return np.vectorize(one, otypes=[object])(a)


def by_integers(net: FixedPointNet, z: Tensor, step: int) -> NDArray[np.float64]:
    """z (C,h,w) -> levels."""
    x = np.vectorize(int, otypes=[object])(z.clamp(-255, 255).numpy())
    offset = whole(net.first.bias, 8) + np.array(rate_row(net.rate_first.points, step), dtype=object)
    x = activate(convolve(x, net.first) + offset[:, None, None], 16)
    for conv in net.ups:
        assert isinstance(conv, nn.Conv2d)
        wide = convolve(x, conv) + 256 * whole(conv.bias, 8)[:, None, None]
        shuffled = np.zeros((wide.shape[0] // 4, 2 * wide.shape[1], 2 * wide.shape[2]), dtype=object)
        for c, i, j in np.ndindex(shuffled.shape[0], 2, 2):
            shuffled[c, i::2, j::2] = wide[4 * c + 2 * i + j]
        x = activate(shuffled, 4096)
    offset = whole(net.last.bias, 8) + np.array(rate_row(net.rate_last.points, step), dtype=object)
    return (convolve(x, net.last) + 256 * offset[:, None, None]).astype(np.float64) / 2**17


@pytest.mark.parametrize("spread", [3.0, 3000.0])
def test_the_specification_in_integers_gives_the_same_bits(spread: float) -> None:
    net, z = network(), symbols_of(2, 3, (2, 3), spread)
    exact = net.exact(z, STEP).numpy()
    for k in range(2):
        assert (by_integers(net, z[k], int(STEP[k])) == exact[k]).all()


def context_by_integers(net: FixedPointContext, seen: NDArray[np.object_], step: int) -> NDArray[np.float64]:
    """seen (C,h,w) of eighths -> what is added."""
    assert net.rate is not None
    offset = whole(net.first.bias, 8) + np.array(rate_row(net.rate.points, step), dtype=object)
    x = activate(convolve(seen, net.first) + 8 * offset[:, None, None], 128)
    return (convolve(x, net.last) + 256 * whole(net.last.bias, 8)[:, None, None]).astype(np.float64) / 2**17


def test_the_specification_of_context_in_integers_gives_the_same_bits() -> None:
    table = (0, 8, 13, 16, 19, 21, 22, 24, 25, 27, 28, 29, 30, 30, 31, 32)
    symbols = symbols_of(2, 40, (2, 3), 8.0)
    net = around()
    exact = net.exact(magnitudes(symbols).double(), STEP).numpy()
    eighths = np.vectorize(lambda v: table[min(abs(int(v)), 15)], otypes=[object])(symbols.numpy())
    for k in range(2):
        assert (context_by_integers(net, eighths[k], int(STEP[k])) == exact[k]).all()


def test_levels_are_whole_multiples_of_their_unit_even_at_the_limits() -> None:
    net = network()
    for parameter in net.parameters():
        parameter.mul_(1000)
    levels = net.exact(symbols_of(spread=1e6), STEP)
    assert torch.equal(levels * 2**17, torch.round(levels * 2**17))
    assert levels.abs().max() < 2**33


def error_bound(net: FixedPointNet, z: Tensor) -> float:
    """How far apart the trained and the exact network may be, from their weights and the size of the input.

    A weight is off by 2**-13 at most, an activation by 2**-9 and by what came before times the weights' sum.
    """
    half, size, error = 2.0**-13, float(z.abs().max()), 0.0
    for conv in (net.first, *net.ups, net.last):
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        fan_in = conv.weight[0].numel()
        gain = float(conv.weight.abs().sum(dim=(1, 2, 3)).max()) + fan_in * half
        error = (
            gain * error + fan_in * size * half + 2 * 2 * half + 2.0**-9
        )  # bias and rate, each rounded, then floored
        size = gain * size + float(conv.bias.abs().max()) + 40
    return 8 * error


def test_the_trained_network_is_close_to_the_exact_one() -> None:
    torch.manual_seed(1)
    net = FixedPointNet(8, (8, 8, 8), torch.rand(9, 12) * 40).eval().requires_grad_(False)
    z = symbols_of(2, 8, (4, 5))
    difference = (net(z, STEP / RATE_STEPS) - net.exact(z, STEP)).abs().max()
    assert difference <= error_bound(net, z)
    assert difference <= 0.05  # of a level, at the weights that training begins with: a tenth of a percent of the bits


def test_gradients_reach_every_weight() -> None:
    net = FixedPointNet(3, (4, 4), torch.zeros(3, 2))
    net(symbols_of(), torch.tensor([0.1, 0.9])).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_too_many_channels_for_exact_sums_are_refused() -> None:
    with pytest.raises(ValueError, match="too many channels"):
        FixedPointNet(2**17, (1, 1), torch.zeros(2, 1))


def test_training_and_coding_start_from_the_levels_given() -> None:
    start = torch.tensor([[5.0, 10.0], [20.0, 30.0]])
    net = FixedPointNet(3, (4, 4), start)
    for parameter in (*net.last.parameters(), *net.ups.parameters()):
        nn.init.zeros_(parameter)
    z = symbols_of()
    assert torch.allclose(net(z, torch.tensor([0.0, 1.0]))[:, :, 0, 0], start)
    middle = net.exact(z, torch.tensor([2000, 2000]))[:, :, 0, 0]
    assert torch.allclose(
        middle, F.interpolate(start.T[None], size=3, align_corners=True, mode="linear")[0, :, 1].double()
    )


def test_rounded_weights_follow_the_weights_they_are_made_of() -> None:
    """They are kept between calls; a change of any kind must not leave the old ones in use."""
    net, step = around(), torch.tensor([1500])
    seen = torch.arange(net.first.in_channels * 12).view(1, -1, 3, 4).double() / 8
    first = net.exact(seen, step)
    assert torch.equal(net.exact(seen, step), first)
    net.load_state_dict({name: value + 0.25 for name, value in net.state_dict().items()})
    fresh = around()
    for mine, theirs in zip(fresh.parameters(), net.parameters(), strict=True):
        mine.copy_(theirs)
    second = net.exact(seen, step)
    assert not torch.equal(second, first)
    assert torch.equal(second, fresh.exact(seen, step))
