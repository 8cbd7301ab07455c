"""From the typed arguments (files, folders, globs, -) to the files to read and to write."""

import glob
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from regio.cli.progress import say, shown
from regio.errors import UsageError
from regio.names import PICTURES, RGO, readable, refuse_collisions, result_of, skipped

STREAM = "-"
_LEAST_ROOM = 4096  # bytes; a disk with less is full
_STANDARD_OUTPUT = {STREAM, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}


@dataclass(frozen=True)
class Source:
    """Something to read. `path` is None for standard input; `below` is where it lies in the folder that was named."""

    path: Path | None
    below: Path = Path(STREAM)

    @property
    def name(self) -> str:
        """For people, on one line."""
        return "standard input" if self.path is None else shown(self.path)

    @property
    def real(self) -> str:
        """For programs, as it is; "-" for standard input."""
        return STREAM if self.path is None else os.fspath(self.path)


@dataclass(frozen=True)
class Transfer:
    """One thing to read and where its result goes; `target` is None for standard output."""

    source: Source
    target: Path | None
    in_folder: bool = False
    """Whether the target lies in an output folder, which is made where it is missing."""

    @property
    def name(self) -> str:
        """The source, for people."""
        return self.source.name

    @property
    def real(self) -> str:
        """The source, for programs."""
        return self.source.real

    @property
    def real_target(self) -> str:
        """The target, for programs; "-" for standard output."""
        return STREAM if self.target is None else os.fspath(self.target)


def find(inputs: Iterable[str], suffixes: frozenset[str]) -> list[Source]:
    """Every file that the arguments mean, in a stable order, each once; says what folders leave out.

    Pictures in a folder that nothing here can read are left out. Of files to decode, only the .rgo files count.

    Raises:
        UsageError: nothing fits an argument, or a folder holds nothing of the wanted kinds.
    """
    found: dict[Path | None, Source] = {}
    left: list[str] = []
    wanted = readable() if suffixes == PICTURES else suffixes
    for text in inputs:
        for source in _expand(text, wanted, left):
            if source.path is None and None in found:
                raise UsageError("standard input (-) can be read once only")
            found.setdefault(source.path, source)
    if left and suffixes != RGO:
        say(shown(skipped(left)))
    return list(found.values())


def _expand(text: str, suffixes: frozenset[str], left: list[str]) -> list[Source]:
    path = Path(text)
    if not text:
        raise UsageError("an empty file name")
    if text == STREAM:
        return [Source(None)]
    if path.is_dir():
        return _inside(path, suffixes, left)
    if path.exists() or not glob.has_magic(text):  # one that does not exist fails alone when it is opened
        return [Source(path, Path(path.name))]
    matches = sorted(glob.glob(text, recursive=True))
    if not matches:
        raise UsageError(f"nothing fits {shown(text)}")
    found: list[Source] = []
    for match in map(Path, matches):
        found += _inside(match, suffixes, left) if match.is_dir() else [Source(match, Path(match.name))]
    return found


def _inside(folder: Path, suffixes: frozenset[str], left: list[str]) -> list[Source]:
    """The files of a folder; `left` gets the names of the others."""
    sources = []
    others: list[str] = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if name.startswith(".") or not path.is_file():  # a pipe would block
                continue
            if path.suffix.lower() in suffixes:
                sources.append(Source(path, path.relative_to(folder)))
            else:
                others.append(name)
    if not sources:
        why = f"; {shown(skipped(others))}" if others and suffixes != RGO else ""
        raise UsageError(f"no {'.rgo files' if suffixes == RGO else 'pictures'} in {shown(folder)}{why}")
    left += others
    return sources


def plan(
    inputs: Sequence[str],
    output: str | None,
    *,
    suffixes: frozenset[str],
    extension: str,
    in_folder: str | None = None,
    force: bool,
    keep_suffix: bool = False,
    skip_existing: bool = False,
) -> list[Transfer]:
    """Pair every input with its output, and refuse before any work what could not be written after it.

    `output` None is beside the input (standard output for standard input); a folder is one that exists, ends with a
    slash, or follows from several inputs. In a folder, files keep their place below the folder that was named.
    in_folder: the extension of results in a folder, where it is another than beside the input.
    keep_suffix: a.jpg becomes a.jpg.rgo. skip_existing: leave out what has its output; that may be everything.

    Raises:
        UsageError: as `find`; two outputs of one name; an output that is its input; one that exists, unless `force`.
    """
    sources = find(inputs, suffixes)
    many = len(sources) > 1 or any(Path(text).is_dir() for text in inputs)
    ends = extension if output is None else in_folder or extension
    jobs = [_job(source, output, many, ends, keep_suffix) for source in sources]
    _refuse_collisions(jobs)
    if skip_existing:
        if force:
            raise UsageError("--skip-existing and --force contradict each other; give one of them")
        left = [job for job in jobs if job.target is None or not job.target.is_file()]
        if len(left) < len(jobs):
            say(f"{len(jobs) - len(left)} of {len(jobs)} skipped: their results exist")
        jobs = left
    _refuse_places(jobs, extension)
    if not force:
        _refuse_existing(jobs)
    return jobs


def _job(source: Source, output: str | None, many: bool, extension: str, keep_suffix: bool) -> Transfer:
    if output in _STANDARD_OUTPUT:
        if many:
            raise UsageError("standard output (-o -) takes one result only")
        return Transfer(source, None)
    if output is None:
        return Transfer(source, None if source.path is None else result_of(source.path, extension, keep_suffix))
    folder = Path(output)
    if not (many or folder.is_dir() or output.endswith(("/", os.sep))):
        return Transfer(source, folder)
    if source.path is None:
        raise UsageError("the result of standard input needs a file name: -o FILE, or -o - for standard output")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{shown(folder)} is a file; several results need a folder")
    if not folder.exists() and folder.suffix == extension and not output.endswith(("/", os.sep)):
        raise UsageError(f"several results need a folder; {shown(folder)} is a file's name (a folder's ends with /)")
    return Transfer(source, result_of(folder / source.below, extension, keep_suffix), in_folder=True)


def _refuse_collisions(jobs: Sequence[Transfer]) -> None:
    wanted: dict[str, list[str]] = {}
    for job in jobs:
        if job.target is None:
            continue
        if job.source.path is not None and job.target.exists() and job.target.samefile(job.source.path):
            raise UsageError(f"{job.name} would be written over itself; name the output with -o")
        wanted.setdefault(job.real_target, []).append(job.real)
    refuse_collisions(wanted)


def _refuse_places(jobs: Sequence[Transfer], extension: str) -> None:
    """Find before the work where its result could not be written."""
    for job in jobs:
        target = job.target
        if target is None:
            continue
        if target.is_dir():
            raise UsageError(f"{shown(target)} is a folder")
        if extension in RGO and target.suffix.lower() not in RGO and (target.is_file() or not target.exists()):
            raise UsageError(
                f"{shown(target)}: the result is a .rgo file; name it {shown(target.with_suffix('.rgo').name)}, or a "
                "folder, with a / at its end"
            )
        folder = target.parent
        while job.in_folder and not folder.exists() and folder != folder.parent:
            folder = folder.parent  # folders below it are made
        if not folder.exists():
            raise UsageError(f"{shown(target)}: there is no folder {shown(folder)}; make it first")
        if not folder.is_dir():
            raise UsageError(f"{shown(target)}: {shown(folder)} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"{shown(target)}: the folder {shown(folder)} cannot be written to")
        room = shutil.disk_usage(folder)
        if room.total and room.free < _LEAST_ROOM:  # what is no disk, such as /proc, has a total of 0
            raise UsageError(f"{shown(target)}: the disk of the folder {shown(folder)} is full")


def _refuse_existing(jobs: Sequence[Transfer]) -> None:
    there = [job.target for job in jobs if job.target is not None and job.target.is_file()]
    if there:
        more = f" and {len(there) - 1} more exist" if len(there) > 1 else " exists"
        raise UsageError(f"{shown(there[0])}{more} already; --force overwrites")
