"""Published checkpoints: a small one in the authors' layout, written down here name by name."""

import argparse
import os
import pathlib
import pickle
import re
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from regio.errors import UnsupportedFile
from regio.interop import read_checkpoint, segpic_from_official
from regio.models.segpic import SegPIC

N, M, TAIL, SIDE, HYPER, SLICES, SUPPORT = 8, 16, 3, 12, 6, 4, 2
SHALLOW, DEEP, CONTEXT = (N, 7, 5, 4), (M, 9, 6, 5), (9, 8, 7, 6)
BLOCKS = {  # the strided blocks: name, its second name, channels in and out
    "basic_E.0": ("g_a1.0", 3, N),
    "basic_E.1": ("g_a1.1", N, N),
    "basic_E.2": ("g_a2.0", N, N),
    "basic_E.3": ("g_a2.1", N, M),
    "basic_D.0": ("g_s0.1", M, N),
    "basic_D.1": ("g_s0.2", N, N),
    "basic_D.2": ("g_s1.1", N, N),
    "basic_D.3": ("g_s1.2", N, TAIL),
}

Shape = tuple[int, ...]


def conv(name: str, after: int, before: int, kernel: int = 1, transposed: bool = False) -> Iterator[tuple[str, Shape]]:
    pair = (before, after) if transposed else (after, before)
    yield f"{name}.weight", (*pair, kernel, kernel)
    yield f"{name}.bias", (after,)


def gdn(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.beta", (channels,)
    yield f"{name}.gamma", (channels, channels)
    for part in ("beta", "gamma"):
        yield f"{name}.{part}_reparam.pedestal", (1,)
        yield f"{name}.{part}_reparam.lower_bound.bound", (1,)


def block(name: str, before: int, after: int) -> Iterator[tuple[str, Shape]]:
    up = name.startswith("basic_D")
    affine = before if up else after
    yield from conv(f"{name}.conv_groups.0", after, before, 5, transposed=up)
    yield from gdn(f"{name}.conv_groups.1", after)
    yield from conv(f"{name}.scales_bias.0", affine, affine)
    yield from conv(f"{name}.scales_bias.2", 2 * affine, affine)


def attention(name: str, channels: int, window: int) -> Iterator[tuple[str, Shape]]:
    for unit in ("conv_a.0", "conv_a.1", "conv_a.2", "conv_b.1", "conv_b.2", "conv_b.3"):
        yield from conv(f"{name}.{unit}.conv.0", channels // 2, channels)
        yield from conv(f"{name}.{unit}.conv.2", channels // 2, channels // 2, 3)
        yield from conv(f"{name}.{unit}.conv.4", channels, channels // 2)
    yield f"{name}.conv_b.0.attn.relative_position_bias_table", ((2 * window - 1) ** 2, 8)
    yield f"{name}.conv_b.0.attn.qkv.weight", (3 * channels, channels)
    yield f"{name}.conv_b.0.attn.qkv.bias", (3 * channels,)
    yield f"{name}.conv_b.0.attn.proj.weight", (channels, channels)
    yield f"{name}.conv_b.0.attn.proj.bias", (channels,)
    yield from conv(f"{name}.conv_b.4", channels, channels)


def stack(name: str, channels: Shape) -> Iterator[tuple[str, Shape]]:
    for k, (before, after) in enumerate(pairwise(channels)):
        yield from conv(f"{name}.{2 * k}", after, before)
        if k < len(channels) - 2:
            yield from gdn(f"{name}.{2 * k + 1}", after)


def prior(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    widths = (1, 3, 3, 3, 3, 1)
    for k in range(5):
        yield f"{name}._matrix{k}", (channels, widths[k + 1], widths[k])
        yield f"{name}._bias{k}", (channels, widths[k + 1], 1)
        if k < 4:
            yield f"{name}._factor{k}", (channels, widths[k + 1], 1)
    yield f"{name}.quantiles", (channels, 1, 3)
    for buffer in ("_offset", "_quantized_cdf", "_cdf_length"):
        yield f"{name}.{buffer}", (0,)


def regional(name: str, channels: int) -> Iterator[tuple[str, Shape]]:
    c = channels
    yield from (*conv(f"{name}.conv.0", c, c), *conv(f"{name}.conv.2", c, c), *conv(f"{name}.k_sp_gen.0", c, 2 * c))
    yield from (*conv(f"{name}.k_sp_gen.2", c, c, 3), *conv(f"{name}.k_sp_gen.4", 9 * c, 1, 3))
    yield from (*conv(f"{name}.k_ch_gen.1", c, c), *conv(f"{name}.k_ch_gen.3", c, c), *conv(f"{name}.conv_out", c, c))


def layout() -> Iterator[tuple[str, Shape]]:
    """Names and shapes, the second names left out."""
    for name, (_, before, after) in BLOCKS.items():
        yield from block(name, before, after)
    for name, channels, window in (("g_a1.2", N, 8), ("g_a2.2", M, 4), ("g_s0.0", M, 4), ("g_s1.0", N, 8)):
        yield from attention(name, channels, window)
    yield from conv("g_s1.3", 3, TAIL)
    down = (M, 11, 10, 9, 8, HYPER)
    for k in range(5):
        yield from conv(f"h_a.{2 * k}", down[k + 1], down[k], 3)
    for name in ("h_mean_s", "h_scale_s"):
        yield from (*conv(f"{name}.0", 7, HYPER, 3), *conv(f"{name}.2.0", 4 * 5, 7, 3), *conv(f"{name}.4", 9, 5, 3))
        yield from (*conv(f"{name}.6.0", 4 * 6, 9, 3), *conv(f"{name}.8", M, 6, 3))
    for name, codes in (("b", SHALLOW), ("b2", DEEP)):
        yield from (*stack(f"g_a{name}", codes), *stack(f"g_s{name}", codes[::-1]))
    width = M // SLICES
    for name, extra in (("cc_mean", 0), ("cc_scale", 0), ("lrp", width)):
        for k in range(SLICES):
            chain = (M + width * min(k, SUPPORT) + extra, *CONTEXT, width)
            for j in range(5):
                yield from conv(f"{name}_transforms.{k}.{2 * j}", chain[j + 1], chain[j], 3)
    for name, channels in (("", HYPER), ("_b", SHALLOW[-1]), ("_b2", DEEP[-1])):
        yield from prior(f"entropy_bottleneck{name}", channels)
    yield "gaussian_conditional.scale_table", (0,)
    for name in ("dyn_encoder", "dyn_decoder"):
        yield from regional(name, N)
    for name in ("dyn_enc_hyper", "dyn_dec_hyper_means", "dyn_dec_hyper_scales"):
        yield from regional(name, M)


def aliases(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The entries of the strided blocks under their second names."""
    found = {}
    for key, value in state.items():
        first = ".".join(key.split(".")[:2])
        if first in BLOCKS:
            found[key.replace(first, BLOCKS[first][0], 1)] = value
    return found


@pytest.fixture
def official() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    state = {name: 0.2 * torch.randn(shape, generator=generator) for name, shape in layout()}
    return state | aliases(state)


def output(model: SegPIC) -> Tensor:
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        return model(picture, grid=2).x_hat


def test_every_tensor_lands_in_the_model_exactly_once(official: dict[str, Tensor]) -> None:
    model = segpic_from_official(official)
    wanted = [
        v for k, v in official.items() if not k.startswith("basic_") and not re.search(r"reparam|offset|cdf|table$", k)
    ]
    tables = [v for k, v in official.items() if k.endswith("bias_table")]
    wanted_sum = sum(v.double().sum().item() for v in wanted + tables)
    assert sum(p.numel() for p in model.parameters()) == sum(v.numel() for v in wanted + tables)
    assert sum(p.double().sum().item() for p in model.parameters()) == pytest.approx(wanted_sum, rel=1e-9)
    assert not model.training


def test_sizes_are_read_off_the_tensors(official: dict[str, Tensor]) -> None:
    config = segpic_from_official(official).config
    assert (config.shallow, config.latent, config.slices, config.support) == (N, M, SLICES, SUPPORT)
    assert config.hyper_down == ((11, 1), (10, 1), (9, 2), (8, 1), (HYPER, 2))
    assert config.hyper_up == ((7, 1), (5, 2), (9, 1), (6, 2), (M, 1))
    assert (config.context, config.shallow_codes, config.deep_codes) == (CONTEXT, SHALLOW, DEEP)


def test_features_come_before_prototypes_in_the_fused_convolution(official: dict[str, Tensor]) -> None:
    rat = segpic_from_official(official).regional.analysis
    fused = official["dyn_encoder.k_sp_gen.0.weight"]
    assert torch.equal(rat.mix.weight, fused[:, :N])
    assert torch.equal(rat.steer.weight, fused[:, N:])


@pytest.mark.parametrize(
    "variant", ["wrapped", "first names only", "second names only", "no buffers", "filled buffers"]
)
def test_variants_of_the_layout_give_the_same_model(official: dict[str, Tensor], variant: str) -> None:
    want = output(segpic_from_official(official))
    if variant == "wrapped":
        given = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in official.items()}}
    elif variant == "first names only":
        given = {k: v for k, v in official.items() if k not in aliases(official)}
    elif variant == "second names only":
        given = {k: v for k, v in official.items() if not k.startswith("basic_")}
    elif variant == "no buffers":
        given = {k: v for k, v in official.items() if v.numel() and "reparam" not in k}
    else:
        filled = {
            f"entropy_bottleneck{k}.{b}": torch.ones(5, 3).int() for k in ("", "_b") for b in ("_offset", "_cdf_length")
        }
        given = official | filled | {"g_a1.2.conv_b.0.attn.relative_position_index": torch.zeros(64, 64).long()}
    assert torch.equal(output(segpic_from_official(given)), want)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h_a.4.bias": None}, "'h_a.4.bias' is missing"),
        (
            {"g_a2.1.conv_groups.0.weight": None, "basic_E.3.conv_groups.0.weight": None},
            "'g_a2.1.conv_groups.0.weight'",
        ),
        ({"vgg.slice1.0.weight": torch.zeros(1)}, "1 unknown entries, the first is 'vgg.slice1.0.weight'"),
        ({"dyn_decoder.conv.0.weight": torch.zeros(N, N)}, r"has shape \(8, 8\), expected \(8, 8, 1, 1\)"),
        ({"h_a.0.bias": torch.full((11,), torch.nan)}, "'h_a.0.bias' holds values that are not numbers"),
        ({"h_a.0.bias": "text"}, "'h_a.0.bias' is not a tensor of real numbers"),
        ({"h_a.2.weight": torch.zeros(3)}, "'h_a.2.weight' is not a matrix"),
        ({f"cc_mean_transforms.{k}.0.weight": None for k in range(SLICES)}, "16 latent channels in 0 slices"),
        ({"state_dict": 5}, "its state_dict is not a dictionary"),
    ],
)
def test_wrong_entries_are_named_in_one_line(official: dict, change: dict, message: str) -> None:
    given = {k: v for k, v in (official | change).items() if v is not None}
    with pytest.raises(UnsupportedFile, match=message) as caught:
        segpic_from_official(given)
    assert "\n" not in str(caught.value)


class _Harmful:
    """Unpickling this would call a function."""

    def __reduce__(self) -> tuple:
        return print, ("this must not run",)


def test_checkpoint_files_are_read_without_running_their_code(
    tmp_path: Path, official: dict[str, Tensor], capsys
) -> None:
    good, harmful, text, listed = (tmp_path / name for name in ("good.pth.tar", "harmful.pth", "text.pth", "list.pth"))
    torch.save({"state_dict": official}, good)
    harmful.write_bytes(pickle.dumps({"state_dict": _Harmful()}, protocol=2))
    text.write_text("no checkpoint\n")
    torch.save([1, 2], listed)
    assert segpic_from_official(read_checkpoint(good)).config.latent == M
    for path in (harmful, text, listed):
        with pytest.raises(UnsupportedFile, match=path.name):
            read_checkpoint(path)
    assert capsys.readouterr().out == ""


def test_the_options_in_the_authors_checkpoint_of_mcm_are_read(tmp_path: Path) -> None:
    options = argparse.Namespace(lr=1e-4, names=["a"], device=None)
    torch.save({"model": {"a": torch.ones(2)}, "args": options, "epoch": 3}, tmp_path / "mcm.pth")
    assert read_checkpoint(tmp_path / "mcm.pth")["args"] == options
    nested = argparse.Namespace(lr=_Harmful())
    torch.save({"model": {}, "args": nested}, tmp_path / "harmful.pth")
    with pytest.raises(UnsupportedFile, match=r"harmful.pth: not a PyTorch checkpoint"):
        read_checkpoint(tmp_path / "harmful.pth")


@pytest.mark.parametrize("module", ["core", "_core"])  # of NumPy 1.x and 2.x
def test_scalars_of_numpy_become_numbers(tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (np.float64, np.float32, np.float16, np.int64, np.uint8, np.complex128)
    given = {kind.__name__: kind(3) for kind in kinds} | {"yes": np.bool_(True), "big": np.array(-7, ">i4")[()]}
    file = tmp_path / "scalars.pth"
    torch.save({"model": {}, "args": argparse.Namespace(lr=np.float64(0.1)), "best": given}, file)
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            archive.writestr(name, data.replace(b"numpy._core.multiarray", f"numpy.{module}.multiarray".encode()))
    read = read_checkpoint(file)
    assert read["args"].lr == 0.1
    assert read["best"] == {"float64": 3, "float32": 3, "float16": 3, "int64": 3, "uint8": 3, "complex128": 3} | {
        "yes": True,
        "big": -7,
    }
    assert all(type(value).__module__ == "builtins" for value in read["best"].values())


@pytest.mark.parametrize("value", [np.array([None], object)[0:1], np.str_("text"), np.datetime64(1, "s"), np.ones(3)])
def test_what_numpy_holds_besides_numbers_is_refused(tmp_path: Path, value: Any) -> None:
    torch.save({"model": {}, "extra": value}, tmp_path / "odd.pth")
    with pytest.raises(UnsupportedFile, match="holds more than tensors and plain values"):
        read_checkpoint(tmp_path / "odd.pth")


def dangerous(path: Path, kind: str) -> None:
    """A file that torch refuses, or would read at a price."""
    match kind:
        case "code":
            torch.save({"a": print}, path)
        case "class":
            torch.save({"a": pathlib.PurePosixPath("a")}, path)
        case "pickle":
            path.write_bytes(pickle.dumps({"a": _Harmful()}, protocol=2))
        case "newer pickle":
            path.write_bytes(pickle.dumps({"a": 1}, protocol=5))
        case "numpy":
            path.write_bytes(pickle.dumps(np.ones(3), protocol=2))
        case "empty":
            path.write_bytes(b"")
        case "half":
            torch.save({"a": torch.ones(99)}, path)
            path.write_bytes(path.read_bytes()[:200])
        case "script":
            torch.jit.save(torch.jit.script(torch.nn.Identity()), path)
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("data.pkl", b"")
        case "compressed":
            torch.save({"a": torch.zeros(10_000_000)}, path.with_suffix(".plain"))
            source = zipfile.ZipFile(path.with_suffix(".plain"))
            with source as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in plain.namelist():
                    archive.writestr(name, plain.read(name))
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
@pytest.mark.parametrize(
    "kind",
    [
        "code",
        "class",
        "pickle",
        "newer pickle",
        "numpy",
        "empty",
        "half",
        "script",
        "zip",
        "compressed",
        "pipe",
        "folder",
    ],
)
def test_what_is_no_checkpoint_is_refused_in_our_words(tmp_path: Path, kind: str, capsys: Any) -> None:
    path = tmp_path / f"{kind}.pth"
    dangerous(path, kind)
    with pytest.raises(UnsupportedFile, match=f"{kind}.pth") as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    for advice in ("weights_only", "safe_globals", "trust", "http"):
        assert advice not in message
    assert capsys.readouterr().out == ""


def test_tensors_that_claim_more_than_the_file_holds_are_refused(official: dict[str, Tensor], tmp_path: Path) -> None:
    wide = {name: torch.zeros(1).expand(value.shape) for name, value in official.items()}
    torch.save(wide, tmp_path / "wide.pth")
    assert (tmp_path / "wide.pth").stat().st_size < 1_000_000
    with pytest.raises(UnsupportedFile, match="claim more numbers than the file holds"):
        segpic_from_official(read_checkpoint(tmp_path / "wide.pth"))
    sparse = official | {"g_a1.0.conv_groups.0.weight": torch.zeros(3, 3).to_sparse()}
    with pytest.raises(UnsupportedFile, match="sparse tensors"):
        segpic_from_official(sparse)
