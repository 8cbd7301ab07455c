"""The ROI codec: Eq. 5 to 7, every context through real bytes, in whole numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from regio.codec import Codec
from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.models import RoiCodec, RoiCodecConfig, SegPIC, SegPICConfig
from regio.models.base import Latents
from regio.models.mixture import CONTEXTS, known
from regio.models.roi import PILOT
from regio.nn.regional import GridRegions
from regio.weights import store

WHERE = GridRegions(1)
TOY = RoiCodecConfig.preset("toy")


def toy_net(config: RoiCodecConfig = TOY, seed: int = 0) -> RoiCodec:
    """Fresh, our models are plain transform coders: what starts as zero is made not to be."""
    torch.manual_seed(seed)
    net = RoiCodec(config).eval().requires_grad_(False)
    for name, parameter in net.named_parameters():
        if not parameter.any() and "strength" not in name:
            parameter.copy_(torch.randn(parameter.shape) * 0.02)
    last = net.mixture.net.last
    last.weight.copy_(torch.randn(last.weight.shape) * 0.3)
    return net


def pictures(count: int = 1, height: int = 64, width: int = 96, seed: int = 1) -> Tensor:
    """Smooth ones, (B,3,H,W)."""
    dice = torch.Generator().manual_seed(seed)
    return F.interpolate(torch.rand(count, 3, 9, 9, generator=dice), (height, width), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("hyper_context", [0, 8])
def test_what_is_written_is_read_at_the_price_that_was_estimated(context: str, hyper_context: int) -> None:
    net = toy_net(replace(TOY, context=context, hyper_context=hyper_context))
    x, rate = pictures(2), torch.tensor([0.3, 0.9])
    size, tables = net.latent_size(x), TableSet({k: prior.tables() for k, prior in net.priors().items()})
    latents = net.analyse(x, WHERE)
    estimator, writer = RateEstimator(noisy=False), StreamWriter(tables, batch=2)
    estimated = net.code(latents, estimator, WHERE, rate, size)
    written = net.code(latents, writer, WHERE, rate, size)
    done = writer.finish()
    reader = StreamReader(tables, [one.payload for one in done])
    read = net.code(None, reader, WHERE, rate, size)
    assert reader.finish() == [one.symbol_crc for one in done]
    assert torch.equal(read.y_hat, written.y_hat)
    # an estimate rounds no means of z to eighths
    torch.testing.assert_close(written.y_hat, estimated.y_hat, rtol=0, atol=0.05 if hyper_context else 1e-5)
    bits = torch.stack(list(estimator.bits.values())).sum(0)
    for one, expected in zip(done, bits.tolist(), strict=True):
        assert len(one.payload) <= 1.005 * expected / 8 + 16
        assert len(one.payload) > 20


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_picture_survives_the_file(context: str, tmp_path: Path) -> None:
    store.save(toy_net(replace(TOY, context=context)), tmp_path / "toy.safetensors", half=True)
    codec = Codec(store.load(tmp_path / "toy.safetensors"), "cpu")
    pixels = (pictures(1, 65, 63)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    small, large = (codec.encode(Image.fromarray(pixels), quality=quality) for quality in (10, 90))
    assert len(small) < len(large)
    assert codec.decode(large).size == (63, 65)
    assert np.array_equal(np.asarray(codec.decode(large)), np.asarray(codec.decode(large)))


def test_context_is_worth_what_it_sees() -> None:
    """Two kinds of context look at neighbours that are known; the third looks at none."""
    assert known("none", 5) is None
    board, raster = known("checkerboard", 3), known("autoregressive", 5)
    assert board is not None
    assert board.tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert raster is not None
    assert raster.flatten().tolist() == [1] * 12 + [0] * 13
    with pytest.raises(ValueError, match="there are none, checkerboard, autoregressive"):
        RoiCodec(replace(TOY, context="serial"))


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_exact_network_is_the_trained_one_rounded(context: str) -> None:
    net = toy_net(replace(TOY, context=context)).mixture.net
    level = torch.randint(0, 2**12, (1, 12, 4, 6)).double() / 128
    seen = torch.randint(-8, 9, (1, 24, 4, 6)).double() / 8
    exact = net.prepared()
    edge = net.around.kernel_size[0] // 2 if net.around is not None else 0
    around = None if context == "none" else exact.context(F.pad(seen, (edge,) * 4))
    found = exact.shapes(exact.hidden(level, around), level, slice(0, 12))
    near = None if context == "none" else net.context(seen.float())
    expected = net.shapes(net.hidden(level.float(), near), level.float(), slice(0, 12))
    for one, other in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0, atol=0.05)
    torch.testing.assert_close(found.level.float().clamp_min(0), expected.level, rtol=0, atol=0.4)


def test_a_region_is_emphasised_as_the_paper_says() -> None:
    config = replace(TOY, latent=192, protected=48, pilot=False)
    net = RoiCodec(config)
    y = torch.randn(1, 192, 2, 2)
    importance = torch.tensor([[[[0.0, 1.0], [0.5, 0.25]]]])
    found = net.emphasise(Latents(y, None), importance, alpha=0.5).y
    assert torch.equal(found[:, :48], y[:, :48])
    torch.testing.assert_close(found[:, 48:], y[:, 48:] * torch.tensor([[1.0, 3.0], [2.0, 1.5]]))
    with pytest.raises(ValueError, match="above 0"):
        net.emphasise(Latents(y, None), importance, alpha=0.0)


@pytest.mark.parametrize("context", ["checkerboard", "none"])
def test_a_region_gets_more_bits_and_less_error_and_the_decoder_needs_no_map(context: str) -> None:
    torch.manual_seed(0)
    net = RoiCodec(replace(TOY, context=context, latent=60, protected=4)).eval().requires_grad_(False)
    x = pictures(1, 96, 128, seed=4)
    importance = torch.zeros(1, 1, 6, 8)
    importance[..., :4] = 1.0
    rate = torch.tensor([0.2])
    plain, chosen = net(x, rate=rate), net(x, rate=rate, importance=importance, alpha=0.5)
    assert chosen.bits["y"] > plain.bits["y"]

    def error(x_hat: Tensor, part: slice) -> float:
        return float((x_hat - x)[..., part].square().mean())

    assert error(chosen.x_hat, slice(0, 56)) < 0.7 * error(plain.x_hat, slice(0, 56))
    assert error(chosen.x_hat, slice(72, 128)) == pytest.approx(error(plain.x_hat, slice(72, 128)), rel=0.02)


def test_the_pilot_tells_how_much_was_emphasised() -> None:
    net = toy_net()
    x, rate = pictures(), torch.tensor([0.05])
    latents = net.emphasise(net.analyse(x, WHERE), torch.full((1, 1, 4, 6), 0.5), alpha=0.5)
    assert bool((latents.y[:, -1] == 2 * PILOT).all())
    plain = net.code(net.analyse(x, WHERE), RateEstimator(noisy=False), WHERE, rate, (4, 6)).y_hat
    read = net.code(latents, RateEstimator(noisy=False), WHERE, rate, (4, 6)).y_hat
    wanted = net.analyse(x, WHERE).y
    assert (read - wanted)[:, 2:-1].square().mean() < 0.6 * (plain - wanted)[:, 2:-1].square().mean()
    torch.testing.assert_close(read[:, -1], torch.ones(1, 4, 6), rtol=0, atol=0.05)  # log2 of the factor
    assert plain[:, -1].abs().max() < 0.05


def test_the_papers_numbers() -> None:
    config = RoiCodecConfig.preset("roi")
    assert (config.latent, config.protected, config.rate_points, config.components) == (192, 48, 6, 3)
    assert config.context == "checkerboard"
    serial = RoiCodecConfig.preset("roi-autoregressive")
    assert (serial.context, serial.context_kernel) == ("autoregressive", 5)
    with torch.device("meta"):
        net = RoiCodec(config)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert (net.stride, net.multiple) == (16, 64)
    with pytest.raises(ValueError, match="there are roi, roi-none"):
        RoiCodecConfig.preset("none")
    with pytest.raises(ValueError, match="leaves none"):
        replace(config, protected=192)


def test_the_small_preset_keeps_its_budget() -> None:
    net = RoiCodec(RoiCodecConfig.preset("roi-xs-1"))
    assert 2 * sum(parameter.numel() for parameter in net.parameters()) < 12e6  # bytes in half precision


@pytest.mark.parametrize("preset", ["toy", "roi-xs-1", "roi"])
def test_a_configuration_survives_being_stored(preset: str) -> None:
    config = RoiCodecConfig.preset(preset)
    assert RoiCodecConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_nothing_beyond_the_halo_changes_a_pixel() -> None:
    """Attention looks at an inner part alone, which is what tiles rely on; all else reaches no further than said."""
    for config in (TOY, replace(TOY, transform=RoiCodecConfig.preset("roi").transform, latent=12, attention=0)):
        config = replace(config, transform=replace(config.transform, channels=6)) if not config.attention else config
        net = toy_net(config)
        side = 2 * net.halo + 3
        y = torch.randn(1, config.latent, 1, side).requires_grad_()

        class Inner(GridRegions):
            def inner(self, features: Tensor) -> Tensor:
                return features.detach()

        x_hat = net.signal.synthesise(y, Inner(1), torch.tensor([0.5]))
        middle = side // 2
        x_hat[..., middle * 16 : middle * 16 + 16].sum().backward()
        assert y.grad is not None
        reach = y.grad[0, :, 0].abs().sum(0).nonzero().flatten()
        assert middle - int(reach.min()) <= net.halo
        assert int(reach.max()) - middle <= net.halo


def test_transforms_may_begin_as_those_of_segpic() -> None:
    torch.manual_seed(3)
    other = SegPIC(SegPICConfig.preset("toy"))
    net = RoiCodec(TOY)
    adopted = net.adopted(other.state_dict())
    fresh = net.state_dict()
    taken = {name for name, value in adopted.items() if name in fresh and fresh[name].shape == value.shape}
    assert {name for name in fresh if name.startswith("signal.g_")} <= taken
    assert {"gain.log_gain.points", "h_mean.0.0.weight"} <= taken
    ends = other.state_dict()["gain.log_gain.points"][[0, -1]]
    torch.testing.assert_close(adopted["gain.log_gain.points"][[0, -1]], ends)
    own = net.state_dict()
    assert net.adopted(own) is own


def test_training_reaches_every_number() -> None:
    torch.manual_seed(0)
    net = RoiCodec(TOY).train()
    for parameter in net.parameters():  # what starts as zero hides what stands behind it
        if not parameter.any():
            nn.init.normal_(parameter, std=0.02)
    out = net(pictures(2), rate=torch.tensor([0.2, 0.7]), importance=torch.rand(2, 1, 4, 6))
    (out.x_hat.square().mean() * 1e3 + torch.stack(list(out.bits.values())).sum() / 1e4).backward()
    silent = {name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name for name in silent if "points" not in name} <= {"quantiles"}
