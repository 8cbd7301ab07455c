"""Opponents on small synthetic pictures: sizes, colours, budgets, and what happens when one is not installed."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from regio.errors import RegioError
from regio.evaluation.contestants.bpg import Bpg
from regio.evaluation.contestants.opponents import OPPONENTS, RATIOS, Opponent
from regio.evaluation.contestants.vvc import Vvc, find_programs, to_pixels, to_samples
from regio.evaluation.metrics import psnr

PILLOW = (
    "jpeg", "webp", "jpeg2000", "avif", "avif-psnr", "avif-slow", "avif-ssimulacra2", "jxl", "hevc", "hevc-default",
    "jpegli",
)  # fmt: skip
NAMES = (*PILLOW, "vvc", "bpg")


def waves(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [127 + 60 * np.sin(rows / 9 + c) + 60 * np.cos(columns / 7 - c) for c in range(3)]
    speckle = np.random.default_rng(3).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(planes, -1) + speckle, 0, 255).astype(np.uint8)


@pytest.fixture(params=[*PILLOW, pytest.param("vvc", marks=pytest.mark.slow)])
def opponent(request: pytest.FixtureRequest) -> Opponent | Vvc:
    found = OPPONENTS[request.param]
    if isinstance(found, Vvc):
        found = dataclasses.replace(found, preset="faster")
    if reason := found.missing():
        pytest.skip(reason)
    return found


def test_the_opponents_are_those_of_the_results_tables() -> None:
    assert tuple(OPPONENTS) == NAMES


@pytest.mark.parametrize("shape", [(96, 64), (33, 17), (1, 1), (1, 40)])
def test_any_size_comes_back_as_rgb_of_that_size(opponent: Opponent | Vvc, shape: tuple[int, int]) -> None:
    pixels = waves(*shape)
    decoded = opponent.decode(opponent.encode(pixels, opponent.ladder[-1]))
    assert decoded.shape == pixels.shape
    assert decoded.dtype == np.uint8


def test_the_settings_of_a_sweep_rise_in_bytes_and_in_psnr(opponent: Opponent | Vvc) -> None:
    pixels = waves(96, 128)
    files = [opponent.encode(pixels, setting) for setting in (opponent.settings[2], opponent.settings[-1])]
    errors = [psnr(pixels, opponent.decode(data)) for data in files]
    assert len(files[0]) < len(files[1])
    assert errors[0] < errors[1]
    assert errors[1] > 28


@pytest.mark.parametrize("budget", [1500, 3000])
def test_the_budget_is_used_and_never_exceeded(opponent: Opponent | Vvc, budget: int) -> None:
    pixels = waves(96, 128)
    made = opponent.at_bytes(pixels, budget)
    assert made.fits
    used = 0.3 if opponent.name == "vvc" else 0.6  # the coarsest knob steps by a third, VVC's on noise by much more
    assert used * budget < len(made.data) <= budget
    assert made.setting in opponent.ladder
    assert opponent.decode(made.data).shape == pixels.shape


def test_an_impossible_budget_gives_the_smallest_file_and_says_so(opponent: Opponent | Vvc) -> None:
    pixels = waves(48, 48)
    made = opponent.at_bytes(pixels, 10)
    assert not made.fits
    assert made.setting == opponent.ladder[0]
    assert made.data == opponent.encode(pixels, opponent.ladder[0])


def test_a_budget_above_the_largest_file_gets_the_largest_setting() -> None:
    assert OPPONENTS["jpeg"].at_bytes(waves(32, 32), 10**9).setting == 100


def test_jpeg_is_sampled_4_2_0_and_jpeg_2000_hits_its_rate() -> None:
    pixels = waves(256, 256)
    assert b"\xff\xc0\x00\x11\x08\x01\x00\x01\x00\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01" in OPPONENTS["jpeg"].encode(
        pixels, 50
    )  # baseline frame header: 256x256, three components sampled 2x2, 1x1, 1x1
    assert len(OPPONENTS["jpeg2000"].encode(pixels, 40)) == pytest.approx(256 * 256 * 3 / 40, rel=0.1)
    assert 2 < RATIOS[-1] < 2.02


def test_a_missing_library_is_a_reason_not_an_exception() -> None:
    absent = dataclasses.replace(OPPONENTS["jxl"], library="no-such-package", plugin="no_such_module")
    assert absent.missing() == "needs the package no-such-package (pip install no-such-package)"
    unbuilt = dataclasses.replace(OPPONENTS["avif"], library="raqm_of_the_future")
    with pytest.warns(UserWarning, match="Unknown feature"):
        assert unbuilt.missing() == "this Pillow is built without raqm_of_the_future"


def test_the_library_version_stands_where_weights_would() -> None:
    name, version = OPPONENTS["webp"].weights.split()
    assert name == "webp"
    assert version[0].isdigit()


def test_vvc_samples_are_ycbcr_of_bt_709_and_come_back() -> None:
    white_red = np.zeros((64, 64, 3), np.uint8)
    white_red[:, :32] = 255
    white_red[:, 32:, 0] = 255
    words = np.frombuffer(to_samples(white_red), "<u2")
    luma, blues, reds = words[:4096].reshape(64, 64), words[4096:5120].reshape(32, 32), words[5120:].reshape(32, 32)
    assert luma[3].tolist() == 32 * [1023] + 32 * [217]  # 0.2126 of 1023
    assert blues[3].tolist() == 16 * [512] + 16 * [394]  # 0.5 - 0.5 x 0.2126 / 0.9278
    assert reds[3].tolist() == 16 * [512] + 16 * [1023]
    smooth = waves(34, 21) // 4 + 96
    grey = np.repeat(smooth[..., :1], 3, 2)
    assert abs(to_pixels(to_samples(grey), 34, 21).astype(int) - grey).max() <= 1


def test_vvc_programs_that_fail_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("vvencapp", "vvdecapp"):
        program = tmp_path / name
        program.write_text(
            "#!/bin/sh\n[ $1 = --version ] && echo vvenc 1.13.1 && exit\necho first >&2; echo second >&2; exit 3\n"
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    programs = find_programs()
    assert programs is not None
    assert (programs.is_ffmpeg, programs.version) == (False, "vvenc 1.13.1")
    with pytest.raises(RegioError, match="vvencapp failed: first"):
        Vvc().encode(waves(8, 8), 40)


def test_vvc_programs_are_called_with_files_of_raw_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that deflate: what is asked of them, and that the bytes find their way."""
    source = f"""#!{sys.executable}
import sys, zlib
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
given = open(options.get("-i") or options["-b"], "rb").read()
if "-i" in options:
    assert options["-s"] == "72x64" and options["-c"] == "yuv420_10" and options["-q"] == "40", options
    assert len(given) == 72 * 64 * 3
open(options["-o"], "wb").write((zlib.compress if "-i" in options else zlib.decompress)(given))
"""
    for name in ("vvencapp", "vvdecapp"):
        (tmp_path / name).write_text(source)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("regio.evaluation.contestants.vvc.version_of", lambda command: "0")
    grey = np.repeat(waves(7, 71)[..., :1], 3, 2)
    codec = Vvc()
    data = codec.encode(grey, 40)
    assert data[:4] == bytes([0, 71, 0, 7])
    assert abs(codec.decode(data).astype(int) - grey).max() <= 1


def test_bpg_is_called_with_the_papers_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that copy: what is asked of them, and that pictures find their way."""
    assert Bpg().missing() is None or "bpgenc and bpgdec" in str(Bpg().missing())
    source = f"""#!{sys.executable}
import shutil, sys
if sys.argv[1] == "-h":
    print("BPG Image Encoder version 0.9.8")
    sys.exit(1)
if sys.argv[0].endswith("bpgenc"):
    assert sys.argv[1:9] == ["-q", "37", "-f", "444", "-e", "x265", "-b", "8"], sys.argv
assert sys.argv[-3] == "-o"
shutil.copy(sys.argv[-1], sys.argv[-2])
"""
    for name in ("bpgenc", "bpgdec"):
        (tmp_path / name).write_text(source)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    codec = Bpg()
    assert (codec.missing(), codec.weights) == (None, "bpgenc 0.9.8")
    pixels = waves(7, 71)
    assert (codec.decode(codec.encode(pixels, 37)) == pixels).all()
    with pytest.raises(RegioError, match="bpgenc failed: "):
        codec.encode(pixels, 38)
    monkeypatch.setenv("PATH", "")
    assert (Bpg().weights, "bpgenc and bpgdec" in str(Bpg().missing())) == ("absent", True)
    with pytest.raises(RegioError, match="bpg needs the programs"):
        Bpg().encode(pixels, 37)
