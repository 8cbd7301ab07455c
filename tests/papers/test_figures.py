"""Figures of the MCM paper: masked inputs, texture against LPIPS; and FID beside a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regio.errors import UsageError
from regio.evaluation.contestants import OPPONENTS
from regio.evaluation.judges import Setting, judges_named
from regio.evaluation.judging import Judges
from regio.losses.perceptual import LAYERS, Lpips
from regio.losses.perceptual_weights import BACKBONES
from regio.models.mcm import MCM
from regio.models.mcm import PRESETS as MCM_PRESETS
from regio.papers.order import Order
from regio.papers.patch_study import sent_only
from regio.papers.run import run
from regio.papers.texture_study import Patches, patch_lpips, patches_of
from regio.weights import store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of 128 x 96 pixels: noise on the left, smooth on the right."""
    (tmp_path / "in").mkdir()
    for number in range(2):
        dice = np.random.default_rng(number)
        coarse = Image.fromarray(dice.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        pixels = np.array(coarse.resize((128, 96), Image.Resampling.BICUBIC))
        pixels[:, :64] = dice.integers(0, 256, (96, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"in/{number}.png")
    return tmp_path / "in"


@pytest.fixture
def lpips(tmp_path: Path) -> Judges:
    """LPIPS with a fresh network."""
    torch.manual_seed(0)
    torch.save(LAYERS["squeeze"]().state_dict(), tmp_path / "lpips_squeeze_backbone.pth")
    heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(BACKBONES["squeeze"].channels)}
    torch.save(heads, tmp_path / "squeeze.pth")
    return Judges(judges_named(["lpips"], Setting("cpu", tmp_path)))


def network(judges: Judges) -> Lpips:
    found: Lpips = judges.others[0].network  # type: ignore[attr-defined]
    return found


def test_only_what_is_sent_shows() -> None:
    pixels = np.full((40, 50, 3), 7, np.uint8)
    shown = sent_only(pixels, torch.tensor([[0, 5, 11]]), (3, 4))
    assert shown.shape == pixels.shape
    assert {tuple(where) for where in np.argwhere(shown[::16, ::16, 0] == 7)} == {(0, 0), (1, 1), (2, 3)}
    assert set(np.unique(shown)) == {7, 128}


def test_masks_are_drawn_for_every_strategy_at_every_setting(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "toy-mcm.safetensors"
    store.save(MCM(MCM_PRESETS["toy"]).eval(), path, name="toy-mcm")
    order = Order("mcm-masks", folder, tmp_path / "out", codecs=[str(path)], qualities=[0, 60], device="cpu")
    table = run(order).table
    rows = table.published[1:]
    assert len(rows) == 2 * 2 * 4
    assert {row[2] for row in rows} == {"0", "60"}
    assert "Estimated bits, no files." in table.notes
    for number in range(2):
        with Image.open(tmp_path / f"out/masks_toy-mcm_{number}.png") as drawn:
            assert drawn.width > 1000


def test_texture_and_lpips_go_together_where_noise_is_coded_badly(folder: Path, tmp_path: Path, lpips: Judges) -> None:
    order = Order(
        "mcm-texture", folder, tmp_path / "out", codecs=["jpeg"], settings={"jpeg": [5, 60]}, judges=lpips, device="cpu"
    )  # fmt: skip
    table = run(order).table
    header, low, high = table.published
    assert header[3] == "Spearman"
    assert [low[1], high[1]] == ["5", "60"]
    assert float(low[3]) > 0.5
    assert float(low[7]) > float(low[4])
    assert (tmp_path / "out/texture.png").exists()
    assert "96 patches of 2 pictures" in table.text()
    tiny = tmp_path / "tiny"
    tiny.mkdir()
    Image.new("RGB", (20, 20)).save(tiny / "a.png")
    with pytest.raises(UsageError, match="too few patches"):
        patches_of(OPPONENTS["jpeg"], 5, {"a.png": tiny / "a.png"}, network(lpips))


def test_a_patch_that_is_the_same_has_no_distance_far_from_those_that_differ(lpips: Judges) -> None:
    before = np.random.default_rng(3).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    after = before.copy()
    after[:16, :16] = 0
    found = patch_lpips(network(lpips), before, after)
    assert found is not None
    assert found.shape == (6, 10)
    assert found.argmax() == 0
    assert found[-1, -1] == 0
    ranks = Patches("a", 1, 0.1, np.arange(20.0), np.arange(20.0)[::-1])
    assert ranks.correlation == pytest.approx(-1)
    assert ranks.by_texture(2).tolist() == [14.5, 4.5]


def test_fid_stands_beside_a_table_and_is_drawn(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"frechet_inception_distance": 12.5, "kernel_inception_distance_mean": 0.01}
    monkeypatch.setattr("regio.evaluation.fidelity.metrics", lambda: lambda **asked: made)
    monkeypatch.setattr("regio.evaluation.fidelity.PATCH", 32)
    (tmp_path / "vtm.json").write_text(json.dumps({"results": {"bpp": [0.1, 20], "psnr-rgb": [3, 60]}}))
    order = Order(
        "segpic-1", folder, tmp_path / "out", references=tmp_path, codecs=["jpeg"], settings={"jpeg": [10, 90]},
        fid=True, device="cpu",
    )  # fmt: skip
    table = run(order).table
    assert table.fidelity[0][:4] == ("codec", "setting", "bpp", "FID")
    assert [row[:2] + row[3:4] for row in table.fidelity[1:]] == [("jpeg", "10", "12.50"), ("jpeg", "90", "12.50")]
    assert "12.50" in table.text()
    assert (tmp_path / "out/segpic-1_fid.png").exists()
    again = run(Order("segpic-1", None, tmp_path / "out", codecs=["jpeg"], fid=True)).table
    assert again.fidelity == table.fidelity
