"""The commands that measure portability and robustness run, on toys, and fail when they should."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from scripts import run_benchmark as run
from shared import SHARED
from toy_codec import picture

pytestmark = pytest.mark.slow  # a process or more each, with a torch of its own


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for seed in range(2):
        Image.fromarray(picture(70, 90, seed)).save(tmp_path / f"{seed}.png")
    return tmp_path


def test_levels_by_whole_numbers_do_not_drift(pictures: Path) -> None:
    done = run("portability.py", pictures, "--random", "toy", "--qualities", 50, "--environments", "plain loops")
    assert done.returncode == 0, done.stderr
    assert "everything holds" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("random-toy")]
    assert rows[0][-6:] == ["4", "0", "0", "0", "0", "–"]  # of two pictures, with a region and without


def test_mixtures_are_the_same_whole_numbers_everywhere_whatever_the_context(pictures: Path) -> None:
    presets = [word for name in ("toy", "toy-autoregressive") for word in ("--random", f"roi:{name}")]
    done = run("portability.py", pictures, *presets, "--limit", 1, "--qualities", 50, "--environments", "plain loops")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("random-roi")]
    assert [row[-6:] for row in rows[:2]] == [["2", "0", "0", "0", "0", "–"]] * 2  # with a region and without


def test_levels_in_floating_point_stay_within_the_guard_and_far_outside_are_noticed(pictures: Path) -> None:
    names = "noise of 0.9 widths,noise of 100 widths"
    chosen = ["--random", "segpic-s", "--guard", 1e-4, "--limit", 1, "--crop", 64]  # wide: few positions, and some near
    done = run("portability.py", pictures, *chosen, "--environments", names)
    within, outside = (line.split() for line in done.stdout.splitlines()[1:3])
    assert within[-6:-3] == ["1", "0", "0"], done.stderr  # files, differ, noticed
    assert outside[-6:-3] == ["1", "1", "1"]


@pytest.mark.parametrize("preset", ["toy-guarded", "mcm:toy", "roi:toy"])
def test_random_weights_make_symbols_that_depend_on_the_picture(pictures: Path, preset: str) -> None:
    done = run("portability.py", pictures, "--random", preset, "--qualities", 50, "--environments", "threads 1")
    assert done.returncode == 0, done.stderr
    sizes = {line.split(": ")[-1] for line in done.stderr.splitlines() if line.startswith("wrote")}
    assert len(sizes) > 1  # nothing but zeros would have one size


def test_damaged_files_are_counted_by_what_came_of_them(pictures: Path) -> None:
    chosen = ["--random", "toy", "--random", "toy-guarded", "--limit", 1, "--crop", 64]
    done = run("robustness.py", pictures, *chosen, "-n", 60, "--container", 30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything holds" in done.stdout
    lines = done.stdout.partition("\n\n")[0].splitlines()[1:]
    assert sum(int(line.split()[-10]) for line in lines) == 90
    assert sum("taken apart" in line for line in lines) == 15  # kinds of damage


def test_the_time_of_a_codec_is_divided_among_its_parts(pictures: Path) -> None:
    done = run("breakdown.py", pictures / "0.png", "--random", "toy", "--repeats", 2)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[:9]}
    parts = ["pixels", "analysis", "hyper", "context", "coding", "synthesis", "container"]
    assert list(rows) == ["ms", *parts, "all"]
    for column in (0, 3):  # processor time of encoding and of decoding
        assert sum(float(rows[part][column]) for part in parts) == pytest.approx(float(rows["all"][column]), abs=0.5)
    assert float(rows["synthesis"][0]) == 0 < float(rows["synthesis"][3])
    assert float(rows["analysis"][3]) == 0 < float(rows["analysis"][0])


def test_the_environments_are_listed() -> None:
    assert len(run("portability.py", "--list").stdout.splitlines()) >= 10


def test_curves_of_opponents_are_written_for_codecs_that_are_complete(pictures: Path) -> None:
    if shutil.which("butteraugli_main") is None or not SHARED.is_dir():
        pytest.skip("needs butteraugli_main of libjxl and the weights of LPIPS")
    weights, out, codecs = SHARED / "data" / "weights", pictures / "curves", ["--codecs", "jpeg,webp"]
    arguments = ["--lpips-weights", weights, "-o", out, "--sweep", pictures / "sweep", *codecs]
    for _ in range(2):  # the second time from the sweep's table
        done = run("opponents.py", pictures, *arguments)
        assert done.returncode == 0, done.stderr
    curve = json.loads((out / "jpeg.json").read_text())
    assert curve["settings"] == [2, 5, 8, 12, 18, 28]
    assert {"bpp", "psnr-rgb", "ms-ssim-rgb", "lpips-squeeze", "ssimulacra2", "butteraugli"} - set(
        curve["results"]
    ) <= {
        "ms-ssim-rgb"  # the pictures are too small for it
    }
    assert len((out / "webp.csv").read_text().splitlines()) == 1 + 2 * 6


def test_the_plain_way_is_timed_beside_ours(pictures: Path) -> None:
    done = run("plain.py", pictures / "0.png", "--preset", "segpic-s", "--repeats", 1, "--crop", 64)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[1:3]]
    assert [row[0] for row in rows] == ["ours", "plain"]
    assert all(float(figure) > 0 for row in rows for figure in row[1:])
    assert "segpic-s, 64 x 64 pixels, 1 threads" in done.stdout


def test_a_synthesis_in_bfloat16_is_compared_with_that_of_float32(pictures: Path) -> None:
    done = run("half_synthesis.py", pictures, "--random", "toy", "--limit", 1, "--repeats", 1)
    assert done.returncode == 0, done.stderr
    header, row, *_ = done.stdout.splitlines()
    assert header.split()[:2] == ["codec", "bpp"]
    cells = row.split()
    assert cells[0] == "random-toy"
    assert 0 < float(cells[2].rstrip("%")) <= 100
    assert cells[3].endswith("/255")
    assert all(float(cell) > 0 for cell in cells[4:])
