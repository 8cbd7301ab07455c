"""A sweep with a codec made of a few lines: what it measures, how it resumes, what it survives."""

from __future__ import annotations

import csv
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regio.errors import BadImage, UsageError
from regio.evaluation.budget import SizedFile
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.sweep import all_columns, find_pictures, read_rows, source_commit, sweep


class Rounding:
    """Rounds pixels to multiples of 2**setting and deflates them; counts its work; refuses a width of 7."""

    name = "rounding"
    description = "for tests"
    settings = (4.0, 2.0)

    def __init__(self, weights: str = "w1") -> None:
        self.weights = weights
        self.made: list[tuple[int, float]] = []

    def encode(self, pixels: np.ndarray, setting: float) -> bytes:
        height, width = pixels.shape[:2]
        if width == 7:
            raise BadImage("seven is not\na width")
        self.made.append((width, setting))
        step = int(2**setting)
        return bytes([height, width]) + zlib.compress((pixels // step * step).tobytes())

    def decode(self, data: bytes) -> np.ndarray:
        return np.frombuffer(zlib.decompress(data[2:]), np.uint8).reshape(data[0], data[1], 3)

    device = "cpu, 1 thread"

    def at_bytes(self, pixels: np.ndarray, budget: int) -> SizedFile:
        raise NotImplementedError

    def aimed_at(self, mask: np.ndarray | None) -> Rounding:
        return self

    def share_inside(self, data: bytes, mask: np.ndarray) -> float:
        return float(mask.mean())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name, shape in {"a.png": (20, 30, 3), "sub/b.png": (10, 40)}.items():
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    return tmp_path / "in"


def test_pictures_are_found_in_subfolders_and_named_by_their_path(folder: Path) -> None:
    assert list(find_pictures(folder)) == ["a.png", "sub/b.png"]
    with pytest.raises(UsageError, match="no pictures here"):
        find_pictures(folder.parent / "nowhere")


def test_every_picture_is_measured_at_every_setting(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "out" / "sweep.csv"
    outcome = sweep(find_pictures(folder), [Rounding()], table)
    assert [(row.picture, row.quality) for row in outcome.rows] == [
        ("a.png", 4), ("a.png", 2), ("sub/b.png", 4), ("sub/b.png", 2)
    ]  # fmt: skip
    row = outcome.rows[0]
    assert row.bpp == row.bytes * 8 / 600
    assert row.figures["psnr"] == pytest.approx(
        10 * math.log10(255**2 / 77.5), abs=0.3
    )  # mean of 0..15 squared is 77.5
    assert math.isnan(row.figures["ms_ssim"])
    assert (row.weights, row.commit) == ("w1", source_commit())
    assert table.read_text().splitlines()[0] == ",".join(all_columns())
    assert [again.key for again in read_rows(table)] == [row.key for row in outcome.rows]


def test_the_csv_keeps_the_columns_of_files_that_exist(folder: Path, tmp_path: Path) -> None:
    sweep({"a.png": folder / "a.png"}, [Rounding()], tmp_path / "s.csv", settings={"rounding": [1]})
    head, line = (tmp_path / "s.csv").read_text().splitlines()
    assert head == (
        "codec,picture,quality,bytes,bpp,psnr,ms_ssim,encode_seconds,decode_seconds,weights,commit,device,lpips,"
        "roi_psnr,background_psnr,agreement,roi_share,judges,dists,ssimulacra2,butteraugli,mean_y,mean_cb,mean_cr,"
        "blocking,truth,truth_lost"
    )
    fields = next(csv.reader([line]))
    assert fields[:4] == ["rounding", "a.png", "1", fields[3]]
    assert float(fields[5]) > 40
    assert fields[6] == ""
    assert fields[9:13] == ["w1", source_commit(), "cpu, 1 thread", ""]


def test_an_interrupted_sweep_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "sweep.csv"
    whole = sweep(find_pictures(folder), [Rounding()], table)
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:3]) + lines[3][:20])  # two rows and a line cut short
    codec = Rounding()
    resumed = sweep(find_pictures(folder), [codec], table)
    assert {row.key for row in resumed.rows} == {row.key for row in whole.rows}
    assert codec.made == [(40, 4), (40, 4), (40, 2)]  # the first is the warm-up
    assert len(table.read_text().splitlines()) == 5
    codec.made.clear()
    sweep(find_pictures(folder), [codec], table)
    assert codec.made == []


def test_other_weights_are_measured_anew_and_the_old_rows_kept(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "sweep.csv"
    sweep(find_pictures(folder), [Rounding("w1")], table)
    outcome = sweep(find_pictures(folder), [Rounding("w2")], table)
    assert {row.weights for row in outcome.rows} == {"w2"}
    assert len(outcome.rows) == 4
    assert len(read_rows(table)) == 8


def test_settings_can_be_given_per_codec(folder: Path, tmp_path: Path) -> None:
    outcome = sweep(find_pictures(folder), [Rounding()], tmp_path / "s.csv", settings={"rounding": [1]})
    assert [row.quality for row in outcome.rows] == [1, 1]


def test_pictures_and_files_that_fail_are_listed_and_do_not_stop_the_run(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    Image.new("RGBA", (1, 1)).save(folder / "dot.png")
    Image.new("RGB", (7, 7)).save(folder / "seven.png")
    outcome = sweep(find_pictures(folder), [Rounding(), OPPONENTS["jpeg"]], tmp_path / "s.csv", settings={"jpeg": [50]})
    assert {(row.codec, row.picture) for row in outcome.rows if row.picture in ("dot.png", "seven.png")} == {
        ("rounding", "dot.png"), ("jpeg", "dot.png"), ("jpeg", "seven.png")
    }  # fmt: skip
    assert [(problem.codec, problem.picture) for problem in outcome.problems] == [
        ("", "broken.png"), ("rounding", "seven.png"), ("rounding", "seven.png")
    ]  # fmt: skip
    assert outcome.problems[1].reason == "at 4: seven is not a width"


def test_progress_is_told_per_picture(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    sweep(find_pictures(folder), [Rounding()], tmp_path / "s.csv", progress=told.append)
    assert told == ["a.png (1 of 2): 2 files to make", "sub/b.png (2 of 2): 2 files to make"]


def test_another_table_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "accounts.csv"
    table.write_text("date,amount\n2024,3\n")
    with pytest.raises(UsageError, match="not a table of this command"):
        sweep(find_pictures(folder), [Rounding()], table)
    assert table.read_text() == "date,amount\n2024,3\n"
    table.write_text(",".join(all_columns()) + "\nx,y\n")
    with pytest.raises(UsageError, match="line 2 cannot be read"):
        read_rows(table)


def test_a_codec_that_changes_the_size_is_a_problem(folder: Path, tmp_path: Path) -> None:
    class Cropping(Rounding):
        def decode(self, data: bytes) -> np.ndarray:
            return super().decode(data)[1:]

    outcome = sweep({"a.png": folder / "a.png"}, [Cropping()], tmp_path / "s.csv")
    assert outcome.rows == ()
    assert "differ in shape" in outcome.problems[0].reason


def test_sheets_and_regions_that_were_written_beside_a_picture_are_no_pictures(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.compare.png", "a.roi.png", "b.roi.png", "sub.compare.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert list(find_pictures(tmp_path)) == ["a.jpg", "b.roi.png", "sub.compare.png"]
