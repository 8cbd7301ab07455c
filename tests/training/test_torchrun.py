"""Two processes, started by torchrun as a user would, train one model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from regio.training.loop import train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this build of torch cannot do it"),
]


def torchrun(recipe: Path, run: Path, *options: str) -> subprocess.CompletedProcess[str]:
    start = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "regio", "train"]
    command = [sys.executable, "-m", *start, str(recipe), "-o", str(run), "--device", "cpu", *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_two_processes_train_one_model_and_save_it_once(toy: Callable[..., Path], tmp_path: Path) -> None:
    recipe, run = toy({"steps": 4, "optimizer": "muon"}, run={"validate_every": 2}), tmp_path / "run"
    done = torchrun(recipe, run)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{run}\n"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2, 3, 4, 4]  # every line once, the second process says nothing
    assert json.loads((run / "environment.json").read_text(encoding="utf-8"))["processes"] == 2
    state = torch.load(run / "last.pt", weights_only=True)
    assert state["step"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in state["model"].values())


def test_two_processes_see_twice_the_pictures(toy: Callable[..., Path], tmp_path: Path) -> None:
    """The first gradient of two processes is the mean over their batches, not that of either."""
    recipe = toy({"steps": 1, "clip": 1e9})
    assert torchrun(recipe, tmp_path / "two").returncode == 0
    train(recipe, out=tmp_path / "one", device="cpu")
    two, one = (json.loads((tmp_path / n / "log.jsonl").read_text().splitlines()[0]) for n in ("two", "one"))
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)  # of the first process: the same batch
    assert two["norm"] != pytest.approx(one["norm"], rel=1e-3)


def test_processes_stop_together_in_time(toy: Callable[..., Path], tmp_path: Path) -> None:
    recipe, run = toy({"steps": 100_000}, run={"validate_every": 100_000}), tmp_path / "run"
    assert torchrun(recipe, run, "--max-minutes", "0.1").returncode == 0
    reached = torch.load(run / "last.pt", weights_only=True)["step"]
    assert torchrun(recipe, run, "--steps", "2", "--resume").returncode == 0
    assert 0 < reached == torch.load(run / "last.pt", weights_only=True)["step"] - 2
