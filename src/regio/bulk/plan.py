"""What is to be done: pairs of source and target, less what is done already, in pieces of about equal work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from regio.bulk.journal import Row
from regio.errors import UsageError, shown

PIECE_BYTES = 4_000_000  # of sources in one piece: seconds of work, so that progress is seen and little is lost
PIECE_FILES = 32


@dataclass(frozen=True)
class Task:
    """One file: where it is below the source, its size, and where its result goes below the destination."""

    source: str
    size: int  # bytes
    target: str


def tasks_of(files: Mapping[str, int], suffixes: frozenset[str], extension: str, *, append: bool = False) -> list[Task]:
    """Pair every file of the wanted kinds with its target, in order of names.

    append: "a.jpg" becomes "a.jpg.rgo" in the place of "a.rgo". UsageError for nothing to do, and for two files with
    one target.
    """
    tasks = []
    first: dict[str, str] = {}
    for source in sorted(files):
        path = PurePosixPath(source)
        if path.suffix.lower() not in suffixes:
            continue
        target = source + extension if append else str(path.with_suffix(extension))
        other = first.setdefault(target, source)
        if other != source:
            raise UsageError(
                f"{shown(other)} and {shown(source)} would both be written to {shown(target)}; "
                "--append-suffix keeps them apart"
            )
        tasks.append(Task(source, files[source], target))
    if not tasks:
        raise UsageError(f"nothing to do: no file there ends in {', '.join(sorted(suffixes))}")
    return tasks


@dataclass(frozen=True)
class Plan:
    """What is left to do, what is done, and what is done although no row says so: a run was killed before it could."""

    todo: list[Task]
    done: list[Row]
    unrecorded: list[Task]


def plan(tasks: Iterable[Task], rows: Mapping[str, Row], there: Mapping[str, int]) -> Plan:
    """Compare the tasks with the rows of earlier runs and the files in the destination.

    Done is what has a row without an error, for a source of the same size, and a target of the size the row says. A
    target without a row was written whole by a run that ended before it could say so. All else is to be done.
    """
    made = Plan([], [], [])
    for task in tasks:
        row = rows.get(task.source)
        if row is None:
            (made.unrecorded if task.target in there else made.todo).append(task)
        elif row.error is None and (row.bytes_in, row.bytes_out) == (task.size, there.get(task.target)):
            made.done.append(row)
        else:
            made.todo.append(task)
    return made


def pieces(tasks: Sequence[Task], workers: int) -> list[list[Task]]:
    """Cut the work into pieces: small files together, large ones by themselves and first, so that none is last."""
    most = max(1, min(PIECE_FILES, len(tasks) // (4 * workers)))
    found: list[list[Task]] = []
    room = 0
    for task in sorted(tasks, key=lambda task: (-task.size, task.source)):
        if not found or len(found[-1]) >= most or task.size > room:
            found.append([])
            room = PIECE_BYTES
        found[-1].append(task)
        room -= task.size
    return found
