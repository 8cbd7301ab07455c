"""Every member of the paper's family, made small, goes through real bytes and trains."""

from dataclasses import replace

import pytest
import torch

from regio.entropy import RateEstimator, StreamReader, StreamWriter, TableSet
from regio.models.segpic import PRESETS, SegPIC, SegPICConfig
from regio.nn.regional import GridRegions

FAMILY = ("segpic", "wacnn", "wacnn-sal", "wacnn-rat", "charm", "segpic-s", "baseline-s")


def small(name: str) -> SegPICConfig:
    """A member with its layers and wiring kept and its channels cut down."""
    config = PRESETS[name]
    return replace(
        config,
        shallow=8,
        latent=16,
        shallow_codes=(8, 6, 4),
        shallow_decode=None,
        deep_decode=None,
        deep_codes=(16, 8, 4),
        hyper_down=((16, 1), (12, 1), (10, 2), (9, 1), (8, 2)),
        hyper_up=((8, 1), (9, 2), (10, 1), (12, 2), (16, 1)),
        slices=4 if config.slices else 0,
        context=(8, 6),
    )


@pytest.mark.parametrize("name", FAMILY)
def test_what_is_written_is_read_back_exactly(name: str) -> None:
    torch.manual_seed(0)
    model, where = SegPIC(small(name)).eval(), GridRegions(3)
    picture = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        tables = TableSet({stream: prior.tables() for stream, prior in model.priors().items()})
        latents, size = model.analyse(picture, where), model.latent_size(picture)
        writer, estimate = StreamWriter(tables), RateEstimator(noisy=False)
        model.code(latents, estimate, where, None, size)
        sent = model.code(latents, writer, where, None, size)
        (written,) = writer.finish()
        reader = StreamReader(tables, [written.payload])
        received = model.code(None, reader, where, None, size)
    assert torch.equal(received.y_hat, sent.y_hat)
    assert reader.finish() == [written.symbol_crc]
    assert len(written.payload) <= 1.02 * float(sum(b.sum() for b in estimate.bits.values())) / 8 + 16


@pytest.mark.parametrize("name", FAMILY)
def test_a_training_step_with_label_maps_reaches_every_parameter(name: str) -> None:
    torch.manual_seed(1)
    model = SegPIC(small(name)).train()
    out = model(torch.rand(2, 3, 64, 64), regions=torch.randint(0, 5, (2, 64, 64)))
    (out.x_hat.square().mean() + sum(b.sum() for b in out.bits.values())).backward()
    missing = [k for k, p in model.named_parameters() if p.grad is None and not k.endswith("quantiles")]
    assert missing == []
