"""Shells are told what could come next, quickly."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regio.cli.app import COMMANDS
from regio.models.catalog import CATALOG

Regio = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with `regio` in bin/, as an installation has it, and a picture."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "regio"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m regio "$@"\n')
    script.chmod(0o755)
    (tmp_path / "holiday.jpg").touch()
    return tmp_path


def in_shell(home: Path, shell: str, line: str) -> list[str]:
    environment = os.environ | {"PATH": f"{home / 'bin'}:{os.environ['PATH']}", "HOME": str(home)}
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *options, "-c", line],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.split("\n")


def in_bash(home: Path, typed: str) -> list[str]:
    """What bash has to offer after `typed`, as it finds out when TAB is pressed."""
    words = typed.split(" ")
    array = " ".join(f"'{word}'" for word in words)
    line = f'eval "$(regio completion bash)"; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; '
    line += '$(complete -p regio | sed "s/.*-F \\([^ ]*\\) .*/\\1/") regio; printf "%s\\n" "${COMPREPLY[@]}"'
    return [word for word in in_shell(home, "bash", line) if word]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("regio ", {name.split()[0] for name in COMMANDS}),
        ("regio bulk ", {"encode", "decode"}),
        ("regio encode --codec ", {entry.name for entry in CATALOG.values()}),
        ("regio encode --roi f", {"faces"}),
        ("regio bulk encode --max-", {"--max-bytes", "--max-memory", "--max-pixels"}),
        ("regio encode hol", set()),  # bash offers files itself then
    ],
)
def test_bash_offers_what_could_come_next(home: Path, typed: str, offered: set[str]) -> None:
    assert set(in_bash(home, typed)) == offered


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_the_same_and_files(home: Path) -> None:
    def offered(typed: str) -> set[str]:
        lines = in_shell(home, "fish", f'regio completion fish | source; complete --do-complete "{typed}"')
        return {line.partition("\t")[0] for line in lines if line}

    assert offered("regio bulk ") == {"encode", "decode"}
    assert offered("regio encode --codec ") == {entry.name for entry in CATALOG.values()}
    assert offered("regio encode hol") == {"holiday.jpg"}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(home: Path) -> None:
    line = 'autoload -U compinit; compinit -u; eval "$(regio completion zsh)"; print $_comps[regio]'
    (function,) = [word for word in in_shell(home, "zsh", line) if word]
    assert function == "_regio_completion"
    asked = "_REGIO_COMPLETE=complete_zsh _TYPER_COMPLETE_ARGS='regio bulk enc' regio"
    assert "encode" in "".join(in_shell(home, "zsh", asked))


def test_answering_loads_neither_torch_nor_numpy(home: Path) -> None:
    code = """if True:
        import atexit, sys
        atexit.register(lambda: print(sorted({"torch", "numpy", "PIL.Image"} & set(sys.modules)), file=sys.stderr))
        from regio.cli import main
        main()
    """
    asked = {"_REGIO_COMPLETE": "complete_bash", "COMP_WORDS": "regio encode --codec ", "COMP_CWORD": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True)
    assert "segpic-xs" in done.stdout.split()
    assert done.stderr in ("[]\n", "['PIL.Image']\n")  # Pillow comes with `import regio`, for its plugin


def test_an_unknown_shell_is_one_line(regio: Regio) -> None:
    done = regio("completion", "tcsh")
    assert done.code == 2
    assert "'bash', 'zsh', 'fish'" in done.err
    assert done.err.count("\n") == 1
