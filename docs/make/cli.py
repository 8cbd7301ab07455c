"""Write docs/cli.md: the commands and options as the program itself declares them, and our notes on each.

    python docs/make/cli.py            writes the page
    python docs/make/cli.py --check    fails if it is not current

What is said about all commands, and after the options of each, stands in docs/make/cli_notes.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Any

import typer

from regio.cli.app import build

PAGE = Path(__file__).parents[1] / "cli.md"
NOTES = Path(__file__).with_name("cli_notes.md")
MARK = "<!-- written by docs/make/cli.py from the commands and docs/make/cli_notes.md; do not edit -->"
NOT_RUN = re.compile(r"^<!-- not run: (regio .+?): (.+) -->\n?", re.MULTILINE)  # in the notes: which examples, and why
KINDS = {"float": "NUMBER", "int": "N", "str": "TEXT", "path": "PATH", "file": "PATH"}  # Typer's names -> ours
WIDTH = 100  # of lines of prose


def main() -> None:
    """Write the page, or say that it is stale."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{PAGE.name} is not current: python docs/make/cli.py")
        return
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)


def page() -> str:
    """The whole page as Markdown. ValueError for notes on a command that does not exist."""
    title, common, notes = read_notes()
    group: Any = typer.main.get_command(build())
    context = group.make_context("regio", [next(iter(group.commands))], resilient_parsing=True)
    sections = [section for name in group.commands for section in command(group.commands[name], name, context, notes)]
    if notes:
        raise ValueError(f"{NOTES.name} has notes on commands that do not exist: {', '.join(notes)}")
    return "\n\n".join([title, MARK, common, *sections]) + "\n"


def read_notes() -> tuple[str, str, dict[str, str]]:
    """The title of the page, what all commands have in common, and the notes by command ("bulk encode")."""
    title, _, rest = NOTES.read_text(encoding="utf-8").strip().partition("\n")
    common, *parts = re.split(r"^## `regio ([a-z -]+)`\n", rest, flags=re.MULTILINE)
    notes = dict(zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True))
    if len(notes) < len(parts) // 2:
        raise ValueError(f"{NOTES.name} has two notes on one command")
    return title, common.strip(), notes


def command(one: Any, name: str, parent: Any, notes: dict[str, str], level: int = 2) -> Iterator[str]:
    """A command, or a group with the commands in it, as sections of Markdown. Takes its notes out of `notes`."""
    context = type(parent)(one, parent=parent, info_name=name.split()[-1])
    arguments = [part for part in one.collect_usage_pieces(context) if part != "[OPTIONS]"]
    shown = [re.sub(r"^{(.+)}(\.\.\.)?$", r"\1", argument).upper() for argument in arguments]
    words = [name] if hasattr(one, "commands") else [name, *shown]
    yield f"{'#' * level} `regio {' '.join(words)}`"
    help_text = (one.help or "").partition("\b")
    yield paragraphs(help_text[0])
    if not hasattr(one, "commands"):
        yield table(one, context)
    note = notes.pop(name, "")
    yield from blocks(re.findall(r"^ +(regio .+)$", help_text[2], re.MULTILINE), dict(NOT_RUN.findall(note)))
    if note := NOT_RUN.sub("", note).strip():
        yield note
    for inner in getattr(one, "commands", {}):
        yield from command(one.commands[inner], f"{name} {inner}", context, notes, level + 1)


def blocks(examples: list[str], unable: dict[str, str]) -> Iterator[str]:
    """Examples as blocks of code. unable: beginnings of those that the tests cannot run -> why."""

    def reason(example: str) -> str:
        return next((why for start, why in unable.items() if example.startswith(start)), "")

    for why, group in groupby(sorted(examples, key=lambda example: bool(reason(example))), reason):
        yield "\n".join([*([f"<!-- not run: {why} -->"] if why else []), "```bash", *group, "```"])


def paragraphs(text: str) -> str:
    """Help text as paragraphs of WIDTH, option names as code."""
    joined = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n\n".join(fill(code(part), WIDTH, break_long_words=False, break_on_hyphens=False) for part in joined)


def table(one: Any, context: Any) -> str:
    """Arguments and options as a Markdown table."""
    rows = ["| option | |", "|---|---|"]
    for parameter in one.params:
        if (record := parameter.get_help_record(context)) is None:
            continue
        names, meaning = record
        if parameter.param_type_name == "argument":
            left = f"`{re.split(r' <', names)[0].upper()}`"
        else:
            options, value = re.fullmatch(r"(-[^ ,]+(?:(?:, | / )-[^ ,]+)*) *(.*)", names).groups()  # type: ignore[union-attr]
            left = ", ".join(f"`{option}`" for option in re.split(", | / ", options))
            left += f" {kind(value)}" if value else ""
        rows.append(f"| {left} | {code(limits(meaning)).replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def kind(value: str) -> str:
    """ "<float range>" -> "NUMBER"; what a command calls its value stays."""
    found = re.fullmatch(r"<(?:list\[)?(\w+)\]?(?: range)?>", value)
    return KINDS.get(found[1].lower(), found[1].upper()) if found else value


def limits(meaning: str) -> str:
    """ "[0<=x<=100]" -> "(0 to 100)"; "[default: 1; x>=1]" -> "(default 1; at least 1)"."""
    text, bracket, inside = re.sub(r"\s+", " ", meaning.strip()).removesuffix("]").rpartition(" [")
    if not bracket or not re.search(r"default: |x>=|<=x<=|^required$", inside):
        return meaning.strip()
    inside = re.sub(r"([\d.]+)<=x<=([\d.]+)", r"\1 to \2", inside.replace("default: ", "default "))
    inside = re.sub(r"x>=([\d.]+)", r"at least \1", inside)
    return f"{text.strip()} ({inside})"


def code(text: str) -> str:
    """Names of options become code, unless they stand in code already."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"(?<![\w-])(--[a-z][a-z0-9-]+)", r"`\1`", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    main()
