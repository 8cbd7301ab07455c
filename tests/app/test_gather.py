"""A blind study filled from a folder, as a user meets it."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regio.app.study import Study
from regio.cli.app import run as regio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(3):
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC).save(tmp_path / f"in/{number}.png")
    (tmp_path / "in/broken.png").write_bytes(b"no picture")
    return tmp_path / "in"


def test_a_folder_becomes_questions_at_each_rate_and_the_command_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "votes.db"
    command = ["study", str(folder), "-o", str(file), "--codecs", "jpeg,webp", "--bpp", "1,2"]
    assert regio([*command[:-1], "1"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{file}: 3 questions added; vote with regio app --study {file}\n"
    assert "broken.png skipped: " in said.err
    assert regio([*command, "--json"]) == 0
    assert capsys.readouterr().out == '{"added": 3, "there": 3, "over": {}}\n'
    study = Study(file)
    assert study.titles() == {f"{number}.png, {rate} bpp" for number in range(3) for rate in (1, 2)}
    for _ in range(6):
        ballot = study.ballot("ann")
        assert ballot is not None
        assert len(ballot.versions) == 2
        study.vote("ann", ballot.picture, "A")
    votes = list(csv.DictReader(io.StringIO(study.votes_csv())))
    assert {vote["codec"] for vote in votes} <= {"jpeg", "webp"}
    for vote in votes:
        assert int(vote["bytes"]) <= float(vote["title"].split()[1]) * 96 * 64 / 8


def test_pictures_are_drawn_by_the_seed_and_files_over_the_rate_are_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.png").unlink()
    titles = []
    for seed in ("0", "0", "1", "2", "3"):
        file = tmp_path / f"{len(titles)}.db"
        command = ["study", str(folder), "-o", str(file), "--codecs", "jpeg,webp", "--bpp", "0.02", "--pictures", "1"]
        assert regio([*command, "--seed", seed]) == 0
        titles.append(Study(file).titles())
    said = capsys.readouterr()
    assert "jpeg: 1 file is larger than the rate allows" in said.err
    assert "0.db: 1 question added; vote with" in said.out
    assert regio([*command, "--seed", "3"]) == 0
    assert ".db: 0 questions added, 1 was there; vote with" in capsys.readouterr().out
    assert titles[0] == titles[1]
    assert len(set(map(frozenset, titles))) > 1
    assert all(len(one) == 1 for one in titles)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--codecs", "jpeg"], "a study compares 2 to 12 codecs, not 1"),
        (["--bpp", "0"], "--bpp: give numbers from 0 to 24"),
        (["--bpp", "a"], "--bpp: give numbers from 0 to 24"),
        (["--codecs", "jpeg,none"], "none"),
    ],
)
def test_what_is_wrong_is_said_before_a_file_is_made(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert regio(["study", str(folder), "-o", str(tmp_path / "no.db"), "--codecs", "jpeg,webp", *options]) != 0
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err
    assert not (tmp_path / "no.db").exists()
