"""Decide what a run must do: pair sources with targets, skip finished ones, cut the rest into pieces."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from regio.bulk.journal import Row
from regio.errors import UsageError, shown
from regio.names import RGO, refuse_collisions, result_of, skipped

PIECE_BYTES = 4_000_000  # of sources in one piece: a few seconds of work, so progress shows and little is lost
PIECE_FILES = 32


@dataclass(frozen=True)
class Task:
    """One file: where it is below the source, its size, and where its result goes below the destination."""

    source: str
    size: int  # bytes
    target: str


def tasks_of(
    files: Mapping[str, int], suffixes: frozenset[str], extension: str, keep_suffix: bool = False
) -> list[Task]:
    """Pair every file of the wanted kinds with its target, in order of names.

    keep_suffix: "a.jpg" becomes "a.jpg.rgo" instead of "a.rgo". UsageError when there is nothing to do, and when
    several files have the same target.
    """
    tasks = []
    wanted: dict[str, list[str]] = {}
    for source in sorted(files):
        path = PurePosixPath(source)
        if path.suffix.lower() not in suffixes:
            continue
        target = str(result_of(path, extension, keep_suffix))
        wanted.setdefault(target, []).append(source)
        tasks.append(Task(source, files[source], target))
    refuse_collisions(wanted)
    if not tasks:
        why = f"; {shown(left)}" if (left := left_out(files, suffixes)) else ""
        raise UsageError(f"nothing to do: no file there ends in {', '.join(sorted(suffixes))}{why}")
    return tasks


def left_out(files: Iterable[str], suffixes: frozenset[str]) -> str:
    """The files that a run skips, in one line; empty when decoding."""
    if suffixes == RGO:
        return ""
    return skipped(name for name in files if PurePosixPath(name).suffix.lower() not in suffixes)


@dataclass(frozen=True)
class Plan:
    """The files left to do, those that earlier runs did, and existing targets without a row.

    skipped: the files of other kinds in the source, in one line; empty without any.
    """

    todo: list[Task]
    done: list[Row]
    foreign: list[Task]
    skipped: str = ""


def plan(
    tasks: Iterable[Task], rows: Mapping[str, Row], there: Mapping[str, int], promised: Collection[str] = ()
) -> Plan:
    """Compare the tasks with the rows of earlier runs and the files in the destination.

    rows: by source. there: sizes of the files in the destination. promised: targets that earlier runs set out to write.

    A task is done when it has a row without an error, its source has the size in the row, and its target as well.
    A promised target without a row is written again: the run was killed before it could note it. Any other target
    without a row is foreign: somebody else put the file there.
    """
    made = Plan([], [], [])
    for task in tasks:
        row = rows.get(task.source)
        if row is None:
            (made.foreign if task.target in there and task.target not in promised else made.todo).append(task)
        elif row.error is None and (row.bytes_in, row.bytes_out) == (task.size, there.get(task.target)):
            made.done.append(row)
        else:
            made.todo.append(task)
    return made


def pieces(tasks: Sequence[Task], workers: int) -> list[list[Task]]:
    """Cut the work into pieces: small files together, large files alone and first, so that no worker ends with one."""
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
