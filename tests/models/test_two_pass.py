"""Context in two passes: what each pass may see, and that what it says of scales is exact."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from toy_codec import toy_net

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.models.segpic import SegPIC
from regio.models.two_pass import HyperContext, TwoPass, TwoPassContext
from regio.nn.gain import rate_step

NUMBERS = TwoPass(slices=(2, 4), hidden=6, level_hidden=4)
SIDE = 5


def context(seed: int = 0) -> TwoPassContext:
    torch.manual_seed(seed)
    net = TwoPassContext(SIDE, NUMBERS).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.1)
    return net


def hyper(channels: int = 3, seed: int = 0) -> HyperContext:
    torch.manual_seed(seed)
    net = HyperContext(channels, 6, 5).eval().requires_grad_(False)
    for parameter in net.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    return net


class Watcher(RateEstimator):
    """Notes means and levels as they are asked for."""

    def __init__(self, exact: bool = False) -> None:
        super().__init__(noisy=False, exact=exact)
        self.asked: list[tuple[Tensor, Tensor]] = []

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        self.asked.append((mean, level))
        return super().gaussian(stream, values, mean, level, guard)


def asked(net: TwoPassContext, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    side, level = torch.randn(1, SIDE, *y.shape[2:]), torch.rand(1, 6, *y.shape[2:]) * 20
    watcher = Watcher()
    net(y, side, level, watcher)
    return watcher.asked


def test_anchors_change_what_is_expected_beside_them_and_nothing_before() -> None:
    net, y = context(), torch.randn(1, 6, 4, 6) * 3
    changed = y.clone()
    changed[0, :2, 1, 1] += 9  # row + column even: an anchor of the first slice
    before, after = asked(net, y), asked(net, changed)
    assert torch.equal(before[0][0], after[0][0])
    assert torch.equal(before[0][1], after[0][1])
    mean, level = (was != now for was, now in zip(before[1], after[1], strict=True))
    # packed: row 0 holds columns 1, 3, 5; row 1 columns 0, 2, 4; row 2 columns 1, 3, 5
    assert mean[0, :, 0, 0].all()
    assert mean[0, :, 1, :2].all()
    assert mean[0, :, 2, 0].all()
    assert not mean[0, :, 3].any()
    assert not mean[0, :, :, 2].any()
    assert level[0, :, 1, :2].any()
    assert not level[0, :, 3].any()


def test_others_of_a_slice_are_not_seen_by_their_own_pass() -> None:
    net, y = context(), torch.randn(1, 6, 4, 6) * 3
    changed = y.clone()
    changed[0, 0, 0, 1] += 9  # row + column odd
    before, after = asked(net, y), asked(net, changed)
    for was, now in zip(before[:2], after[:2], strict=True):
        assert torch.equal(was[0], now[0])
        assert torch.equal(was[1], now[1])
    assert not torch.equal(before[2][0], after[2][0])  # the next slice sees it


@contextmanager
def threads(count: int) -> Iterator[None]:
    was = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(was)


def drifted(net: SegPIC) -> SegPIC:
    """The same weights on another machine: all that is not exact is off in its last bits."""
    other = toy_net()
    generator = torch.Generator().manual_seed(9)
    assert isinstance(other.context, TwoPassContext)
    for code in other.context.slices:
        for name, parameter in code.named_parameters():
            if not name.startswith("level"):
                parameter.mul_(1 + 1e-6 * torch.randn(parameter.shape, generator=generator))
    return other


def test_levels_do_not_feel_means_that_drift() -> None:
    net = toy_net()
    tables = TableSet({stream: prior.tables() for stream, prior in net.priors().items()})
    x = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    from regio.nn.regional import GridRegions

    where, rate, size = GridRegions(2), torch.tensor([0.7]), net.latent_size(x)
    with torch.no_grad():
        writer = StreamWriter(tables)
        written = net.code(net.analyse(x, where), writer, where, rate, size)
        (file,) = writer.finish()
        with threads(1):
            reader = StreamReader(tables, [file.payload])
            read = drifted(net).code(None, reader, where, rate, size)
    assert reader.finish() == [file.symbol_crc]
    torch.testing.assert_close(read.y_hat, written.y_hat, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (4, 5)])
def test_the_hyper_latent_comes_back_in_eighths_at_any_size(size: tuple[int, int]) -> None:
    net, rate = hyper(), torch.tensor([0.3])
    z = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3)) * 5
    writer = StreamWriter(TableSet({}))
    written = net(z, rate, writer, size)
    (file,) = writer.finish()
    reader = StreamReader(TableSet({}), [file.payload])
    assert torch.equal(net(None, rate, reader, size), written)
    assert torch.equal(written * 8, torch.round(written * 8))
    assert (written - z * torch.exp2(net.log_gain(rate))).abs().max() <= 0.5 + 1e-6
    undone = net.unscale_exact(written, rate_step(rate))
    assert torch.equal(undone * 256, torch.round(undone * 256))
    torch.testing.assert_close(undone.float(), net.unscale(written, rate), rtol=0, atol=float(written.abs().max()) / 32)


def test_hyper_levels_of_files_are_close_to_those_of_training() -> None:
    net, rate, z = hyper(), torch.tensor([0.3]), torch.randn(1, 3, 4, 6) * 5
    watcher = Watcher()
    net(z, rate, watcher, (4, 6))
    exact = net.first.exact(rate_step(rate), 2.0**-12) * 8
    torch.testing.assert_close(watcher.asked[0][1][0, :, 0, 0], exact[0, 3:, 0, 0].float(), rtol=0, atol=0.02)


def test_a_rate_map_is_followed_by_the_hyper_latent_too() -> None:
    net, z = hyper(), torch.randn(1, 3, 2, 4) * 5
    rates = torch.tensor([0.1, 0.1, 0.9, 0.9]).expand(1, 1, 2, 4)
    watcher, low, high = Watcher(), Watcher(), Watcher()
    net(z, rates, watcher, (2, 4))
    net(z, torch.tensor([0.1]), low, (2, 4))
    net(z, torch.tensor([0.9]), high, (2, 4))
    first = watcher.asked[0][1]  # positions (0, 0) and (0, 2)
    assert torch.equal(first[..., 0], low.asked[0][1][..., 0])
    assert torch.equal(first[..., 1], high.asked[0][1][..., 1])


def test_an_exact_estimate_asks_for_the_levels_of_files() -> None:
    net = hyper()
    z, rate = torch.randn(1, 3, 4, 6, generator=torch.Generator().manual_seed(8)) * 5, torch.tensor([0.3])
    smooth, exact = Watcher(), Watcher(exact=True)
    decoded = [net(z, rate, watcher, (4, 6)) for watcher in (smooth, exact)]
    written = net(z, rate, StreamWriter(TableSet({})), (4, 6))
    assert torch.equal(decoded[1], written)
    for (_, trained), (_, files) in zip(smooth.asked, exact.asked, strict=True):
        assert files.dtype == torch.float64
        torch.testing.assert_close(trained, files.float(), rtol=0, atol=0.05)
