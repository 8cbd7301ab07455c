"""A judge is one file: CSV, report, plots, BD-rates and help follow from it."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy_codec import picture

from regio.errors import MissingWeights, RegioError, UsageError
from regio.evaluation import judges
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.judges.base import Column, Figures, Judge, Setting
from regio.evaluation.judges.blocks import BLOCK, Blocks, block_means, border_ratio
from regio.evaluation.judges.butteraugli import Butteraugli
from regio.evaluation.judging import Judges
from regio.evaluation.report import write_report
from regio.evaluation.sweep import read_rows, sweep
from regio.images import Pixels


class Darkness(Judge):
    """All that a new judge is."""

    name = "darkness"
    about = "how much darker a picture has become"
    columns = (Column("darkness", "darkness", ".1f", "−darkness, steps", lambda value: -value),)

    description = "darkness 1"

    def score(self, reference: Pixels, decoded: Pixels) -> float:
        return float(reference.astype(float).mean() - decoded.mean()) + 100 / float(decoded.std())


@pytest.fixture
def with_darkness(monkeypatch: pytest.MonkeyPatch) -> tuple[Judge, ...]:
    monkeypatch.setattr(judges, "JUDGES", [*judges.JUDGES, Darkness])
    return judges.judges_named(["darkness"], Setting())


def test_a_judge_of_one_file_is_in_the_csv_and_the_report(tmp_path: Path, with_darkness: tuple[Judge, ...]) -> None:
    Image.fromarray(picture(176, 192)).save(tmp_path / "a.png")
    table = tmp_path / "sweep.csv"
    outcome = sweep(
        {"a.png": tmp_path / "a.png"},
        [OPPONENTS["jpeg"]],
        table,
        settings={"jpeg": (10, 40, 80)},
        judges=Judges(others=with_darkness),
    )
    head, first, *_ = table.read_text().splitlines()
    assert head.split(",")[-1] == "darkness"
    assert float(first.split(",")[-1]) == pytest.approx(outcome.rows[0].figures["darkness"], rel=1e-6)
    assert read_rows(table)[0].figures.keys() == {"psnr", "ms_ssim", "darkness"}
    report = write_report(outcome, tmp_path / "report", anchor="jpeg")
    (curve,) = report.curves
    assert "darkness" in curve.metrics
    assert (tmp_path / "report" / "rd_darkness.svg").is_file()
    page = (tmp_path / "report" / "index.html").read_text()
    assert "darkness" in page
    assert "−darkness, steps" in page
    written = json.loads((tmp_path / "report" / "curves" / "jpeg.json").read_text())
    assert written["results"]["darkness"] == list(curve.figures["darkness"])


def test_a_judge_of_one_file_is_in_the_help() -> None:
    program = (
        "import sys, test_judges\n"
        "from regio.evaluation import judges\n"
        "judges.JUDGES.append(test_judges.Darkness)\n"
        "from regio.cli import main\n"
        "sys.argv = ['regio', 'evaluate', '--help']\n"
        "main()\n"
    )
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "400", "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert "darkness: how much darker a picture has become" in " ".join(done.stdout.split())


def test_a_judge_that_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no judge 'taste'; there are lpips, dists, ssimulacra2, butteraugli, blocks"):
        judges.judges_named(["taste"], Setting())


def test_rows_without_a_judge_are_measured_anew_when_it_is_asked(
    tmp_path: Path, with_darkness: tuple[Judge, ...]
) -> None:
    Image.fromarray(picture(64, 64)).save(tmp_path / "a.png")
    pictures, table = {"a.png": tmp_path / "a.png"}, tmp_path / "s.csv"
    sweep(pictures, [OPPONENTS["jpeg"]], table, settings={"jpeg": (40,)})
    assert "darkness" not in read_rows(table)[0].figures
    asked = Judges(others=with_darkness)
    (row,) = sweep(pictures, [OPPONENTS["jpeg"]], table, settings={"jpeg": (40,)}, judges=asked).rows
    assert row.figures["darkness"] > 0


def verdict_of(original: Pixels, decoded: Pixels) -> Figures:
    return Blocks.make(Setting()).prepare(original, None)(decoded)


def test_an_area_of_another_tone_is_an_error_of_means() -> None:
    original = np.full((64, 80, 3), 100, np.uint8)
    other = original.copy()
    other[:32] += 8  # grey, in half of the picture
    found = verdict_of(original, other)
    assert found["mean_y"] == pytest.approx(8 / 2**0.5)
    assert found["mean_cb"] == pytest.approx(0, abs=1e-4)  # coefficients are printed to six digits
    noise = np.random.default_rng(1).integers(-8, 9, (64, 80, 1))
    noisy = (original + (noise - noise[:, ::-1])).clip(0, 255).astype(np.uint8)
    assert verdict_of(original, noisy)["mean_y"] < 2  # of the same size in each pixel, but no tone


def test_borders_of_blocks_stand_out() -> None:
    ramp = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, :, None] * 2, (96, 96, 3)).copy()
    assert verdict_of(ramp, ramp)["blocking"] == pytest.approx(1)
    blocky = ramp.reshape(6, BLOCK, 6, BLOCK, 3).mean(axis=(1, 3), keepdims=True)
    blocky = (0.5 * ramp + 0.5 * np.broadcast_to(blocky, (6, BLOCK, 6, BLOCK, 3)).reshape(96, 96, 3)).astype(np.uint8)
    assert verdict_of(ramp, blocky)["blocking"] > 5


def test_pictures_without_a_block_have_no_figures() -> None:
    tiny = np.zeros((9, 9, 3), np.uint8)
    assert block_means(tiny).shape == (0, 0, 3)
    assert np.isnan(border_ratio(tiny))
    assert all(np.isnan(value) for value in verdict_of(tiny, tiny).values())


def test_butteraugli_is_asked_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingWeights, match="butteraugli_main"):
        Butteraugli.make(Setting())
    tool = tmp_path / "butteraugli_main"
    tool.write_text('#!/bin/sh\nif [ ! -s "$1" ] || [ ! -s "$2" ]; then exit 3; fi\necho 4.5\necho "3-norm: 1.25"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    judge = Butteraugli.make(Setting())
    assert judge.prepare(picture(32, 32), None)(picture(32, 32)) == {"butteraugli": 1.25}
    tool.write_text("#!/bin/sh\necho no such codec >&2\nexit 1\n")
    with pytest.raises(RegioError, match="butteraugli_main: no such codec"):
        judge.score(picture(32, 32), picture(32, 32))


@pytest.mark.skipif(shutil.which("butteraugli_main") is None, reason="needs butteraugli_main of libjxl")
def test_butteraugli_itself_is_0_for_equal_pictures_and_rises_with_damage() -> None:
    judge, original = Butteraugli.make(Setting()), picture(96, 128)
    noise = np.random.default_rng(1).normal(size=original.shape)
    versions = [(original + strength * noise).clip(0, 255).astype(np.uint8) for strength in (4, 16, 64)]
    assert judge.score(original, original) == 0
    little, more, most = (judge.score(original, version) for version in versions)
    assert 0 < little < more < most
    assert judge.score(original[:8, :8], versions[0][:8, :8]) > 0
    assert np.isnan(judge.score(original[:7, :8], versions[0][:7, :8]))
