"""SegPIC: one walk for estimating, writing and reading; configurations."""

from dataclasses import replace

import pytest
import torch
from toy_codec import paper_net, toy_net

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet, Written
from regio.models.base import Decoded
from regio.models.hyperprior import ExactScales
from regio.models.segpic import PRESETS, SegPIC, SegPICConfig
from regio.nn.regional import GridRegions, LabelRegions

STREAMS = ("prototypes_shallow", "prototypes_deep", "z", "y")  # in the order in which a file holds them
MODELS = {"toy": toy_net, "paper": paper_net}
PICTURES = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(4))


def rate_of(net: SegPIC, *rates: float) -> torch.Tensor | None:
    return None if net.gain is None else torch.tensor(rates)


def tables_of(net: SegPIC) -> TableSet:
    return TableSet({stream: prior.tables() for stream, prior in net.priors().items()})


@torch.no_grad()
def write(net: SegPIC, x: torch.Tensor, grid: int, rate: torch.Tensor | None) -> tuple[Decoded, list[Written]]:
    where, writer = GridRegions(grid), StreamWriter(tables_of(net), len(x))
    decoded = net.code(net.analyse(x, where), writer, where, rate, net.latent_size(x))
    return decoded, writer.finish()


@torch.no_grad()
def read(net: SegPIC, payloads: list[bytes], grid: int, rate: torch.Tensor | None) -> tuple[Decoded, list[int]]:
    reader = StreamReader(tables_of(net), payloads)
    decoded = net.code(None, reader, GridRegions(grid), rate, (4, 8))
    return decoded, reader.finish()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("grid", [1, 3, 16])
def test_reading_gives_the_latents_that_writing_returned(model: str, grid: int) -> None:
    net = MODELS[model]()
    rate = rate_of(net, 0.1, 0.8)
    sent, written = write(net, PICTURES, grid, rate)
    received, checksums = read(net, [w.payload for w in written], grid, rate)
    assert torch.equal(received.y_hat, sent.y_hat)
    assert sent.shallow is not None
    assert received.shallow is not None
    assert torch.equal(received.shallow, sent.shallow)
    assert checksums == [w.symbol_crc for w in written]


@pytest.mark.parametrize("model", MODELS)
def test_files_written_alone_are_read_in_a_batch(model: str) -> None:
    net = MODELS[model]()
    alone = [write(net, x[None], 2, rate_of(net, 0.5))[1][0] for x in PICTURES]
    _, checksums = read(net, [w.payload for w in alone], 2, rate_of(net, 0.5, 0.5))
    assert checksums == [w.symbol_crc for w in alone]


@pytest.mark.parametrize("model", MODELS)
def test_bytes_are_those_that_evaluation_estimates(model: str) -> None:
    net = MODELS[model]()
    rate = rate_of(net, 0.5, 0.5)
    with torch.no_grad():
        estimated = net(PICTURES, grid=2, rate=rate).bits
    for k, written in enumerate(write(net, PICTURES, 2, rate)[1]):
        # untrained, many symbols are outliers, which cost less as escapes than their floored likelihoods say
        assert len(written.payload) <= 1.005 * sum(float(bits[k]) for bits in estimated.values()) / 8 + 16


def test_streams_are_walked_in_the_order_of_the_format() -> None:
    for net in (toy_net(), paper_net()):
        coder = RateEstimator(noisy=False)
        where = GridRegions(2)
        with torch.no_grad():
            net.code(net.analyse(PICTURES, where), coder, where, rate_of(net, 0.5, 0.5), (4, 8))
        assert tuple(coder.bits) == STREAMS
        assert set(net.priors()) == set(STREAMS) - ({"y"} if net.z_context is None else {"y", "z"})


@pytest.mark.parametrize("model", MODELS)
def test_a_grid_of_labels_costs_what_the_grid_does(model: str) -> None:
    net = MODELS[model]()
    rows, columns = torch.arange(64)[:, None] // 32, torch.arange(128)[None] // 64
    labels = (2 * rows + columns).expand(2, -1, -1).contiguous()
    with torch.no_grad():
        by_grid, by_labels = net(PICTURES, grid=2), net(PICTURES, regions=labels)
    # pooling divides by the pixel count plus 0.0005 in the one case: a symbol in thousands may tip over
    assert torch.allclose(by_grid.x_hat, by_labels.x_hat, atol=0.05)
    for stream in STREAMS:
        assert torch.allclose(by_grid.bits[stream], by_labels.bits[stream], rtol=0.02)


def test_regions_that_are_not_there_are_free() -> None:
    net = toy_net()
    labels = torch.zeros(2, 64, 128, dtype=torch.int64)
    labels[1, :, 64:] = 1
    with torch.no_grad():
        one = net(PICTURES[:1], regions=labels[:1])
        both = net(PICTURES, regions=labels)
    for stream in ("prototypes_shallow", "prototypes_deep"):
        assert torch.allclose(both.bits[stream][:1], one.bits[stream], atol=1e-3)


def test_a_higher_rate_takes_more_bits() -> None:
    net = toy_net()
    with torch.no_grad():
        totals = [
            float(sum(bits.sum() for bits in net(PICTURES, rate=torch.full((2,), rate)).bits.values()))
            for rate in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
    assert totals == sorted(totals)
    assert totals[-1] > 1.1 * totals[0]


def test_the_middle_rate_is_the_default() -> None:
    net = toy_net()
    with torch.no_grad():
        assert torch.equal(net(PICTURES).x_hat, net(PICTURES, rate=torch.tensor([0.5, 0.5])).x_hat)


def test_the_analysis_does_not_depend_on_the_rate() -> None:
    """A search for a rate runs it once."""
    net = toy_net()
    where = GridRegions(2)
    with torch.no_grad():
        latents = net.analyse(PICTURES, where)
        before = [part.clone() for part in latents if part is not None]
        net.code(latents, RateEstimator(noisy=False), where, torch.tensor([0.0, 1.0]), (4, 8))
    after = [part for part in latents if part is not None]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_levels_of_files_are_exact_and_close_to_those_of_training() -> None:
    net = toy_net()
    z = torch.round(torch.randn(1, 8, 2, 2) * 3)
    rate = torch.tensor([0.3])
    exact = net.levels.exact(z, torch.tensor([1200]))
    assert exact.dtype == torch.float64
    assert (exact - net.levels(z, rate)).abs().max() < 0.02  # of a level


def test_noise_comes_with_training_only() -> None:
    net = toy_net()
    with torch.no_grad():
        quiet = [net(PICTURES).bits["y"] for _ in range(2)]
        net.train()
        noisy = [net(PICTURES).bits["y"] for _ in range(2)]
    assert torch.equal(*quiet)
    assert not torch.equal(*noisy)


def test_a_training_step_reaches_every_parameter_of_ours() -> None:
    net = toy_net().train().requires_grad_(True)
    out = net(PICTURES, regions=torch.randint(0, 4, (2, 64, 128)), rate=torch.tensor([0.13, 0.9]))
    (out.x_hat.square().mean() + sum(bits.sum() for bits in out.bits.values())).backward()
    missing = [k for k, p in net.named_parameters() if p.grad is None and not k.endswith("quantiles")]
    assert missing == []


def test_present_regions_of_a_label_map_follow_the_picture() -> None:
    labels = torch.zeros(2, 64, 64, dtype=torch.int64)
    labels[1, 32:] = 2
    assert LabelRegions(labels).present((4, 4)).tolist() == [[[True], [False], [False]], [[True], [True], [True]]]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_being_stored(name: str) -> None:
    config = SegPICConfig.preset(name)
    assert SegPICConfig.from_dict(config.as_dict()) == config


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="segpic-xs"):
        SegPICConfig.preset("segpic-xxl")


def test_contradictory_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="does not split"):
        replace(PRESETS["charm"], latent=13)
    with pytest.raises(ValueError, match="do not make up"):
        replace(PRESETS["toy"], latent=13)
    with pytest.raises(ValueError, match="replaces slices"):
        replace(PRESETS["toy"], slices=3)
    with pytest.raises(ValueError, match="need rate_points"):
        replace(PRESETS["segpic"], exact_scales=ExactScales(widths=(4, 4, 4)))
    with pytest.raises(ValueError, match="one rate"):
        SegPIC(replace(PRESETS["segpic"], rate_points=3))
    with pytest.raises(ValueError, match="192 channels"):
        SegPIC(replace(PRESETS["toy"], shallow=64))


def test_a_rate_map_of_one_value_is_that_rate() -> None:
    torch.manual_seed(0)
    net = SegPIC(SegPICConfig.preset("toy")).eval()
    x = torch.rand(1, 3, 2 * net.multiple, net.multiple)
    one, many = net(x, rate=torch.tensor([0.3])), net(x, rate=torch.full((1, 1, 2, 1), 0.3))
    torch.testing.assert_close(one.x_hat, many.x_hat, rtol=0, atol=1e-6)
    torch.testing.assert_close(one.bits["y"], many.bits["y"], rtol=1e-5, atol=0)


def test_more_rate_in_one_half_brings_that_half_more_bits() -> None:
    torch.manual_seed(0)
    net = SegPIC(SegPICConfig.preset("toy")).eval().requires_grad_(False)
    side = 2 * net.multiple
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    x = (0.5 + 0.3 * torch.sin(rows / 5.0 + columns / 7.0)).expand(1, 3, side, side)
    rates = torch.full((1, 1, 2, 2), 0.1)
    flat = net(x, rate=rates)
    rates[..., :1] = 0.9
    varied = net(x, rate=rates)
    assert varied.bits["y"] > flat.bits["y"]
    error = (varied.x_hat - x).square().mean(dim=(0, 1, 2))
    assert error[: net.multiple].mean() < error[net.multiple :].mean()
