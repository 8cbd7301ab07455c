"""The contract of `regio.models.base` is enough: a model that only the tests know does all that ours do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_codec import picture
from toy_network import HOME, ToyConfig, ToyNetwork

import regio
from regio.cli.app import run as command
from regio.codec import Codec
from regio.errors import CorruptFile
from regio.evaluation.sweep import read_rows
from regio.models.catalog import FAMILIES
from regio.training.loop import train
from regio.weights import store


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a new model needs besides its own file: the line that names it."""
    monkeypatch.setitem(FAMILIES, "toy", HOME)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    store.save(ToyNetwork(ToyConfig()).eval(), tmp_path / "toy.safetensors")
    return tmp_path / "toy.safetensors"


RECIPE = """
name = "mine"
model = "toy:means"
precision = "float32"
[data]
folders = ["{folder}"]
held_back = 1
[[phase]]
steps = 2
crop = 64
batch = 2
optimizer = "adam"
learning_rate = 1e-3
rate_maps = 0.5
"""


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def test_a_model_written_against_the_contract_alone_encodes_and_decodes(weights: Path) -> None:
    codec, pixels = regio.load(weights), picture(65, 90)
    files = [codec.encode(pixels, quality=quality) for quality in (20, 60, 100)]
    decoded = [codec.decode(data, as_="numpy") for data in files]
    assert [one.shape for one in decoded] == [pixels.shape] * 3
    assert [len(data) for data in files] == sorted(len(data) for data in files)
    figures = [psnr(one, pixels) for one in decoded]
    assert figures == sorted(figures)
    assert figures[-1] > 25  # of means of 4x4 pixels, of which the picture has long waves
    estimate = codec.estimate_bits(pixels, 60)
    assert 0 < 8 * len(files[1]) - estimate < 8 * 48  # the header, which names weights that are not bundled
    with pytest.raises(CorruptFile):
        codec.decode(files[1][:-8] + bytes(8))


def test_it_meets_targets_and_gives_more_to_a_region(weights: Path) -> None:
    codec, pixels = regio.load(weights), picture(96, 128)
    assert 1450 < len(codec.encode(pixels, max_bytes=1500)) <= 1500
    inside, outside = (slice(24, 56), slice(40, 88)), (slice(80, 96), slice(112, 128))
    marked = codec.decode(codec.encode(pixels, quality=70, background=20, roi=(32, 16, 64, 48)), as_="numpy")
    fine, coarse = (codec.decode(codec.encode(pixels, quality=quality), as_="numpy") for quality in (70, 20))
    assert np.array_equal(marked[inside], fine[inside])
    assert np.array_equal(marked[outside], coarse[outside])
    assert psnr(fine[inside], pixels[inside]) > psnr(coarse[inside], pixels[inside]) + 3


def test_it_codes_in_tiles_without_seams(weights: Path) -> None:
    codec, pixels = regio.load(weights), np.tile(picture(210, 220), (10, 10, 1))
    data = codec.encode(pixels, quality=50)
    assert regio.inspect(data).tile_side is not None
    part = codec.decode(data, region=(900, 1000, 300, 200), as_="numpy")
    whole = codec.decode(data, as_="numpy")
    assert np.array_equal(part, whole[1000:1200, 900:1200])
    mean = whole.reshape(525, 4, 550, 4, 3).mean((1, 3)), pixels.reshape(525, 4, 550, 4, 3).mean((1, 3))
    assert np.abs(mean[0] - mean[1]).max() < 20  # half a step of quantisation is 255/8/2 = 16, at quality 50


def test_it_trains_two_steps_and_is_exported_and_evaluated(tmp_path: Path) -> None:
    folder, recipe = tmp_path / "pictures", tmp_path / "mine.toml"
    folder.mkdir()
    for seed in range(3):
        Image.fromarray(picture(180, 200, seed)).save(folder / f"{seed}.png")
    recipe.write_text(RECIPE.format(folder=folder.as_posix()), encoding="utf-8")
    run = train(recipe, out=tmp_path / "run", device="cpu")
    fresh = ToyNetwork(ToyConfig()).state_dict()
    trained = torch.load(run / "last.pt", weights_only=True)["model"]
    assert all(not torch.equal(trained[key], fresh[key]) for key in ("down.weight", "up.weight", "prior.quantiles"))
    mine = tmp_path / "mine.safetensors"
    assert command(["export", str(run), "-o", str(mine)]) == 0
    assert isinstance(regio.load(mine), Codec)
    report = tmp_path / "report"
    options = ["--codecs", f"{mine},jpeg", "--qualities", "20,60", "--crops", "0", "--device", "cpu", "-o", str(report)]
    assert command(["evaluate", str(folder), *options]) == 0
    rows = [row for row in read_rows(report / "sweep.csv") if row.codec == "mine"]
    assert [(row.picture, row.quality) for row in rows] == [(f"{n}.png", q) for n in range(3) for q in (20, 60)]
    assert all(row.figures["psnr"] > 15 and 16 < row.bytes < 180 * 200 for row in rows)
