"""`regio evaluate` and `regio compare`, mostly on opponents: what is printed, what is written, what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from regio.cli.compare import compare
from regio.cli.evaluate import evaluate, numbers_in
from regio.errors import UsageError
from regio.evaluation.judges.ssimulacra2 import Ssimulacra2
from regio.losses.perceptual import LAYERS
from regio.losses.perceptual_weights import BACKBONES


def app() -> typer.Typer:
    commands = typer.Typer()
    commands.command()(evaluate)
    commands.command()(compare)
    return commands


def picture_file(path: Path, seed: int = 0) -> Path:
    rows, columns = np.mgrid[0:80, 0:100]
    planes = [127 + 90 * np.sin(rows / (6 + c + seed)) * np.cos(columns / 9) for c in range(3)]
    Image.fromarray(np.stack(planes, -1).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(2):
        picture_file(tmp_path / "in" / f"{number}.png", number)
    return tmp_path / "in"


def test_evaluate_prints_means_and_bd_rates_and_writes_the_report(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    command = ["evaluate", str(folder), "--codecs", "jpeg,webp", "--anchor", "jpeg", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app(), command)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[0] == "codec"
    assert [line.split()[0] for line in lines[1:20]] == ["jpeg"] * 9 + ["webp"] * 10
    assert any(line.startswith("| webp | jpeg | psnr | ") and "%" in line for line in lines)
    assert "broken.png skipped" in result.stderr
    assert len((tmp_path / "out" / "sweep.csv").read_text().splitlines()) == 1 + 2 * 19
    assert (tmp_path / "out" / "rd_psnr.svg").exists()
    again = CliRunner().invoke(app(), [*command, "--json"])
    content = json.loads(again.stdout)
    assert [curve["name"] for curve in content["curves"]] == ["jpeg", "webp"]
    assert content["bd_rates"][0]["anchor"] == "jpeg"


def test_odd_pictures_do_not_stop_a_run_with_every_judge(folder: Path, tmp_path: Path) -> None:
    pixels = np.asarray(Image.open(folder / "0.png"))
    Image.fromarray(pixels[..., 0]).save(folder / "grey.png")
    Image.fromarray(np.dstack([pixels, pixels[..., :1]])).save(folder / "alpha.png")
    Image.fromarray(pixels[:1, :1]).save(folder / "dot.png")
    Image.fromarray(pixels).convert("P").save(folder / "palette.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "marks.json").write_text(json.dumps({"0": {"face": [0, 0, 9, 9]}, "1": {"face": [0, 0, 999, 9]}}))
    torch.save(LAYERS["squeeze"]().state_dict(), tmp_path / "lpips_squeeze_backbone.pth")
    heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(BACKBONES["squeeze"].channels)}
    torch.save(heads, tmp_path / "squeeze.pth")
    command = ["evaluate", str(folder), "--codecs", "jpeg", "--settings", "jpeg=10,60", "-o", str(tmp_path / "out")]
    command += ["--marks", str(tmp_path / "marks.json"), "--lpips-weights", str(tmp_path), "--segmenter", "math:nan"]
    refused = CliRunner().invoke(app(), command)
    assert isinstance(refused.exception, UsageError)
    result = CliRunner().invoke(app(), command[:-2])
    assert result.exit_code == 0, result.output
    assert "broken.jpg skipped" in result.stderr
    assert "1.png skipped: box 0,0,999,9 reaches beyond" in result.stderr
    rows = list(csv.DictReader((tmp_path / "out/sweep.csv").read_text().splitlines()))
    assert {row["picture"] for row in rows} == {"0.png", "grey.png", "alpha.png", "dot.png", "palette.png"}
    by_picture = {row["picture"]: row for row in rows}
    assert by_picture["dot.png"]["lpips"] == ""
    assert float(by_picture["grey.png"]["lpips"]) > 0
    assert float(by_picture["0.png"]["roi_psnr"]) > 0
    problems = (tmp_path / "out/problems.csv").read_text()
    assert "broken.jpg" in problems
    assert "broken.jpg" in (tmp_path / "out/index.html").read_text()
    early = CliRunner().invoke(app(), [*command[:8], "--anchor", "webp"])
    assert "not among the codecs that take part: jpeg" in str(early.exception)
    wrong = CliRunner().invoke(app(), [*command[:5], "avif=3", *command[6:8]])
    assert isinstance(wrong.exception, UsageError)


@pytest.mark.parametrize(("options", "installed", "asked"), [
    ([], True, True), ([], False, False), (["--no-ssimulacra2"], True, False), (["--judges", "blocks"], True, True),
])  # fmt: skip
def test_ssimulacra2_is_in_the_report_where_its_package_is_installed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], installed: bool, asked: bool
) -> None:
    if not installed:
        monkeypatch.setattr(Ssimulacra2, "installed", staticmethod(lambda: False))
    command = ["evaluate", str(folder), "--codecs", "jpeg", "--settings", "jpeg=10,60", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app(), [*command, *options])
    assert result.exit_code == 0, result.output
    assert ("SSIMULACRA 2" in result.stdout) == asked
    assert (tmp_path / "out/rd_ssimulacra2.svg").exists() == asked
    assert ("SSIMULACRA 2" in (tmp_path / "out/index.html").read_text()) == asked
    if not installed:
        refused = CliRunner().invoke(app(), [*command, "--ssimulacra2"])
        assert "pip install ssimulacra2" in str(refused.exception)


def test_agreement_by_name_needs_a_segmenter(folder: Path) -> None:
    result = CliRunner().invoke(app(), ["evaluate", str(folder), "--codecs", "jpeg", "--judges", "agreement"])
    assert isinstance(result.exception, UsageError)
    assert "needs a --segmenter" in str(result.exception)


def test_compare_prints_a_table_and_writes_the_sheet(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "a.png")
    command = ["compare", str(path), "--bpp", "1.5", "--codecs", "jpeg,webp"]
    result = CliRunner().invoke(app(), command)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["codec", "jpeg", "webp"]
    with Image.open(tmp_path / "a.compare.png") as sheet:
        assert sheet.width == 12 + 3 * 372
    assert isinstance(CliRunner().invoke(app(), command).exception, UsageError)  # the sheet exists
    figures = json.loads(CliRunner().invoke(app(), [*command, "--force", "--json"]).stdout)
    assert figures["budget"] == 1500
    assert all(one["size"] <= 1500 and one["fits"] for one in figures["versions"])


@pytest.mark.weights
def test_compare_favours_what_is_marked(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "a.png")
    (tmp_path / "boxes.json").write_text('{"a": {"face": [10, 10, 20, 20]}}')
    command = ["compare", str(path), "--bpp", "0.5", "--codecs", "roi-xs,roi-xs+roi"]
    command += ["--marks", str(tmp_path / "boxes.json"), "--json", "-o", str(tmp_path / "sheet.png"), "--device", "cpu"]
    result = CliRunner().invoke(app(), command)
    assert result.exit_code == 0, result.output
    plain, favoured = json.loads(result.stdout)["versions"]
    assert [plain["codec"], favoured["codec"]] == ["roi-xs", "roi-xs+roi"]
    assert favoured["psnr"] < plain["psnr"]  # the rest pays for the region
    (tmp_path / "boxes.json").write_text("{}")
    refused = CliRunner().invoke(app(), [*command, "--force"])
    assert isinstance(refused.exception, UsageError)
    assert "marks nothing in a.png" in str(refused.exception)


def test_compare_reads_and_writes_streams(tmp_path: Path) -> None:
    data = picture_file(tmp_path / "a.png").read_bytes()
    result = CliRunner().invoke(app(), ["compare", "-", "--codecs", "jpeg", "-o", "-"], input=data)
    assert result.exit_code == 0, result.output
    with Image.open(io.BytesIO(result.stdout_bytes)) as sheet:
        assert sheet.format == "PNG"
    refused = CliRunner().invoke(app(), ["compare", "-", "--codecs", "jpeg", "--json"], input=data)
    assert isinstance(refused.exception, UsageError)


def test_qualities_are_numbers_from_0_to_100() -> None:
    assert numbers_in(None) == ()
    assert numbers_in("0, 37.5,100") == (0, 37.5, 100)
    with pytest.raises(UsageError, match="numbers, separated by commas"):
        numbers_in("low")
    with pytest.raises(UsageError, match="not within 0"):
        numbers_in("-1,5")
