"""regio train, as a user meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from regio.cli.app import run as regio

Toy = Callable[..., Path]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_train_stops_in_time_and_goes_on(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(toy({"steps": 100_000}))
    assert regio(["train", recipe, "--max-minutes", "0.02", "--device", "cpu"]) == 0
    assert capsys.readouterr() == ("runs/toy\n", "")
    assert regio(["train", recipe, "--max-minutes", "0.02", "--device", "cpu"]) == 2
    advice = "regio: runs/toy already holds a run; --resume continues it, --output names another folder\n"
    assert capsys.readouterr().err == advice
    first = torch.load("runs/toy/last.pt", weights_only=True)["step"]
    assert regio(["train", recipe, "--steps", "2", "--resume", "--device", "cpu"]) == 0
    assert torch.load("runs/toy/last.pt", weights_only=True)["step"] == first + 2


def test_everything_a_user_can_get_wrong_is_one_line(
    toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy({"crop": 100})
    empty = tmp_path / "empty"
    empty.mkdir()
    Path("list.toml").write_text("a = [", encoding="utf-8")
    for arguments, code, message in (
        (["toy.toml"], 2, "toy.toml: phase 1: crop=100 is not a multiple of 64"),
        (["list.toml"], 2, "list.toml: "),
        (["none.toml"], 2, "none.toml: No such file or directory"),
        (["toy.toml", "--steps", "0"], 2, "--steps"),
    ):
        assert regio(["train", *arguments, "--device", "cpu"]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert message in err
    recipe = str(toy())
    assert regio(["train", recipe, "--data", str(empty), "--device", "cpu"]) == 2
    assert capsys.readouterr().err == f"regio: no pictures in {empty}\n"
    assert regio(["train", recipe, "--device", "tpu"]) == 2
    assert "no device 'tpu'" in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_saves_and_says_interrupted(toy: Toy) -> None:
    command = [sys.executable, "-m", "regio", "train", str(toy({"steps": 100_000})), "--device", "cpu"]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    log = Path("runs/toy/log.jsonl")
    for _ in range(600):
        if log.exists() and log.stat().st_size:
            break
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (130, b"regio: interrupted\n")
    steps = [json.loads(line)["step"] for line in log.read_text(encoding="utf-8").splitlines()]
    assert torch.load("runs/toy/last.pt", weights_only=True)["step"] == steps[-1]


@pytest.mark.slow
def test_a_reader_that_is_killed_ends_the_run_in_one_line_and_it_goes_on(toy: Toy) -> None:
    recipe = toy({"steps": 100_000}, run={"save_every": 1}, data={"workers": 1})
    command = [sys.executable, "-m", "regio", "train", str(recipe), "--device", "cpu"]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    for _ in range(600):
        if Path("runs/toy/last.pt").exists():
            break
        time.sleep(0.1)
    (child,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    _, err = started.communicate(timeout=60)
    assert (started.returncode, err.count(b"\n")) == (1, 1)
    assert err.startswith(b"regio: a process that reads pictures was ended; is there enough memory")
    assert regio(["train", str(recipe), "--steps", "2", "--resume", "--device", "cpu"]) == 0


@pytest.mark.slow
def test_ctrl_c_reaches_the_readers_of_pictures_too_and_saves(toy: Toy) -> None:
    recipe = toy({"steps": 100_000}, data={"workers": 2})
    command = [sys.executable, "-m", "regio", "train", str(recipe), "--device", "cpu"]
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}, start_new_session=True
    )
    log = Path("runs/toy/log.jsonl")
    for _ in range(600):
        if log.exists() and log.stat().st_size:
            break
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)  # a terminal sends it to all
    _, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (130, b"regio: interrupted\n")
    assert Path("runs/toy/last.pt").exists()
