"""The command, called in this process (fast) or in one of its own (pipes, signals, what gets imported)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stand_in as stand_in_codec

from regio.cli.app import run


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def regio(
    stand_in: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """A function: arguments -> what the command did, with the stand-in codec, in the test's own folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """A function: a shell line in which $REGIO is the command -> the finished process."""

    def call(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        command = f"{sys.executable} {stand_in_codec.__file__}"
        environment = os.environ | {"REGIO": command} | variables
        whole = ["bash", "-o", "pipefail", "-c", line]
        return subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)

    return call
