"""Plain values of the command line are converted without Typer, all others by it."""

import sys
from typing import Annotated, Any

import pytest
import typer

from regio.cli.values import Command, Group

SEEN: list[tuple[Any, ...]] = []


def command(
    files: Annotated[list[str], typer.Argument()],
    name: Annotated[str | None, typer.Option("--name")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag")] = None,
    size: Annotated[list[int] | None, typer.Option("--size")] = None,
    rate: Annotated[float | None, typer.Option("--rate", min=0, max=100)] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1)] = 1,
    force: Annotated[bool, typer.Option("--force")] = False,
) -> None:
    """A command with each kind of parameter."""
    SEEN.append((files, name, tag or None, size or None, rate, jobs, force))


def run(*arguments: str) -> tuple[Any, ...]:
    app = typer.Typer(cls=Group, callback=lambda: None)
    app.command("go", cls=Command)(command)
    SEEN.clear()
    typer.main.get_command(app)(["go", *arguments], standalone_mode=False)
    return SEEN[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("a",), (["a"], None, None, None, None, 1, False)),
        (("a", "b", "--name", "5"), (["a", "b"], "5", None, None, None, 1, False)),
        (("a", "--tag", "x", "--tag", "y"), (["a"], None, ["x", "y"], None, None, 1, False)),
        (("a", "--size", "3", "--size", "4"), (["a"], None, None, [3, 4], None, 1, False)),
        (("a", "--rate", "60", "--jobs", "2"), (["a"], None, None, None, 60.0, 2, False)),
        (("a", "--rate", "4e1", "--force"), (["a"], None, None, None, 40.0, 1, True)),
        (("--", "-a", "--name"), (["-a", "--name"], None, None, None, None, 1, False)),
    ],
)
def test_each_value_has_its_kind(arguments: tuple[str, ...], expected: tuple[Any, ...]) -> None:
    found = run(*arguments)
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


@pytest.mark.parametrize(
    "arguments",
    [(), *(("a", *pair) for pair in [("--rate", "101"), ("--rate", "much"), ("--jobs", "0"), ("--jobs", "1.5")])],
)
def test_wrong_values_get_typers_errors(arguments: tuple[str, ...]) -> None:
    with pytest.raises(Exception) as caught:
        run(*arguments)
    assert type(caught.value).__name__ in ("BadParameter", "MissingParameter")
    assert not SEEN


def test_plain_values_need_no_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.delitem(sys.modules, "typer._adapters", raising=False)
    assert run("a", "--name", "n", "--rate", "12.5", "--jobs", "3", "--force")[4] == 12.5
