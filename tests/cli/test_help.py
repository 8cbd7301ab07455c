"""Help and documentation say the same as the code."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regio.cli.app import COMMANDS
from regio.cli.exit_codes import EXIT_CODES, FAILURE, OK

DOCS = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
COMMON = {"--help", "--output", "--jobs", "--force", "--json", "--device"}  # in the section that all commands share
Regio = Callable[..., Any]


def section(command: str) -> str:
    found = re.search(rf"^##+ `regio {command}\b.*?(?=^##+ |\Z)", DOCS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section on {command}"
    return found[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented_and_every_documented_option_exists(regio: Regio, command: str) -> None:
    done = regio(*command.split(), "--help")
    assert done.code == 0
    listed = re.findall(
        r"^ +(?:-\w, )?(--[a-z0-9-]+(?: / --[a-z0-9-]+)?)", done.out.partition("Options:")[2], re.MULTILINE
    )
    offered = {name for names in listed for name in names.split(" / ")}
    names = " ".join(re.findall(r"^\| (`-[^|]+)\|", section(command), re.MULTILINE))  # first cells of the table
    documented = set(re.findall(r"(?<=`)--[a-z0-9-]+(?=`)", names))
    assert offered - COMMON <= documented <= offered


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_that_begin_with_it(regio: Regio, command: str) -> None:
    examples = regio(*command.split(), "--help").out.partition("Examples:")[2]
    assert examples.count(f"regio {command}") >= 1
    assert examples.count("regio ") >= 2


def test_the_exit_codes_are_documented() -> None:
    rows = re.findall(r"^\| (\d+) \|", DOCS, re.MULTILINE)
    assert {int(row) for row in rows} == {OK, FAILURE, *EXIT_CODES.values()}


def test_a_command_does_not_wait_for_the_modules_of_others() -> None:
    code = "import sys; from regio.cli.app import run; assert run(['decode', '--help']) == 0; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "regio.cli.decode" in loaded
    assert not {"regio.cli.encode", "regio.cli.bulk", "regio.cli.evaluate", "regio.evaluation"} & loaded
