"""Judges: who is asked, what they say, and that the sweep asks again only whom it must."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_judge import random_lpips

from regio.errors import MissingWeights, UsageError
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.judges.agreement import Agreement, Labeller, labeller_named, mean_iou
from regio.evaluation.judges.lpips import LpipsJudge
from regio.evaluation.judging import Judges
from regio.evaluation.marks import Marks
from regio.evaluation.means import mean_curves, means_table
from regio.evaluation.metrics import masked_psnr, psnr
from regio.evaluation.sweep import read_rows, sweep
from regio.losses.perceptual import Lpips


@pytest.fixture
def lpips(tmp_path: Path) -> Lpips:
    return random_lpips(tmp_path)


@pytest.fixture
def judge(lpips: Lpips) -> LpipsJudge:
    return LpipsJudge(lpips)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    rows, columns = np.mgrid[0:40, 0:60]
    for number in range(2):
        wave = 127 + 90 * np.sin(rows / (3 + number)) * np.cos(columns / 5)
        Image.fromarray(np.stack([wave, wave / 2, 255 - wave], -1).astype(np.uint8)).save(tmp_path / f"in/{number}.png")
    return tmp_path / "in"


def brightness(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean(2) > 127


def test_psnr_of_a_region_counts_its_pixels_only() -> None:
    reference = np.zeros((4, 4, 3), np.uint8)
    decoded = reference.copy()
    decoded[0, 0] = 10
    mask = np.zeros((4, 4), bool)
    mask[0, :2] = True
    assert masked_psnr(reference, decoded, mask) == pytest.approx(10 * math.log10(65025 / 50))  # 100 over two pixels
    assert masked_psnr(reference, decoded, ~mask) == math.inf
    assert math.isnan(masked_psnr(reference, decoded, mask & False))
    assert masked_psnr(reference, decoded, mask | True) == psnr(reference, decoded)
    with pytest.raises(ValueError, match="the mask is"):
        masked_psnr(reference, decoded, mask[1:])


def test_mean_iou_is_over_the_labels_of_both() -> None:
    one = np.array([[0, 0, 1, 1]])
    assert mean_iou(one, one) == 1
    # label 0: 1 of 2; label 1: 1 of 3; label 2: 0 of 1
    assert mean_iou(one, np.array([[0, 1, 1, 2]])) == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)
    with pytest.raises(ValueError, match="differ in shape"):
        mean_iou(one, one[:, 1:])


def test_judges_say_what_they_are_asked(lpips: Lpips, folder: Path) -> None:
    pixels = np.asarray(Image.open(folder / "0.png"))
    decoded = np.clip(pixels.astype(int) + 9, 0, 255).astype(np.uint8)
    marks = Marks({"0": ((0, 0, 10, 10),)}, {})
    judges = Judges((LpipsJudge(lpips), Agreement(Labeller("bright", brightness))), marks)
    scores = judges.look_at("0.png", pixels).figures(decoded)
    x, y = (torch.from_numpy(p).permute(2, 0, 1)[None] / 255 for p in (pixels.copy(), decoded))
    assert scores["lpips"] == pytest.approx(lpips(x, y).item(), rel=1e-5)
    mask = marks.mask("0.png", 40, 60)
    assert mask is not None
    assert scores["roi_psnr"] == masked_psnr(pixels, decoded, mask)
    assert scores["agreement"] == mean_iou(brightness(pixels), brightness(decoded))
    assert judges.names("0.png") == (lpips.description, "bright", marks.identity("0.png"))
    assert judges.names("1.png") == (lpips.description, "bright")
    nobody = Judges().look_at("0.png", pixels).figures(decoded)
    assert nobody == pytest.approx({key: scores[key] for key in ("psnr", "ms_ssim")}, nan_ok=True)
    tiny = Judges((LpipsJudge(lpips),)).look_at("0.png", pixels[:16]).figures(decoded[:16])
    assert math.isnan(tiny["lpips"])  # too small for the network


def test_rows_are_measured_anew_only_for_judges_that_have_not_seen_them(
    judge: LpipsJudge, folder: Path, tmp_path: Path
) -> None:
    pictures, table, jpeg = {"0.png": folder / "0.png"}, tmp_path / "s.csv", OPPONENTS["jpeg"]
    told: list[str] = []

    def run(judges: Judges) -> tuple[float, float]:
        told.clear()
        (row,) = sweep(pictures, [jpeg], table, settings={"jpeg": [30]}, judges=judges, progress=told.append).rows
        (stored,) = {one.key: one for one in read_rows(table)}.values()  # of several, the last counts
        assert (stored.bytes, stored.judges) == (row.bytes, row.judges)
        return row.figures["lpips"], row.figures.get("roi_psnr", math.nan)

    sweep(pictures, [jpeg], table, settings={"jpeg": [30]}, progress=told.append)
    assert told
    assert run(Judges((judge,)))[0] > 0
    assert told
    assert run(Judges())[0] > 0  # what is known is kept
    assert not told
    assert run(Judges((judge,), Marks({"0": ((0, 0, 9, 9),)}, {})))[1] > 0
    assert told
    run(Judges((judge,), Marks({"0": ((0, 0, 9, 8),)}, {})))
    assert told  # another region
    assert len({row.key for row in read_rows(table)}) == 1


def test_tables_of_older_releases_are_read_and_their_rows_used(folder: Path, tmp_path: Path) -> None:
    pictures, table, jpeg = {"0.png": folder / "0.png"}, tmp_path / "s.csv", OPPONENTS["jpeg"]
    (row,) = sweep(pictures, [jpeg], table, settings={"jpeg": [30]}).rows
    old = [",".join(line.split(",")[:11]) for line in table.read_text().splitlines()]
    assert old[0].endswith(",commit")
    table.write_text("\n".join(old) + "\n")
    (again,) = sweep(pictures, [jpeg], table, settings={"jpeg": [30]}, progress=pytest.fail).rows
    assert again.key == row.key
    assert again.bytes == row.bytes


def test_lpips_of_two_backbones_is_never_averaged(judge: LpipsJudge, folder: Path, tmp_path: Path) -> None:
    pictures = {path.name: path for path in folder.iterdir()}
    settings = {"jpeg": [30, 60]}
    rows = sweep(pictures, [OPPONENTS["jpeg"]], tmp_path / "s.csv", settings=settings, judges=Judges((judge,))).rows
    (curve,) = mean_curves(rows)
    assert curve.metrics == ("psnr", "lpips_squeeze")  # the pictures are too small for MS-SSIM
    assert curve.as_dict()["results"]["lpips-squeeze"] == list(curve.figures["lpips"])
    assert len(curve.curve("lpips_squeeze").rates) == 2
    assert "LPIPS" in means_table([curve]).splitlines()[0]
    other = dataclasses.replace(rows[0], judges=rows[0].judges.replace("SqueezeNet 1.1", "VGG-16"))
    (mixed,) = mean_curves([other, *rows[1:]])
    assert mixed.metrics == ("psnr",)
    assert "LPIPS" not in means_table([mixed])


def test_labellers_are_named_on_the_command_line(tmp_path: Path) -> None:
    labeller = labeller_named("numpy:argmax")
    with pytest.raises(UsageError, match=r"numpy:argmax: returns an array of shape \(\)"):
        labeller.labels(np.zeros((4, 4, 3), np.uint8))
    scores = Labeller("scores", lambda pixels: np.stack([np.zeros((2, 2)), np.eye(2)]))
    assert scores.labels(np.zeros((4, 2, 3), np.uint8)).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]  # enlarged
    for text in ("segment", "nowhere:f", "numpy:no_such_function"):
        with pytest.raises(UsageError, match=text.split(":")[0]):
            labeller_named(text)
    with pytest.raises(MissingWeights, match="no such file"):
        labeller_named(str(tmp_path / "x.onnx"))
