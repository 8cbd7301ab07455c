"""MCM: one walk through real bytes in both layouts, the paper's size, and what a fresh model can do."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.models.base import Ranked
from regio.models.mcm import MCM, PRESETS, TOY, MCMConfig
from regio.models.mcm_cells import Cells
from regio.models.mcm_transforms import GlobalViT

SMALL_PAPER = replace(
    PRESETS["mcm"],
    vision=GlobalViT(width=16, depth=2, heads=2, decoder_width=8, decoder_depth=2, decoder_heads=2, grid=8),
    analysis=(14, 12),
    synthesis=(14, 16),
    hyper_down=((12, 1), (10, 2), (8, 2)),
    hyper_up=((10, 2), (12, 2)),
    slices=3,
    support=2,
    context=(8,),
)
KINDS = {
    "toy": TOY,
    "toy-packed": replace(TOY, layout="packed"),
    "paper": SMALL_PAPER,
    "paper-grid": replace(SMALL_PAPER, layout="grid"),
}


def net_of(name: str) -> MCM:
    """A small member, awake: what starts as zero is not."""
    torch.manual_seed(0)
    net = MCM(KINDS[name]).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
    return net


def picture(batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, 128, 128, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_is_read_back_exactly_and_costs_what_was_estimated(name: str) -> None:
    net, x = net_of(name), picture()
    rate, size = net.rate_or_default(None, x), net.latent_size(x)
    with torch.no_grad():
        tables = TableSet({stream: prior.tables() for stream, prior in net.priors().items()})
        where = Ranked(torch.randperm(64, generator=torch.Generator().manual_seed(1)).view(1, 8, 8), 64)
        latents = net.analyse(x)._replace(order=where)
        writer, estimate = StreamWriter(tables), RateEstimator(noisy=False)
        sent = net.code(latents, writer, None, rate, size)
        net.code(latents, estimate, None, rate, size)
        (written,) = writer.finish()
        reader = StreamReader(tables, [written.payload])
        received = net.code(None, reader, None, rate, size)
        assert net.synthesise(received, None, rate).shape == x.shape
    assert torch.equal(received.y_hat, sent.y_hat)
    assert reader.finish() == [written.symbol_crc]
    assert sent.kept is not None
    assert int(sent.kept.sum()) == net.budget(rate, 64)
    assert list(estimate.bits) == ["positions", "z", "y"]
    assert len(written.payload) <= 1.01 * float(sum(b.sum() for b in estimate.bits.values())) / 8 + 16


@pytest.mark.parametrize("name", KINDS)
def test_a_training_step_reaches_every_parameter(name: str) -> None:
    net = net_of(name).train()
    keep = torch.stack([torch.randperm(64)[:16] for _ in range(2)])
    out = net(picture(2), keep=keep)
    (out.x_hat.square().mean() + sum(b.sum() for b in out.bits.values())).backward()
    missing = [k for k, p in net.named_parameters() if p.grad is None and not k.endswith("quantiles")]
    assert missing == []
    assert all(bool(p.grad.isfinite().all()) for p in net.parameters() if p.grad is not None)


def test_patches_that_are_not_kept_cost_nothing_and_say_nothing() -> None:
    net, keep = net_of("paper"), torch.arange(0, 64, 4)[None]
    x = picture()
    other = torch.rand(1, 3, 128, 128)
    for cell in keep[0].tolist():
        box = (..., slice(cell // 8 * 16, cell // 8 * 16 + 16), slice(cell % 8 * 16, cell % 8 * 16 + 16))
        other[box] = x[box]
    with torch.no_grad():
        one, two = net(x, keep=keep), net(other, keep=keep)
    assert torch.equal(one.x_hat, two.x_hat)
    assert all(torch.equal(one.bits[k], two.bits[k]) for k in one.bits)


def test_on_the_grid_the_order_of_the_kept_patches_does_not_matter() -> None:
    net, x, keep = net_of("toy"), picture(), torch.randperm(64)[None, :20]
    with torch.no_grad():
        one, two = net(x, keep=keep), net(x, keep=keep.sort(dim=1).values)
    assert torch.allclose(one.x_hat, two.x_hat, atol=1e-6)
    assert one.bits["y"] == pytest.approx(two.bits["y"], rel=1e-5)


def test_kept_sets_grow_with_the_rate_and_never_shrink() -> None:
    net = net_of("toy")
    counts = [net.budget(torch.tensor([step / 4000]), 1000) for step in range(0, 4001, 50)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (60, 1000)
    assert net.budget(torch.tensor([0.0]), 3) == 1


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (torch.tensor([[1, 2, 1]]), "twice"),
        (torch.tensor([[64]]), "outside 0 ... 63"),
        (torch.tensor([[-1]]), "outside"),
        (torch.tensor([1, 2]), "must be int64"),
        (torch.tensor([[1.0]]), "must be int64"),
        (torch.zeros(1, 0, dtype=torch.int64), "must be int64"),
    ],
)
def test_a_kept_set_that_is_none_is_refused(keep: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net_of("toy")(picture(), keep=keep)


def test_the_papers_model_takes_its_own_size_only() -> None:
    with pytest.raises(ValueError, match="must be 128 x 128 pixels"):
        net_of("paper")(torch.rand(1, 3, 128, 64), keep=torch.tensor([[1]]))


def test_the_paper_model_has_the_published_codes_numbers_to_the_last_one() -> None:
    with torch.device("meta"):
        net = MCM(MCMConfig.preset("mcm"))
    tables = sum(b.numel() for name, b in net.state_dict().items() if name.endswith("pos_embed"))
    assert sum(p.numel() for p in net.parameters()) + tables == 200_855_200
    assert (net.budget(None, 256), MCM(KINDS["paper"]).config.latent) == (144, 12)


def test_mcm_tiny_fits_sixteen_megabytes_in_half_precision() -> None:
    with torch.device("meta"):
        net = MCM(MCMConfig.preset("mcm-tiny"))
    assert 2 * sum(p.numel() for p in net.parameters()) < 16e6


def test_a_fresh_tiny_model_is_a_transform_codec_that_fills_smoothly() -> None:
    torch.manual_seed(0)
    net = MCM(replace(TOY, vision=replace(TOY.vision, features=320), slices=4, log_gains=(8.0, 8.0))).eval()
    row, column = torch.meshgrid(torch.linspace(0, 1, 128), torch.linspace(0, 1, 128), indexing="ij")
    slope = torch.stack([row, column, 1 - row])[None]  # nothing but a slope: every second patch suffices
    checkerboard = torch.tensor([[8 * r + c for r in range(8) for c in range(8) if (r + c) % 2]])
    with torch.no_grad():
        whole = net(slope, keep=torch.arange(64)[None], rate=torch.tensor([1.0])).x_hat - slope
        half = net(slope, keep=checkerboard, rate=torch.tensor([1.0])).x_hat - slope
    assert float(whole.abs().max()) < 0.02  # 320 of 768 frequencies, finely quantised
    assert float(half[..., 32:96, 32:96].abs().mean()) < 0.02


def test_configurations_survive_their_plain_form() -> None:
    for config in (*PRESETS.values(), *KINDS.values()):
        assert MCMConfig.from_dict(config.as_dict()) == config
    with pytest.raises(ValueError, match="there are mcm, mcm-tiny, toy"):
        MCMConfig.preset("mcm-large")
    with pytest.raises(ValueError, match="never falling"):
        replace(TOY, kept=(300, 200, 400, 500, 600))
    with pytest.raises(ValueError, match="equal slices"):
        replace(TOY, slices=5)


def test_the_model_is_found_where_the_others_are() -> None:
    from regio import models

    assert (models.MCM, models.MCMConfig) == (MCM, MCMConfig)


def test_packed_maps_are_nearly_square_and_hold_all_tokens() -> None:
    for count in (1, 5, 64, 144, 150):
        cells = Cells.packed(torch.randperm(256)[None, :count], 4)
        assert cells.size[0] * cells.size[1] >= count
        assert cells.size[0] % 4 == cells.size[1] % 4 == 0
        tokens = torch.rand(1, 3, count)
        assert torch.equal(cells.collect(cells.spread(tokens)), tokens)
    assert Cells.packed(torch.arange(144)[None], 4).size == (12, 12)


def test_without_a_choice_typical_and_textured_patches_are_kept() -> None:
    net, x = net_of("toy"), torch.full((1, 3, 128, 128), 0.5)
    x[..., 32:48, 16:64] += 0.3 * torch.rand(1, 3, 16, 48)
    size = (8, 8)
    with torch.no_grad():
        few, more = (
            net.code(net.analyse(x), RateEstimator(noisy=False), None, torch.tensor([r]), size).kept[0, 0]
            for r in (0.0, 0.1)
        )
    assert int(few.sum()) == net.budget(torch.tensor([0.0]), 64) == 4
    assert few.reshape(2, 4, 2, 4).sum(dim=(1, 3)).tolist() == [[1, 1], [1, 1]]  # one of every 4x4
    assert more[2, 1:4].tolist() == [1, 1, 1]
    assert bool((more >= few).all())


def test_painting_needs_only_the_kept_patches() -> None:
    net, keep = net_of("paper"), torch.arange(0, 64, 3)[None]
    x = picture()
    other = x.clone()
    other[..., 0:16, 16:32] = 0  # patch 1 is not kept
    with torch.no_grad():
        assert torch.equal(net.paint(x, keep), net.paint(other, keep))
        assert not torch.equal(net.paint(x, keep), net.paint(other, torch.arange(1, 64, 3)[None]))
