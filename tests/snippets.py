"""The code blocks of README.md and docs/: found, and run as a reader would, but in this process.

A block is preceded by a comment where something is to be known of it:

    <!-- not run: REASON -->   it cannot run here; its commands and options are checked all the same
    <!-- slow -->              it takes more than a few seconds
    <!-- file: NAME -->        the reader saves it under that name
    <!-- output -->            what the command before it prints, but for numbers
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from regio.cli.app import build, run

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!-- (not run|slow|file|output)(?:: ([^>]+?))? -->\s*\Z")
PROGRAMS = ("regio", "python", "pip", "make", "git", "torchrun", "cd")
NOT_OURS = ("pip", "make", "git", "torchrun", "cd")  # these change the machine: looked at, not run
EXTRAS = re.compile(r"\[([a-z,]+)\]")


@dataclass(frozen=True)
class Snippet:
    """One fenced block."""

    page: Path
    line: int
    language: str  # python, bash, toml, json, text, html, js
    text: str
    mark: str  # not run, slow, file, output, or nothing
    note: str  # what the mark says

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether the tests run it."""
        return self.mark in ("", "slow") and self.language in ("python", "bash")


def pages() -> list[Path]:
    """README.md, what stands beside it, and every page of docs/."""
    beside = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*beside, *sorted((ROOT / "docs").rglob("*.md"))]


def snippets(page: Path) -> list[Snippet]:
    """The fenced blocks of a page, in order. Blocks without a language are commands if they look like it."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent, language, body = match.groups()
        body = re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        comment = COMMENT.search(text[: match.start()].rstrip())
        mark, note = comment.groups() if comment else ("", "")
        line = text.count("\n", 0, match.start()) + 1
        found.append(Snippet(page, line, language or guess(body), body, mark, note or ""))
    return found


def guess(body: str) -> str:
    """bash if some line begins with a program that the docs call, else text."""
    return "bash" if any(line.split(" ")[0] in PROGRAMS for line in body.splitlines()) else "text"


def commands(text: str) -> Iterator[str]:
    """The command lines of a block; two may share a line, side by side, and words after spaces are a remark."""
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        for part in re.split(r"\s{2,}(?=(?:regio|python) )", line.strip()):
            command = re.split(r"\s+#|\s{4,}", part.removeprefix("$ "))[0].strip()
            if command:
                yield command


@dataclass(frozen=True)
class Stage:
    """One program of a pipe."""

    words: list[str]
    source: str | None
    target: str | None


def stages(command: str) -> list[Stage]:
    """ "a < x | b > y" -> its programs. Nothing else of a shell's language is in the docs."""
    found: list[Stage] = []
    for part in re.split(r" \| ", command):
        words, ends = [], {}
        waiting = ""
        for word in shlex.split(part):
            if waiting:
                ends[waiting], waiting = word, ""
            elif word in ("<", ">"):
                waiting = word
            else:
                words.append(word)
        found.append(Stage(words, ends.get("<"), ends.get(">")))
    return found


def regio(words: list[str], given: bytes) -> bytes:
    """Run `regio WORDS` in this process -> what it printed. AssertionError with what it said, if it fails."""
    command = command_of(words)
    if command is not None and "--force" in options_of(command):
        words = [*words, "--force"]  # a page shows alternatives, which may write the same file
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(given), "utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
    finally:
        sys.stdin = before
    for stream in (out, err):
        stream.flush()
    said = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert code == 0, f"regio {shlex.join(words)} ends with {code}: {said}"
    printed: bytes = out.buffer.getvalue()  # type: ignore[attr-defined]
    return printed


def python_script(words: list[str]) -> bytes:
    """Run `python SCRIPT WORDS` in this process -> what it printed; AssertionError if it fails."""
    if words[0].startswith("benchmarks/"):
        raise AssertionError(f"{shlex.join(words)} measures for minutes: say <!-- not run: REASON --> before the block")
    before, sys.argv = sys.argv, words
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise AssertionError(f"python {shlex.join(words)}: {end.code}") from end
    finally:
        sys.argv = before
    return printed.getvalue().encode()


def execute(command: str) -> str:
    """Run one command line in the working folder -> what it printed."""
    data = b""
    for stage in stages(command):
        program, *words = stage.words
        if stage.source is not None:
            data = Path(stage.source).read_bytes()
        if program == "regio":
            data = regio(words, data)
        elif program == "python":
            data = python_script(words)
        elif program in NOT_OURS:
            check(command)
        elif shutil.which(program):  # jq and the like, where there are
            done = subprocess.run(stage.words, input=data, capture_output=True, check=False)
            assert not done.stderr, f"{command}: {done.stderr.decode()}"
            data = done.stdout
        if stage.target is not None:
            Path(stage.target).expanduser().write_bytes(data)
            data = b""
    return data.decode(errors="replace")


def check(command: str) -> None:
    """Look at a command without running it: what it calls exists, and takes the options that are given."""
    for stage in stages(command):
        program, *words = stage.words
        if program == "torchrun":
            program, words = "regio", words[words.index("regio") + 1 :]
        if program == "regio":
            found = command_of(words)
            assert found is not None, f"{command}: no such command"
            unknown = {word for word in words if re.match(r"--?[a-z]", word)} - options_of(found)
            assert not unknown, f"{command}: no option {', '.join(sorted(unknown))}"
        elif program == "python":
            script = ROOT / words[0]
            assert script.is_file(), f"{command}: no such script"
            source = script.read_text(encoding="utf-8")
            beside = [
                script.with_name(f"{name}.py") for name in re.findall(r"^from (\w+) import", source, re.MULTILINE)
            ]
            source += "".join(path.read_text(encoding="utf-8") for path in beside if path.is_file())
            unknown = {word for word in words if word.startswith("--") and f'"{word}"' not in source}
            assert not unknown, f"{command}: no option {', '.join(sorted(unknown))}"
        elif program == "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            wanted = [word for word in words if "=" not in word]
            assert set(wanted) <= set(targets), f"{command}: no such target"
        elif program == "pip":
            import tomllib

            extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            asked = {extra for group in EXTRAS.findall(command) for extra in group.split(",")}
            assert asked <= set(extras["optional-dependencies"]), f"{command}: no such extra"


@cache
def entry() -> Any:
    """The command line, built once."""
    return typer.main.get_command(build())


def command_of(words: list[str]) -> Any:
    """The command that `regio WORDS` calls, also within a group; None if there is none."""
    found = entry()
    for word in words:
        if not hasattr(found, "commands"):
            break
        if word.startswith("-"):
            continue
        if word not in found.commands:
            return None
        found = found.commands[word]
    return found


def options_of(command: Any) -> set[str]:
    """ "-o", "--output" and so on, with those for help."""
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return names | {"--help", "-h"}


def without_numbers(text: str) -> str:
    """Printed text with every number, and every name in hexadecimal, as #; runs of spaces as one."""
    text = re.sub(r"\b(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{4,}\b", "#", text)
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+(?:\.\d+)?", "#", text)).strip()
