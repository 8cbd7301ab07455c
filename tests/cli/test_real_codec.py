"""The command with the real codec, on toy weights made on the spot: nothing between the two is left to a stand-in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regio.cli.app import run
from regio.models.segpic import SegPIC, SegPICConfig
from regio.weights.store import save

MakeFile = Callable[..., Path]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a weights file in the test's own folder, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        save(SegPIC(SegPICConfig.preset("toy")), Path("toy.safetensors"))
    yield "toy.safetensors"
    torch.set_num_threads(threads)


def test_every_command_on_files_works_on_what_encode_writes(
    toy: str, picture_file: MakeFile, capsys: pytest.CaptureFixture[str]
) -> None:
    picture_file("in/a.png", width=33, height=20)
    picture_file("in/b.png", width=1, height=1)
    assert run(["encode", "in", "-o", "one", "--codec", toy, "-q", "30"]) == 0
    assert run(["encode", "in", "-o", "two", "--codec", toy, "-q", "30", "-j", "2"]) == 0
    for name in ("a.rgo", "b.rgo"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    assert run(["info", "one"]) == 0
    assert "custom (toy), quality 30" in capsys.readouterr().out
    assert run(["verify", "one", "--codec", toy]) == 0
    assert run(["decode", "one", "-o", "back", "--codec", toy]) == 0
    with Image.open("back/a.png") as image:
        assert image.size == (33, 20)


def test_custom_weights_that_are_not_named_are_missing_weights(
    toy: str, picture_file: MakeFile, capsys: pytest.CaptureFixture[str]
) -> None:
    picture_file("a.png")
    run(["encode", "a.png", "--codec", toy])
    assert run(["verify", "a.rgo"]) == 4
    assert run(["encode", "a.png", "--codec", "none.safetensors", "--force"]) == 4
    assert run(["encode", "a.png", "--codec", "no-such-codec", "--force"]) == 4
    assert run(["encode", "a.png", "--codec", toy, "--device", "abacus", "--force"]) == 2
    assert capsys.readouterr().err.count("\n") == 4


@pytest.mark.parametrize("arguments", [["models"], ["info", "a.rgo"]])
def test_what_only_looks_imports_neither_torch_nor_numpy(
    toy: str, picture_file: MakeFile, arguments: list[str]
) -> None:
    picture_file("a.png")
    run(["encode", "a.png", "--codec", toy])
    code = (
        "import sys; from regio.cli.app import run; assert run(sys.argv[1:]) == 0\n"
        "print({'torch', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"set()\n")


def test_the_documented_pipe_works(toy: str, picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file("a.png")
    regio = f"{sys.executable} -m regio"
    line = f"{regio} encode - -o - --codec {toy} < a.png | {regio} decode - -o b.png --codec {toy}"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    run(["encode", "a.png", "--codec", toy])
    run(["decode", "a.rgo", "-o", "c.png", "--codec", toy])
    with Image.open("b.png") as piped, Image.open("c.png") as direct:
        assert np.abs(np.asarray(piped).astype(int) - np.asarray(direct)).max() <= 1  # rounding may differ by process
