"""Two processes, started by torchrun as a user would, train one model."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

PROGRAM = """
import sys
from pathlib import Path
import torch
from regio.training.loop import train
torch.set_num_threads(1)
train(Path(sys.argv[1]), out=Path(sys.argv[2]), device="cpu", resume="resume" in sys.argv)
"""


def torchrun(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this build of torch has no distributed package")
def test_two_processes_train_one_model_and_save_it_once(toy: Callable[..., Path], tmp_path: Path) -> None:
    recipe, run = toy({"steps": 4, "optimizer": "muon"}, run={"validate_every": 2}), tmp_path / "run"
    done = torchrun(tmp_path, recipe, run)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2, 3, 4, 4]  # every line once, the second process says nothing
    assert json.loads((run / "environment.json").read_text(encoding="utf-8"))["processes"] == 2
    state = torch.load(run / "last.pt", weights_only=True)
    assert state["step"] == 4
    assert all(bool(torch.isfinite(value).all()) for value in state["model"].values())


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this build of torch has no distributed package")
def test_two_processes_see_twice_the_pictures(toy: Callable[..., Path], tmp_path: Path) -> None:
    """The first gradient of two processes is the mean over their batches, not that of either."""
    from regio.training.loop import train

    recipe = toy({"steps": 1, "clip": 1e9})
    assert torchrun(tmp_path, recipe, tmp_path / "two").returncode == 0
    train(recipe, out=tmp_path / "one", device="cpu")
    two, one = (json.loads((tmp_path / n / "log.jsonl").read_text().splitlines()[0]) for n in ("two", "one"))
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)  # of the first process: the same batch
    assert two["norm"] != pytest.approx(one["norm"], rel=1e-3)
