"""The hyperprior that all models share."""

import pytest
import torch

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.models import MCM, MCMConfig, RoiCodec, RoiCodecConfig, SegPIC, SegPICConfig
from regio.models.base import Network
from regio.models.hyperprior import WithHyperprior
from regio.nn.fixed_point import FixedPointNet
from regio.nn.norm import LATENT_LIMIT
from regio.nn.regional import GridRegions

WHERE = GridRegions(1)


def networks() -> list[Network]:
    torch.manual_seed(3)
    made: list[Network] = [
        SegPIC(SegPICConfig.preset("toy")),
        RoiCodec(RoiCodecConfig.preset("toy")),
        MCM(MCMConfig.preset("toy")),
    ]
    return [net.eval().requires_grad_(False) for net in made]


@pytest.mark.parametrize("net", networks(), ids=lambda net: type(net).__name__)
def test_an_exact_estimate_never_asks_for_smooth_levels(net: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are trained differ by rounding; a file's size follows from the exact ones alone."""
    x = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    rate = net.rate_or_default(None, x)

    def smooth(*_: object) -> None:
        raise AssertionError("smooth levels were asked for")

    monkeypatch.setattr(FixedPointNet, "forward", smooth)
    coder = RateEstimator(noisy=False, exact=True)
    net.code(net.analyse(x, WHERE), coder, WHERE, rate, net.latent_size(x))
    assert float(coder.bits["y"]) > 0
    with pytest.raises(AssertionError, match="smooth"):
        net.code(net.analyse(x, WHERE), RateEstimator(noisy=False), WHERE, rate, net.latent_size(x))


def guarded() -> Network:
    """A model of one rate, with floating-point levels, as the papers have them."""
    torch.manual_seed(3)
    return SegPIC(SegPICConfig.preset("toy-guarded")).eval().requires_grad_(False)


@pytest.mark.parametrize("net", [*networks(), guarded()], ids=lambda net: f"{type(net).__name__}-{net.rated}")
def test_means_that_run_away_cost_bytes_and_no_picture(net: Network) -> None:
    """A decoded latent lies within half a unit of the encoded one, however wrong the mean is."""
    assert isinstance(net, WithHyperprior)
    x = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    rate, size = net.rate_or_default(None, x), net.latent_size(x)
    net.h_mean[-1].bias.fill_(1e9)
    for name, parameter in net.named_parameters():
        if "mean" in name and parameter.dim() == 4:
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    tables = TableSet({stream: prior.tables() for stream, prior in net.priors().items()})
    writer = StreamWriter(tables)
    sent = net.code(net.analyse(x, WHERE), writer, WHERE, rate, size)
    (written,) = writer.finish()
    reader = StreamReader(tables, [written.payload])
    received = net.code(None, reader, WHERE, rate, size)
    assert reader.finish() == [written.symbol_crc]
    assert torch.equal(sent.y_hat, received.y_hat)
    assert float(sent.y_hat.abs().max()) < LATENT_LIMIT


def test_a_network_without_gradient_steps_forgets_nothing_of_its_weights() -> None:
    """Names in weights files are those of the parts, wherever the walk over them is written."""
    names = set(SegPIC(SegPICConfig.preset("toy")).state_dict())
    assert {"h_a.0.weight", "h_mean.0.0.weight", "levels.first.weight", "z_context.first.points"} <= names
