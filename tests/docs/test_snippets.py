"""Every command and snippet of README.md and docs/ is run, or says why it is not."""

import contextlib
import io
import re
import shlex
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from snippets import ROOT, Snippet, check, command_of, commands, execute, options_of, pages, snippets, without_numbers

from regio.training.recipe import read_recipe

Reader = Callable[[], Path]
PAGES = {str(page.relative_to(ROOT)): snippets(page) for page in pages()}
RUNNING = [name for name, found in PAGES.items() if any(one.runs for one in found)]
SLOW = [name for name, found in PAGES.items() if any(one.mark == "slow" for one in found)]
ALL = [pytest.param(one, id=one.where) for found in PAGES.values() for one in found]


def go_through(page: str, slow: bool) -> None:
    """Do all that a page says, from top to bottom, in the working folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for one in PAGES[page]:
        if one.mark == "file":
            Path(one.note).write_text(one.text, encoding="utf-8")
        elif one.mark == "output":
            assert without_numbers(printed) == without_numbers(one.text), f"{one.where} shows another output"
        elif one.runs and (slow or one.mark != "slow"):
            printed = python(one, names) if one.language == "python" else shell(one)


def shell(one: Snippet) -> str:
    """Run the commands of a block -> what the last one printed."""
    printed = ""
    for command in commands(one.text):
        try:
            printed = execute(command)
        except AssertionError as error:
            pytest.fail(f"{one.where}: {error}")
    return printed


def python(one: Snippet, names: dict[str, Any]) -> str:
    """Run a block with the names that those before it left -> what it printed."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * one.line + one.text, one.where, "exec"), names)
    except Exception:
        pytest.fail(f"{one.where}:\n{traceback.format_exc()}")
    return printed.getvalue()


# A page may leave a file open that it looked at, as people do in notebooks.
OPEN = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@OPEN
@pytest.mark.weights
@pytest.mark.parametrize("page", RUNNING)
def test_a_page_works_from_top_to_bottom(page: str, reader: Reader) -> None:
    reader()
    go_through(page, slow=False)


@pytest.mark.filterwarnings("default")  # other people's libraries, Ray above all, use what is deprecated
@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("page", SLOW)
def test_slow_blocks_work_too(page: str, reader: Reader) -> None:
    reader()
    go_through(page, slow=True)


@pytest.mark.parametrize("one", ALL)
def test_what_is_not_run_says_why_and_is_right_as_far_as_can_be_seen(one: Snippet) -> None:
    languages = ("python", "bash", "toml", "json", "text", "html", "js")  # tests/web runs what the last two show
    assert one.language in languages, f"{one.where}: what is {one.language!r}?"
    if one.mark == "not run":
        assert len(one.note.split()) >= 3, f"{one.where}: a reason is wanted"
        if one.language == "python":
            compile(one.text, one.where, "exec")
    if one.language == "bash":
        for command in commands(one.text):
            check(command)
    if one.language == "toml":
        tomllib.loads(one.text)


@pytest.mark.parametrize("one", [one for one in ALL if one.values[0].language == "toml"])  # type: ignore[union-attr]
def test_recipes_on_pages_are_recipes(one: Snippet, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(one.text, encoding="utf-8")
    assert read_recipe(path).name


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_sentences_exist(page: Path) -> None:
    prose = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for text in re.findall(r"`((?:regio|python|make|pip) [^`]+)`", prose):
        command = text.replace("\n", " ")
        if command.startswith("regio ") and re.match(r"regio [A-Z]+\b", command):
            continue  # `regio COMMAND --help`
        check(command)


def test_commands_are_told_apart_from_remarks() -> None:
    block = "regio info a.rgo     regio verify b/\nregio encode a.png \\\n  -q 5   # small\npython x.py     and so on\n"
    assert list(commands(block)) == ["regio info a.rgo", "regio verify b/", "regio encode a.png -q 5", "python x.py"]


@pytest.mark.parametrize(
    "wrong",
    [
        "regio encrypt a.png",
        "regio encode a.png --qualty 5",
        "python benchmarks/none.py",
        "make tea",
        "pip install 'regio[tea]'",
    ],
)
def test_wrong_commands_are_noticed(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check(wrong)


def test_marks_are_found() -> None:
    marked = [one for found in PAGES.values() for one in found if one.mark]
    assert {one.mark for one in marked} == {"not run", "slow", "file", "output"}
    assert max(len(one.note) for one in marked) < 120  # a mark ends where its comment does
    assert command_of(shlex.split("encode a.png")) is not None
    assert "--quality" in options_of(command_of(["encode"]))
