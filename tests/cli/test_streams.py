"""Pipes, signals and start-up: the command as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stand_in
from PIL import Image

Shell = Callable[..., subprocess.CompletedProcess[bytes]]
MakeFile = Callable[..., Path]


def test_a_picture_goes_through_two_pipes(shell: Shell, picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file("a.png")
    done = shell("$REGIO encode - -o - < a.png | $REGIO decode - -o b.png")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"standard input -> b.png: 24 x 16\n"
    with Image.open(tmp_path / "a.png") as before, Image.open(tmp_path / "b.png") as after:
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before))


def test_standard_input_without_output_goes_to_standard_output(shell: Shell, picture_file: MakeFile) -> None:
    picture_file("a.png")
    done = shell("$REGIO encode - < a.png")
    assert done.stdout.startswith(b"\xd7\x52")
    assert shell("$REGIO encode - < a.png | $REGIO decode - --format bmp").stdout.startswith(b"BM")


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("into", ["| cat", "> out; cat out", "| tail -c +1"])
def test_standard_output_by_any_name_is_standard_output(
    shell: Shell, picture_file: MakeFile, name: str, into: str
) -> None:
    picture_file("a.png")
    done = shell(f"$REGIO encode a.png -o {name} {into}")
    assert (done.stdout[:2], done.stderr) == (b"\xd7\x52", b"")


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
def test_another_open_file_can_be_written_to(shell: Shell, picture_file: MakeFile) -> None:
    picture_file("a.png")
    done = shell("{ $REGIO encode a.png -o /dev/fd/3 3>&1 >&2; } | cat")
    assert done.stdout[:2] == b"\xd7\x52"


@pytest.mark.skipif(os.name == "nt", reason="POSIX devices")
@pytest.mark.parametrize("line", ["decode /dev/zero -o b.png", "verify /dev/zero", "info /dev/zero"])
def test_an_endless_device_is_refused_at_once(shell: Shell, line: str) -> None:
    done = shell(f"$REGIO {line}")
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)
    assert shell(f"$REGIO {line.replace('/dev/zero', '-')} < /dev/zero").returncode == 3


@pytest.mark.skipif(os.name == "nt", reason="POSIX devices")
def test_an_endless_device_is_no_picture_either(shell: Shell) -> None:
    done = shell("$REGIO compare /dev/zero")
    assert (done.returncode, done.stderr) == (2, b"regio: /dev/zero is a device, not a file\n")
    done = shell("$REGIO encode /dev/zero -o a.rgo")
    assert (done.returncode, done.stderr.count(b"\n")) == (3, 1)


@pytest.mark.skipif(os.name == "nt", reason="named pipes")
def test_a_pipe_in_a_folder_is_no_picture(shell: Shell, picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file("in/a.png")
    os.mkfifo(tmp_path / "in" / "b.png")
    done = shell("$REGIO encode in -o out/")
    assert (done.returncode, [path.name for path in (tmp_path / "out").iterdir()]) == (0, ["a.rgo"])


@pytest.mark.skipif(os.name == "nt", reason="POSIX names")
@pytest.mark.parametrize("name", ["a\nb.png", "tab\t.png", "b\x1b[31m.png", "\u2028.png", "plain.png"])
def test_json_names_are_the_real_ones(regio: Callable[..., Any], picture_file: MakeFile, name: str) -> None:
    picture_file(name)
    target = name.replace(".png", ".rgo")
    (record,) = regio("encode", name, "--json").records
    assert (record["source"], record["target"]) == (name, target)
    for command in ("info", "verify"):
        assert regio(command, target, "--json").records[0]["source"] == target
    (record,) = regio("decode", target, "--json", "-o", name, "--force").records
    assert (record["source"], record["target"]) == (target, name)
    Path(target).write_bytes(b"damaged")
    assert regio("verify", target, "--json").records[0]["source"] == target


def test_json_and_the_file_do_not_share_standard_output(shell: Shell, picture_file: MakeFile) -> None:
    picture_file("a.png")
    done = shell("$REGIO encode a.png -o - --json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot both go to standard output" in done.stderr


def test_foreign_bytes_in_a_pipe_are_one_line_and_no_output(shell: Shell, tmp_path: Path) -> None:
    done = shell("echo garbage | $REGIO decode - -o b.png")
    assert done.returncode == 3
    assert done.stderr.startswith(b"regio: standard input: ")
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["$REGIO encode a.png -o -", "$REGIO info a.rgo a.rgo", "$REGIO --help"])
def test_a_reader_that_leaves_is_met_in_silence(shell: Shell, picture_file: MakeFile, line: str) -> None:
    picture_file("a.png", width=300, height=300)
    shell("$REGIO encode a.png")
    done = shell(f"{{ {line}; echo $? >&2; }} | true")
    assert done.stderr in (b"0\n", b"1\n")  # 0 if all was written before the reader left


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_is_one_line_and_leaves_nothing_behind(picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file("in/a.png")
    asleep = tmp_path / "asleep"
    running = subprocess.Popen(
        [sys.executable, stand_in.__file__, "encode", "in"],
        cwd=tmp_path,
        env=os.environ | {"STAND_IN_SLEEPS": str(asleep)},
        stderr=subprocess.PIPE,
        # a test run in the background ignores the signal, and what it starts would as well
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with running:
        for _ in range(300):
            if asleep.exists():
                break
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        try:
            _, err = running.communicate(timeout=20)
        finally:
            running.kill()
    assert (running.returncode, err) == (130, b"regio: interrupted\n")
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX terminals")
def test_a_terminal_gets_progress_but_no_binary(picture_file: MakeFile, tmp_path: Path) -> None:
    import pty

    picture_file("a.png")
    picture_file("b.png")

    def on_a_terminal(*arguments: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        command = [sys.executable, stand_in.__file__, *arguments]
        code = subprocess.run(command, cwd=tmp_path, stdout=theirs, stderr=theirs, timeout=60, check=False).returncode
        os.close(theirs)
        written = os.read(ours, 1 << 16).decode()
        os.close(ours)
        return code, written

    code, written = on_a_terminal("encode", "a.png", "-o", "-")
    assert code == 2
    assert "regio: a.png: standard output is a terminal; use -o FILE, or pipe it on" in written
    code, written = on_a_terminal("encode", "a.png", "b.png")
    assert code == 0
    assert "1 of 2: a.png" in written
    assert "2 of 2: b.png" in written
    assert "a.png -> a.rgo: " in written


@pytest.mark.parametrize("arguments", [["--help"], ["info", "a.rgo"], ["models"], ["encode", "--help"]])
def test_light_commands_import_neither_torch_nor_numpy(
    shell: Shell, picture_file: MakeFile, tmp_path: Path, arguments: list[str]
) -> None:
    picture_file("a.png")
    shell("$REGIO encode a.png")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import stand_in; stand_in.install(sys.modules)\n"
        "from regio.cli.app import run\n"
        "assert run(sys.argv[2:]) == 0\n"
        "heavy = {'torch', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    here = str(Path(stand_in.__file__).parent)
    command = [sys.executable, "-c", code, here, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_importing_regio_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, regio; print(sorted({'torch', 'numpy', 'typer', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
