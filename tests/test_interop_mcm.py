"""Published MCM and masked-autoencoder checkpoints: small ones in their layout, written down here name by name."""

import os
import pickle
from argparse import Namespace
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from scripts import benchmark
from shared import SHARED, needs_shared
from torch import Tensor
from torch.nn import functional as F

from regio.cli.app import run
from regio.errors import UnsupportedFile
from regio.interop import mae_from_official, mcm_from_official
from regio.models.mcm import MCM
from regio.weights.store import load

D, DEPTH, INNER, DEEP, GRID = 64, 2, 32, 2, 8
ANALYSIS, SYNTHESIS, HYPER, SLICES, SUPPORT = (10, 9, 8, 6), (7, 8, 9, D), (6, 5, 5, 4, 4), 3, 2
UPS, CONTEXT = (4, 5, 5, 6, 6), (5, 4, 4, 3)
REFERENCE = SHARED / "parity" / "mcm_public.npz"
Shape = tuple[int, ...]


def linear(name: str, after: int, before: int, *kernel: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (after, before, *kernel)
    yield f"{name}.bias", (after,)


def blocks(name: str, count: int, width: int) -> Iterator[tuple[str, Shape]]:
    for k in range(count):
        for norm in ("norm1", "norm2"):
            yield from ((f"{name}.{k}.{norm}.{part}", (width,)) for part in ("weight", "bias"))
        yield from linear(f"{name}.{k}.attn.qkv", 3 * width, width)
        yield from linear(f"{name}.{k}.attn.proj", width, width)
        yield from linear(f"{name}.{k}.mlp.fc1", 4 * width, width)
        yield from linear(f"{name}.{k}.mlp.fc2", width, 4 * width)


def autoencoder(grid: int) -> Iterator[tuple[str, Shape]]:
    """What MCM's checkpoint and a masked autoencoder's have in common."""
    yield from (("cls_token", (1, 1, D)), ("mask_token", (1, 1, INNER)))
    yield from (("pos_embed", (1, 1 + grid**2, D)), ("decoder_pos_embed", (1, 1 + grid**2, INNER)))
    yield from linear("patch_embed.proj", D, 3, 16, 16)
    yield from (*blocks("blocks", DEPTH, D), ("norm.weight", (D,)), ("norm.bias", (D,)))
    yield from linear("decoder_embed", INNER, D)
    yield from (*blocks("decoder_blocks", DEEP, INNER), ("decoder_norm.weight", (INNER,)))
    yield from (("decoder_norm.bias", (INNER,)), *linear("decoder_pred", 768, INNER))


def layout() -> Iterator[tuple[str, Shape]]:
    yield from autoencoder(GRID)
    for k, (a, b) in enumerate(pairwise((D, *ANALYSIS))):
        yield from linear(f"g_a.{2 * k}", b, a, 1, 1)
    for k, (a, b) in enumerate(pairwise((ANALYSIS[-1], *SYNTHESIS))):  # transposed: (in, out)
        yield from ((f"g_s.{2 * k}.weight", (a, b, 1, 1)), (f"g_s.{2 * k}.bias", (b,)))
    for k, (a, b) in enumerate(pairwise((ANALYSIS[-1], *HYPER))):
        yield from linear(f"h_a.{2 * k}", b, a, 3, 3)
    for name in ("h_mean_s", "h_scale_s"):
        for k, (a, b) in enumerate(pairwise((HYPER[-1], *UPS))):
            up = k in (1, 3)
            yield from linear(f"{name}.{2 * k}{'.0' if up else ''}", 4 * b if up else b, a, 3, 3)
    width = ANALYSIS[-1] // SLICES
    for name, extra in (("cc_mean", 0), ("cc_scale", 0), ("lrp", width)):
        for k in range(SLICES):
            for j, (a, b) in enumerate(pairwise((UPS[-1] + width * min(k, SUPPORT) + extra, *CONTEXT, width))):
                yield from linear(f"{name}_transforms.{k}.{2 * j}", b, a, 3, 3)
    filters = (1, 3, 3, 3, 3, 1)
    for k in range(5):
        yield f"entropy_bottleneck._matrix{k}", (HYPER[-1], filters[k + 1], filters[k])
        yield f"entropy_bottleneck._bias{k}", (HYPER[-1], filters[k + 1], 1)
        if k < 4:
            yield f"entropy_bottleneck._factor{k}", (HYPER[-1], filters[k + 1], 1)
    yield "entropy_bottleneck.quantiles", (HYPER[-1], 1, 3)


def values(shapes: Iterator[tuple[str, Shape]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    return {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes}


@pytest.fixture
def official() -> dict[str, Tensor]:
    return values(layout())


def output(model: MCM) -> Tensor:
    side = 16 * GRID
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        return model(picture, keep=torch.arange(16)[None]).x_hat


def test_every_tensor_lands_in_the_model_exactly_once(official: dict[str, Tensor]) -> None:
    model = mcm_from_official(official, visible_tokens=16)
    mine = model.state_dict()
    assert sum(v.numel() for v in mine.values()) == sum(v.numel() for v in official.values())
    assert sum(float(v.double().sum()) for v in mine.values()) == pytest.approx(
        sum(float(v.double().sum()) for v in official.values()), rel=1e-9
    )
    assert (model.training, model.budget(None, 64)) == (False, 16)
    assert bool(output(model).isfinite().all())


def test_wrapping_vgg_and_buffers_change_nothing(official: dict[str, Tensor]) -> None:
    extra = {
        "vgg.slice1.0.weight": torch.zeros(64, 3, 3, 3),
        "entropy_bottleneck._offset": torch.zeros(0).int(),
        "gaussian_conditional.scale_bound": torch.ones(1),
    }
    wrapped = {"epoch": 3, "model": {f"module.{k}": v for k, v in (official | extra).items()}}
    assert torch.equal(output(mcm_from_official(wrapped, 16)), output(mcm_from_official(official, 16)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h_a.4.bias": None}, "'h_a.4.bias' is missing"),
        ({"odd": torch.zeros(1)}, "1 unknown entries, the first is 'odd'"),
        ({"norm.bias": torch.zeros(3)}, r"'norm.bias' has shape \(3,\), expected \(64,\)"),
        ({"norm.bias": torch.full((64,), torch.nan)}, "'norm.bias' holds values that are not numbers"),
        ({"pos_embed": None}, "not a checkpoint of MCM: entry 'pos_embed' is missing"),
        ({"model": 5}, "its model is not a dictionary"),
    ],
)
def test_wrong_entries_are_named_in_one_line(official: dict, change: dict, message: str) -> None:
    given = {k: v for k, v in (official | change).items() if v is not None}
    with pytest.raises(UnsupportedFile, match=message) as caught:
        mcm_from_official(given, 16)
    assert "\n" not in str(caught.value)


def test_what_the_authors_code_saves_is_imported_by_the_command(
    official: dict[str, Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = {
        "model": official,
        "optimizer": {"state": {}, "param_groups": [{"lr": np.float64(1e-4), "betas": (0.9, 0.95)}]},
        "epoch": 12,
        "scaler": {"scale": 65536.0, "growth_interval": 2000},
        "loss": np.float32(0.5),
        "args": Namespace(batch_size=8, lr=1e-4, output_dir="out", distributed=False, gpu=None, seed=np.int64(0)),
    }
    torch.save(saved, tmp_path / "checkpoint-12.pth")
    command = ["import-weights", "mcm", str(tmp_path / "checkpoint-12.pth"), str(tmp_path / "mcm.safetensors")]
    assert run([*command, "--visible-tokens", "16"]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'mcm.safetensors'}\n", "")
    assert torch.equal(output(load(tmp_path / "mcm.safetensors").net), output(mcm_from_official(official, 16)))


def test_a_harmful_checkpoint_does_not_run_and_is_refused_in_one_plain_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    torch.save({"model": {}, "args": Namespace(lr=Harmful())}, tmp_path / "harmful.pth")
    (tmp_path / "older.pth").write_bytes(pickle.dumps({"model": {}, "args": Harmful()}, protocol=2))
    for name in ("harmful.pth", "older.pth"):
        assert run(["import-weights", "mcm", str(tmp_path / name), str(tmp_path / "out.safetensors")]) != 0
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith(f"regio: {tmp_path / name}: not a PyTorch checkpoint, or damaged, or it holds more")
        assert err.count("\n") == 1
        assert err.rstrip("\n").isprintable()  # no escape codes
        assert not (tmp_path / "ran").exists()
        assert not (tmp_path / "out.safetensors").exists()


def test_more_visible_tokens_than_patches_are_refused(official: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="must be 1 to 64"):
        mcm_from_official(official, visible_tokens=65)


def test_an_autoencoder_sees_colours_as_it_did_in_training() -> None:
    state = values(autoencoder(14))
    model = mae_from_official({"model": state})
    picture = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = (picture - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    want = F.conv2d(seen, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=16)
    assert torch.allclose(model.stem.proj(picture), want, atol=1e-4)
    pixels = torch.rand(1, INNER)
    plain = F.linear(pixels, state["decoder_pred.weight"], state["decoder_pred.bias"]).view(256, 3)
    assert torch.allclose(model.decoder.decoder_pred(pixels).view(256, 3), plain * deviation + mean, atol=1e-5)


def test_an_autoencoders_encoder_alone_is_enough_and_its_positions_are_resampled() -> None:
    state = {k: v for k, v in values(autoencoder(14)).items() if not k.startswith(("decoder", "mask"))}
    model = mae_from_official(state)
    assert torch.equal(model.encoder.blocks[1].mlp.fc1.weight, state["blocks.1.mlp.fc1.weight"])
    table = model.stem.pos_embed
    assert table.shape == (1, 257, D)
    assert torch.equal(table[:, 0], state["pos_embed"][:, 0])
    with pytest.raises(UnsupportedFile, match="'pos_embed' has shape"):
        mae_from_official(state | {"pos_embed": torch.zeros(1, 12, D)})


@pytest.mark.slow
@needs_shared
def test_mcm_computes_what_the_published_code_computes(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark("parity").main([str(REFERENCE)]) == 0
    assert "OUT OF TOLERANCE" not in capsys.readouterr().out
