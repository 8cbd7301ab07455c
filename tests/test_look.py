"""Sheets to look at: equal bytes, crops by rule, and a page whose upper part stays."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from scripts import benchmark
from toy_codec import picture

from regio.errors import MissingWeights, UsageError

CODECS = "jpeg,webp"


@pytest.fixture(scope="module")
def look() -> ModuleType:
    return benchmark("look")


def run(look: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["look.py", *map(str, arguments)])
    found: int = look.main()
    return found


def test_each_picture_and_rate_has_a_sheet_and_its_figures(
    look: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        Image.fromarray(picture(96, 128)).save(tmp_path / f"{name}.png")
    out = tmp_path / "out"
    pictures = [tmp_path / "a.png", tmp_path / "b.png"]
    assert run(look, monkeypatch, *pictures, "-o", out, "--codecs", CODECS, "--rates", "2,0.05") == 0
    sheets = sorted(path.name for path in out.glob("*.jpg"))
    assert sheets == ["a-0.05.jpg", "a-2.jpg", "b-0.05.jpg", "b-2.jpg"]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert all(f"src='{name}'" in page for name in sheets)
    with (out / "figures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["picture"], row["rate"], row["codec"]) for row in rows[:4]] == [
        ("a.png", "0.05", "jpeg"), ("a.png", "0.05", "webp"), ("b.png", "0.05", "jpeg"), ("b.png", "0.05", "webp"),
    ]  # fmt: skip
    for row in rows:
        budget = float(row["rate"]) * 96 * 128 / 8
        assert (int(row["bytes"]) <= budget) == (row["rate"] == "2")
    by_jpeg, by_webp = ([int(row["bytes"]) for row in rows if row["codec"] == name] for name in ("jpeg", "webp"))
    assert all(
        b <= a for a, b in zip(by_jpeg[2:], by_webp[2:], strict=True)
    )  # at 2 bits, the second has no more bytes than the first
    printed = capsys.readouterr().out
    assert "2 pictures, at most 2 bits per pixel; 0 left out" in printed
    assert "0 pictures, at most 0.05 bits per pixel; 2 left out" in printed


def test_a_crop_may_be_named(look: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(picture(96, 128)).save(tmp_path / "a.png")
    chosen = [tmp_path / "a.png", "-o", tmp_path, "--codecs", CODECS, "--rates", "2", "--judges", "blocks", "--crop"]
    assert run(look, monkeypatch, *chosen, "a:8,8,40,30") == 0
    with Image.open(tmp_path / "a-2.jpg") as sheet:
        assert sheet.size == (look.GAP + 3 * (40 + look.GAP), look.GAP + 30 + 2 * look.LINE + look.GAP)
    with pytest.raises(UsageError, match="NAME:X,Y,WIDTH,HEIGHT"):
        run(look, monkeypatch, *chosen, "soft")


def test_crops_are_the_same_place_in_every_version_pixel_by_pixel(look: ModuleType) -> None:
    pixels = picture(300, 400)
    takes = look.takes_of(pixels, look.codecs_named(CODECS), 1.0, look.judges_in(""))
    assert all(take.fits and take.size <= 300 * 400 / 8 for take in takes)
    window = look.middle(pixels)
    assert (window.left, window.top, window.width, window.height) == (72, 22, 256, 256)
    made = np.asarray(look.sheet(pixels, takes, [window]))
    top = look.GAP + 2 * look.LINE
    for place, version in enumerate([pixels, *(take.pixels for take in takes)]):
        left = look.GAP + place * (256 + look.GAP)
        assert np.array_equal(made[top : top + 256, left : left + 256], version[22:278, 72:328])


def test_the_smallest_file_of_a_codec_that_cannot_go_so_low_says_so(look: ModuleType) -> None:
    (take,) = look.takes_of(picture(96, 128), look.codecs_named("jpeg"), 0.01, look.judges_in(""))
    assert not take.fits
    assert ", its smallest" in take.label[1]


def test_the_page_keeps_what_stands_above_its_mark(
    look: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(picture(96, 128)).save(tmp_path / "a.png")
    (tmp_path / "images").mkdir()
    page = tmp_path / "look.md"
    page.write_text(f"# Look\n\n{look.MARK}old", encoding="utf-8")
    monkeypatch.setattr(look, "DOCS", tmp_path)
    monkeypatch.setattr(look, "photographs", lambda: [look.Photograph("a", "A wall", tmp_path / "a.png")])
    for _ in range(2):
        assert run(look, monkeypatch, "--docs", "--codecs", CODECS, "--rates", "0.5") == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Look\n\n{look.MARK}\n## A wall\n")
    assert text.count("images/look-a-500.jpg") == 1
    assert "old" not in text
    page.write_text("# Look\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is missing"):
        run(look, monkeypatch, "--docs", "--codecs", CODECS, "--rates", "0.5")


@pytest.mark.weights
def test_a_codec_that_is_not_here_ends_the_command(look: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingWeights, match="nobody"):
        look.codecs_named("jpeg,nobody")
    with pytest.raises(MissingWeights, match="no look 'natural'"):
        look.codecs_named("segpic-xs:natural")
    with pytest.raises(SystemExit):
        run(look, monkeypatch, "a.png")


def test_the_page_of_the_documentation_shows_every_sheet_that_there_is() -> None:
    docs = Path(__file__).parents[1] / "docs"
    text = (docs / "look.md").read_text(encoding="utf-8")
    sheets = sorted(path.name for path in (docs / "images").glob("look-*.jpg"))
    assert sheets
    assert all(f"(images/{name})" in text for name in sheets)
