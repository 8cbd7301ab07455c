"""File names: which files of a folder are read or skipped, and files opened with plain errors."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import BinaryIO, TypeVar

from regio.errors import IsAFolder, NoSuchFile, UsageError, shown

RGO = frozenset({".rgo"})
PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".tga"}
    | {".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".jxl"}
)  # what a folder is searched for; a file that is named is read whatever it is called


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading. NoSuchFile, IsAFolder, UsageError for what is no name, or another OSError."""
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise NoSuchFile(path) from error
    except IsADirectoryError as error:
        raise IsAFolder(path) from error
    except ValueError as error:
        raise UsageError(f"{shown(path)}: {error}") from error


# endings whose reader may be missing: the module that reads them, and what to install
_READERS = {
    **dict.fromkeys((".heic", ".heif", ".hif"), ("pillow_heif", "pillow-heif")),
    ".jxl": ("pillow_jxl", "pillow-jxl-plugin"),
    ".avif": ("PIL._avif", "a Pillow that reads AVIF, 11.3 or later"),
}


def missing_reader(suffix: str) -> str | None:
    """The package to install to read pictures of this ending; None if nothing is missing."""
    module, package = _READERS.get(suffix.lower(), ("", ""))
    return package if module and find_spec(module) is None else None


def readable() -> frozenset[str]:
    """Those of PICTURES that can be read here."""
    return frozenset(suffix for suffix in PICTURES if missing_reader(suffix) is None)


AnyPath = TypeVar("AnyPath", bound=PurePath)
_MOST_NAMED = 3  # names that are wanted twice, in one message


def result_of(path: AnyPath, extension: str, keep_suffix: bool) -> AnyPath:
    """The name of a result: a.jpg becomes a.rgo, or a.jpg.rgo to keep the suffix."""
    return path.with_name(path.name + extension) if keep_suffix else path.with_suffix(extension)


def refuse_collisions(wanted: Mapping[str, Sequence[str]]) -> None:
    """UsageError where several sources would be written to one target, which says what keeps them apart.

    wanted: target -> its sources.
    """
    twice = {target: sources for target, sources in wanted.items() if len(sources) > 1}
    if not twice:
        return
    lines = []
    for target, sources in list(twice.items())[:_MOST_NAMED]:
        *others, last = map(shown, sources)
        number = "both" if len(sources) == 2 else "all"
        lines.append(f"{', '.join(others)} and {last} would {number} be written to {shown(target)}")
    if (more := len(twice) - _MOST_NAMED) > 0:
        lines.append(f"{more} more name{'s are' if more > 1 else ' is'} wanted by several files")
    endings = [[PurePath(source).suffix for source in sources] for sources in twice.values()]
    if all(len(set(found)) == len(found) for found in endings):
        lines.append("--keep-suffix keeps them apart")
    else:
        lines.append("give the folder that holds them all, or each its own -o")
    raise UsageError("; ".join(lines))


def skipped(names: Iterable[str]) -> str:
    """The files skipped in a folder, in one line: "4 files skipped: .heic 2, .dng 1, .CR2 1 (...)"; empty for none."""
    counts = Counter(PurePath(name).suffix or "without an ending" for name in names)
    if not counts:
        return ""
    shown = ", ".join(f"{suffix} {count}" for suffix, count in counts.most_common())
    files = f"{counts.total()} file{'s' if counts.total() > 1 else ''} skipped: {shown}"
    missing = {suffix.lower(): missing_reader(suffix) for suffix in counts}
    hints = [f"{suffix} needs {package}" for suffix, package in missing.items() if package]
    hints += [".rgo files are coded already"] if RGO & missing.keys() else []
    return f"{files} ({'; '.join(hints)})" if hints else files
