"""Four passes over the latent, three over the hyper-latent: what each may see, and that both sides agree."""

import pytest
import torch
from torch import Tensor

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.models import SegPIC, SegPICConfig
from regio.models.whole_context import PASSES, Quadtree, QuadtreeContext, WholeHyper, gather, scatter
from regio.nn.norm import LATENT_LIMIT
from regio.nn.regional import GridRegions

WHERE = GridRegions(2)
SIDE, LATENT = 5, 8


def net_of(preset: str = "toy-2", spread: float = 0.1) -> SegPIC:
    torch.manual_seed(2)
    net = SegPIC(SegPICConfig.preset(preset)).eval().requires_grad_(False)
    for parameter in net.parameters():
        if parameter.dim() == 4:
            parameter.add_(torch.randn_like(parameter) * spread)
    return net


def picture(height: int = 64, width: int = 128) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


class Watcher(RateEstimator):
    """Notes means and levels as they are asked for."""

    def __init__(self) -> None:
        super().__init__(noisy=False)
        self.asked: list[tuple[Tensor, Tensor]] = []

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        self.asked.append((mean, level))
        return super().gaussian(stream, values, mean, level, guard)


def test_the_four_passes_code_each_latent_once() -> None:
    y = torch.randn(2, LATENT, 4, 6)
    assert torch.equal(sum(scatter(gather(y, t), t) for t in range(PASSES)), y)
    taken = [scatter(torch.ones(1, LATENT, 2, 3), t) for t in range(PASSES)]
    assert torch.equal(sum(taken), torch.ones(1, LATENT, 4, 6))
    first = taken[0][0, :: LATENT // PASSES, :2, :2].flatten(1)  # one channel of each group
    assert first.argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_a_pass_sees_those_before_it_and_none_after() -> None:
    torch.manual_seed(3)
    context = QuadtreeContext(SIDE, LATENT, Quadtree(hidden=6, level_hidden=4)).requires_grad_(False)
    for parameter in context.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.3)
    side, level, y = torch.randn(1, SIDE, 4, 4), torch.full((1, LATENT, 4, 4), 20.0), torch.randn(1, LATENT, 4, 4) * 5
    changed = y + scatter(torch.full((1, LATENT, 2, 2), 9.0), 1)  # what the second pass codes
    before, after = Watcher(), Watcher()
    context(y, side, level, before)
    context(changed, side, level, after)
    same = [torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(before.asked, after.asked, strict=True)]
    assert same == [True, True, False, False]


@pytest.mark.parametrize("rate", [0.0, 0.37, 1.0])
def test_what_is_written_is_read_and_costs_what_was_estimated(rate: float) -> None:
    net, x = net_of(), picture()
    rates, size = torch.tensor([rate]), net.latent_size(x)
    tables = TableSet({stream: prior.tables() for stream, prior in net.priors().items()})
    latents, writer, estimate = net.analyse(x, WHERE), StreamWriter(tables), RateEstimator(noisy=False)
    sent = net.code(latents, writer, WHERE, rates, size)
    net.code(latents, estimate, WHERE, rates, size)
    (written,) = writer.finish()
    reader = StreamReader(tables, [written.payload])
    received = net.code(None, reader, WHERE, rates, size)
    assert reader.finish() == [written.symbol_crc]
    assert torch.equal(received.y_hat, sent.y_hat)
    bits = sum(float(one.sum()) for one in estimate.bits.values())
    # 0.5 % for tables; an outlier costs 30 bits in the estimate and less in a file, and random weights make many
    assert 0.85 * bits / 8 < len(written.payload) <= 1.005 * bits / 8 + 4


def test_a_rate_map_of_equal_rates_is_the_rate() -> None:
    net, x = net_of(), picture(128, 128)
    size, latents = net.latent_size(x), net.analyse(x, WHERE)
    one, two = RateEstimator(noisy=False), RateEstimator(noisy=False)
    a = net.code(latents, one, WHERE, torch.tensor([0.4]), size)
    b = net.code(latents, two, WHERE, torch.full((1, 1, 4, 4), 0.4), size)
    assert torch.equal(a.y_hat, b.y_hat)
    assert torch.equal(one.bits["y"], two.bits["y"])


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5)])
def test_hyper_latents_of_any_size_are_coded(size: tuple[int, int]) -> None:
    torch.manual_seed(4)
    hyper = WholeHyper(3, 6, 5).requires_grad_(False)
    z = torch.randn(1, 3, *size) * 4
    coded = hyper(z, torch.tensor([0.5]), RateEstimator(noisy=False), size)
    assert float((coded - z).abs().max()) <= 0.5
    eighths = coded * 8
    assert torch.equal(eighths, eighths.round())


@pytest.mark.parametrize("colour", [(1.0, 0.0, 1.0), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0), (0.0, 0.0, 0.0)])
def test_no_picture_makes_latents_run_away(colour: tuple[float, float, float]) -> None:
    """Whatever networks say, a decoded latent is within half a coded unit and half of what is refined."""
    net = net_of(spread=3.0)  # wild
    x = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    watcher = Watcher()
    decoded = net.code(net.analyse(x, WHERE), watcher, WHERE, torch.tensor([1.0]), net.latent_size(x))
    assert bool(decoded.y_hat.isfinite().all())
    assert all(float(mean.abs().max()) <= LATENT_LIMIT for mean, _ in watcher.asked)


def test_filters_at_half_resolution_see_across_the_borders_of_blocks() -> None:
    net = net_of()
    head = net.g_s1.head
    assert head is not None
    x, base = torch.zeros(1, 192, 4, 4), torch.zeros(1, 3, 32, 32)
    changed = base.clone()
    changed[..., 15, 15] = 1.0  # the last pixel of a block of 16
    moved = (head(x, changed) - head(x, base))[0].abs().sum(0) > 0
    assert bool(moved[16:, :16].any())
    assert bool(moved[:16, 16:].any())
    rows = moved.any(1).nonzero()[:, 0]
    assert int(rows.max() - rows.min()) < 16  # and not further than its halo


def test_fresh_filters_and_widths_change_nothing() -> None:
    torch.manual_seed(2)
    net = SegPIC(SegPICConfig.preset("toy-2")).eval().requires_grad_(False)
    assert net.step_widths is not None
    assert net.g_s1.head is not None
    assert float(net.g_s1.head(torch.randn(1, 192, 4, 4), torch.randn(1, 3, 32, 32)).abs().max()) == 0
    assert float(net.step_widths(torch.randn(1, 12, 4, 4)).abs().max()) == 0


def test_steps_are_widened_on_both_sides_alike() -> None:
    """A wider step codes coarser: the error grows, and stays within half of the step and half of what is refined."""
    net, x = net_of(spread=0.0), picture()
    size, latents, rate = net.latent_size(x), net.analyse(x, WHERE), torch.tensor([0.5])
    errors = []
    for bias in (-3.0, 0.0, 3.0):
        assert net.step_widths is not None
        assert net.step_widths.bias is not None
        net.step_widths.bias.fill_(bias)
        decoded = net.code(latents, RateEstimator(noisy=False), WHERE, rate, size)
        errors.append(float((decoded.y_hat - latents.y).abs().mean()))
    assert errors[0] < errors[1] < errors[2]
