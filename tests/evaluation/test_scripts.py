"""The demo and the Kodak benchmark, from their command lines to their files, with a toy model of random weights."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scripts
import torch
from PIL import Image

import regio
from regio.models.segpic import PRESETS, SegPIC
from regio.weights import store

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    store.save(SegPIC(PRESETS["toy"]).eval(), path, name="toy")
    return path


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that runs main() of a script with arguments."""

    def run(path: str, *arguments: object) -> Any:
        monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        monkeypatch.syspath_prepend(str((ROOT / path).parent))  # as python does for a script
        return scripts.script(path).main()

    return run


def test_the_demo_writes_a_file_a_picture_and_a_comparison(
    script: Callable[..., Any], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("examples/demo.py", "--codec", weights, "-q", 50, "-o", tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("grace_hopper.jpg: 512×600, 61306 bytes")
    assert [line.split()[0] for line in lines[3:7]] == ["codec", "toy", "jpeg", "webp"]
    size = (tmp_path / "photo.rgo").stat().st_size
    assert lines[4].split()[2] == str(size)
    with Image.open(tmp_path / "decoded.png") as decoded:
        assert decoded.size == (512, 600)
        again = regio.decode(tmp_path / "photo.rgo", codec=regio.load(weights, device="cpu"))
        assert (np.asarray(decoded) == np.asarray(again)).all()
    with Image.open(tmp_path / "side_by_side.png") as sheet:
        assert sheet.width == 12 + 5 * 372


def test_the_benchmark_checks_sizes_and_compares_with_recorded_curves(
    script: Callable[..., Any], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "anchors").mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 256, (8, 12, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((192, 128), Image.Resampling.BICUBIC).save(tmp_path / "in" / f"{number}.png")
    anchor = {"results": {"bpp": [0.1, 0.5, 5], "psnr-rgb": [70, 80, 90], "ms-ssim-rgb": [0.9, 0.99, 0.999]}}
    (tmp_path / "anchors" / "jpeg_420.json").write_text(json.dumps(anchor))
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results: written by benchmarks/kodak.py -->\nold\n<!-- end of results -->\nafter\n")
    marks = tmp_path / "marks.json"
    marks.write_text(json.dumps({"1": {"face": [20, 20, 60, 60]}}))
    arguments: tuple[Any, ...] = ("--codec", weights, "--qualities", "20,60,100", "--readme", readme)
    arguments += ("--threads", torch.get_num_threads(), "--marks", marks)
    status = script(
        "benchmarks/kodak.py", tmp_path / "in", "--anchors", tmp_path / "anchors", *arguments, "-o", tmp_path / "out"
    )
    printed = capsys.readouterr().out
    assert status == 1  # random weights are no match for an anchor of 70 dB
    assert "ok     6 of 6 files made and decoded" in printed
    assert [line.split()[0] for line in printed.splitlines() if line.startswith("toy+roi")] == 3 * ["toy+roi"]
    assert "ok     6 of 6 files ≤ 1.005 × estimate + 16 bytes" in printed
    assert "FAILED PSNR above JPEG" in printed
    summary = json.loads((tmp_path / "out" / "kodak.json").read_text())
    assert summary["against"][0]["psnr"][1] == pytest.approx(76.8, abs=0.5)  # of the anchor at 0.3 bpp
    assert summary["against"][0]["bd"]["psnr"]["note"]
    with (tmp_path / "out" / "estimates.csv").open() as file:
        assert all(row["holds"] == "True" for row in csv.DictReader(file))
    assert (tmp_path / "out" / "rd_psnr.svg").exists()
    lines = readme.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[2] == "| codec | 0.15 bpp | 0.3 bpp | 0.6 bpp | BD-rate of `toy` against it |"
    assert lines[5].startswith("| JPEG 4:2:0 | ")
    assert lines[-2:] == ["<!-- end of results -->", "after"]
    assert "old" not in lines
