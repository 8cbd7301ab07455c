"""The commands that measure kept sets and masking run, on toys, and fail when they should."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from scripts import run_benchmark as run
from shared import SHARED, needs_shared
from toy_codec import picture

from regio.models.mcm import MCM, TOY
from regio.weights import store

JUDGES = SHARED / "data" / "weights"
pytestmark = pytest.mark.slow  # a process each, with a torch of its own


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(picture(260, 300)).save(folder / "0.png")
    return folder


def weights(path: Path, layout: str) -> Path:
    torch.manual_seed(0)
    store.save(MCM(replace(TOY, layout=layout)), path)
    return path


def test_kept_sets_are_measured_beside_their_bound(pictures: Path) -> None:
    done = run("positions.py", pictures)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["64", "drawn"], ["64", "best"], ["144", "drawn"], ["144", "best"]]
    assert all(float(row[2]) <= float(row[3]) + 2 for row in rows)  # whole bytes, and two bits
    assert run("positions.py", pictures.parent).returncode == 2


@needs_shared
def test_studies_of_masking_run_and_want_the_right_weights(pictures: Path, tmp_path: Path) -> None:
    grid, packed = weights(tmp_path / "grid.safetensors", "grid"), weights(tmp_path / "packed.safetensors", "packed")
    done = run("masking.py", "strategies", pictures, "--codec", grid, "--judges", JUDGES)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line[:1].isalpha()] == [
        *("random", "texture", "structure", "da-mask", "ours") * 2
    ]
    done = run("masking.py", "ratios", pictures, "--codec", grid, "--judges", JUDGES)
    assert len(done.stdout.splitlines()) == 2 + 7 * 5, done.stderr
    done = run("masking.py", "layouts", pictures, "--codec", grid, "--packed", packed, "--judges", JUDGES)
    assert "grid against packed" in done.stdout, done.stderr
    assert run("masking.py", "layouts", pictures, "--codec", grid).returncode == 2
