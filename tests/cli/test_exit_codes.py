"""One table of exit codes, as documented, and reached from the command line."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from regio import errors
from regio.cli.exit_codes import code_of

DOCUMENTED = {
    errors.RegioError: 1,
    errors.NeedsTorch: 1,
    errors.UsageError: 2,
    errors.NoSuchFile: 2,
    errors.IsAFolder: 2,
    errors.CorruptFile: 3,
    errors.BadImage: 3,
    errors.UnsupportedFile: 4,
    errors.MissingWeights: 4,
    errors.LimitExceeded: 5,
}
Regio = Callable[..., Any]
MakeFile = Callable[..., Path]


def test_every_error_of_the_library_has_its_documented_code() -> None:
    declared = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RegioError)}
    assert declared == set(DOCUMENTED)
    assert {kind: code_of(kind("message")) for kind in declared} == DOCUMENTED


def test_errors_of_python_have_codes_too() -> None:
    assert code_of(OSError("disk")) == 1
    assert code_of(FileNotFoundError("file")) == 1
    assert code_of(MemoryError()) == 5
    assert code_of(KeyboardInterrupt()) == 130


def test_a_subclass_has_the_code_of_what_it_refines() -> None:
    class Finer(errors.CorruptFile):
        pass

    assert code_of(Finer("message")) == 3


@pytest.mark.parametrize("kind", DOCUMENTED)
def test_an_error_from_the_codec_ends_the_command_with_one_line_and_its_code(
    regio: Regio, picture_file: MakeFile, monkeypatch: pytest.MonkeyPatch, stand_in: Any, kind: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise kind("what\nhappened")

    monkeypatch.setattr(stand_in.Codec, "encode", fail)
    done = regio("encode", picture_file())
    assert (done.code, done.out) == (DOCUMENTED[kind], "")
    assert done.err.count("\n") == 1
    systems = {errors.NoSuchFile: "No such file or directory", errors.IsAFolder: "Is a directory"}  # these are OSErrors
    said = f"{systems[kind]}: what\\nhappened" if kind in systems else "what happened"
    assert done.err.endswith(f"photo.png: {said}\n")


def test_zero_is_success(regio: Regio, picture_file: MakeFile) -> None:
    assert regio("encode", picture_file()).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "--nonsense", "a.png"], "No such option: --nonsense"),
        (["encode"], "Missing argument 'PICTURE...'; see regio encode --help"),
        (["encode", "a.png", "-q", "101"], "--quality"),
        (["encode", "a.png", "-q", "much"], "--quality"),
        (["encode", "a.png", "-j", "0"], "--jobs"),
        (["encode", "a.png", "--max-bytes", "many"], "'many' is not a number of bytes"),
        (["encode", "a.png", "-q", "50", "--max-bytes", "40k"], "--quality and --max-bytes contradict each other"),
        (["encode", "a.png", "--target-bpp", "0.2", "--target-psnr", "34"], "--target-bpp and --target-psnr"),
        (["encode", "nothing.png"], "nothing.png: No such file or directory"),
        (["decode", "*.rgo"], "nothing fits *.rgo"),
        (["nonsense"], "nonsense"),
        (["import-weights", "unknown", "a.pth", "b.safetensors"], "no layout 'unknown'"),
        (["import-weights", "segpic", "a.pth", "b.bin"], "the name must end in .safetensors"),
    ],
)
def test_a_wrong_command_line_is_two_and_one_line(regio: Regio, arguments: list[str], message: str) -> None:
    Image.new("RGB", (2, 2)).save("a.png")
    done = regio(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_without_arguments_the_help_is_shown(regio: Regio) -> None:
    assert "Commands:" in regio().out + regio().err


def test_the_version_is_a_result(regio: Regio) -> None:
    from regio import __version__

    done = regio("--version")
    assert (done.code, done.out) == (0, f"regio {__version__}\n")


def test_what_needs_torch_says_so_in_one_line_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    golden = Path(__file__).parents[1] / "weights/golden/portrait-8.rgo"
    command = [sys.executable, "-m", "regio", "decode", str(golden), "--engine", "torch", "-o", "out.png"]
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "regio: regio decode needs PyTorch: pip install 'regio[torch]'\n")
    assert not (tmp_path / "out.png").exists()
