"""Every codec on every picture at every setting, from real files, one CSV row each.

The CSV comes first and is the only state: a row is written as soon as it is measured, and a sweep that was interrupted
reads what is there and measures the rest. Means, curves, tables and plots are made from it (see `report`).
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from regio.errors import RegioError, UsageError
from regio.evaluation.contestants import Contestant
from regio.evaluation.metrics import bpp, ms_ssim, psnr
from regio.images import Pixels, read_picture

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm", ".avif", ".jp2"))
FAILURES = (RegioError, OSError, ValueError, RuntimeError, SystemError)
"""What a codec may throw at a picture it cannot take: listed with the reason, and the sweep goes on."""


@dataclass(frozen=True)
class Row:
    """One file: a picture by a codec at a setting. The fields are the CSV's columns."""

    codec: str
    picture: str
    quality: float  # the codec's own setting
    bytes: int  # of the whole file
    bpp: float
    psnr: float  # dB
    ms_ssim: float  # 0..1; NaN (an empty field) where the picture is too small for it
    encode_seconds: float  # wall clock
    decode_seconds: float
    weights: str  # fingerprint of the weights, or library and version
    commit: str  # of the source that measured it

    @property
    def key(self) -> tuple[str, str, str, float]:
        """What need not be measured twice."""
        return self.codec, self.weights, self.picture, self.quality


COLUMNS = tuple(column.name for column in dataclasses.fields(Row))
_NUMBERS = {column.name: column.type for column in dataclasses.fields(Row) if column.type in ("float", "int")}


class Problem(NamedTuple):
    """Something that could not be measured."""

    codec: str  # empty: the picture itself could not be read
    picture: str
    reason: str


class Outcome(NamedTuple):
    """What a sweep has: rows of these contestants and pictures, measured now or found in the CSV."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def find_pictures(folder: Path) -> dict[str, Path]:
    """Pictures under a folder, subfolders included: name (relative path) -> path, sorted by name.

    Raises UsageError if the folder holds none.
    """
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    pictures = {path.relative_to(folder).as_posix(): path for path in found}
    if not pictures:
        raise UsageError(f"{folder}: no pictures here ({', '.join(sorted(SUFFIXES))})")
    return dict(sorted(pictures.items()))


def source_commit() -> str:
    """The commit this source stands at, with "-dirty" if files differ from it; else the release."""
    here = Path(__file__).parent
    git = ["git", "-C", str(here)]
    listed = [*git, "ls-files", "--error-unmatch", __file__]
    try:
        tracked = subprocess.run(listed, check=False, capture_output=True, timeout=20)
        if tracked.returncode == 0:
            command = [*git, "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
            return subprocess.run(command, capture_output=True, timeout=20, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass  # no git, or not a checkout: then this is an installed release
    from regio.version import __version__

    return __version__


def sweep(
    pictures: Mapping[str, Path],
    contestants: Sequence[Contestant],
    table: Path,
    *,
    settings: Mapping[str, Sequence[float]] | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Measure whatever `table` (a CSV, made if absent) does not hold yet.

    settings: codec name -> values instead of the contestant's own. Rows with other weights than the contestant's stay
    in the CSV and are not used. Pictures that cannot be read, and files that cannot be made, become problems.
    """
    wanted = {one.name: tuple((settings or {}).get(one.name, one.settings)) for one in contestants}
    done = {row.key: row for row in read_rows(table)} if table.exists() else {}
    keys = {
        (one.name, one.weights, name, float(setting))
        for one in contestants
        for name in pictures
        for setting in wanted[one.name]
    }
    problems: list[Problem] = []
    commit = source_commit()
    warm: set[str] = set()
    with _appending(table, list(done.values())) as append:
        for number, (name, path) in enumerate(pictures.items(), start=1):
            todo = [
                (one, float(setting))
                for one in contestants
                for setting in wanted[one.name]
                if (one.name, one.weights, name, float(setting)) not in done
            ]
            if not todo:
                continue
            progress(f"{name} ({number} of {len(pictures)}): {len(todo)} files to make")
            try:
                pixels = read_picture(path).pixels
            except FAILURES as error:
                problems.append(Problem("", name, _one_line(error)))
                continue
            for one, setting in todo:
                try:
                    if one.name not in warm:  # the first call pays for loading and is not timed
                        one.decode(one.encode(pixels, setting))
                        warm.add(one.name)
                    row = measure(one, name, pixels, setting, commit=commit)
                except FAILURES as error:
                    problems.append(Problem(one.name, name, f"at {setting:g}: {_one_line(error)}"))
                    continue
                done[row.key] = row
                append(row)
    return Outcome(tuple(row for key, row in done.items() if key in keys), tuple(problems))


def measure(contestant: Contestant, name: str, pixels: Pixels, setting: float, *, commit: str) -> Row:
    """Encode (H,W,3) uint8 RGB at one setting, decode the bytes, and judge the result."""
    start = time.perf_counter()
    data = contestant.encode(pixels, setting)
    between = time.perf_counter()
    decoded = contestant.decode(data)
    end = time.perf_counter()
    return Row(
        codec=contestant.name,
        picture=name,
        quality=float(setting),
        bytes=len(data),
        bpp=bpp(len(data), pixels),
        psnr=psnr(pixels, decoded),
        ms_ssim=ms_ssim(pixels, decoded),
        encode_seconds=between - start,
        decode_seconds=end - between,
        weights=contestant.weights,
        commit=commit,
    )


def read_rows(table: Path) -> list[Row]:
    """Rows of a CSV that `sweep` wrote; a last line cut short by an interruption is left out.

    Raises UsageError if the file has other columns.
    """
    text = table.read_text(encoding="utf-8")
    whole_lines = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole_lines, newline=""))
    if reader.fieldnames is not None and tuple(reader.fieldnames) != COLUMNS:
        raise UsageError(f"{table}: not a table of this command (its columns: {', '.join(reader.fieldnames)})")
    rows: list[Row] = []
    for number, line in enumerate(reader, start=2):
        try:
            rows.append(_row(line))
        except (ValueError, TypeError):
            raise UsageError(f"{table}: line {number} cannot be read") from None
    return rows


def _row(line: Mapping[str, str | None]) -> Row:
    values: dict[str, object] = {}
    for column in COLUMNS:
        text = line[column]
        kind = _NUMBERS.get(column)
        if text is None:
            raise ValueError(f"no {column}")
        values[column] = text if kind is None else int(text) if kind == "int" else float(text or math.nan)
    return Row(**values)  # type: ignore[arg-type]  # each was converted by its own declaration


def _fields(row: Row) -> list[str]:
    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if math.isnan(value) else f"{value:.9g}"
        return str(value)

    return [text(getattr(row, column)) for column in COLUMNS]


@contextmanager
def _appending(table: Path, known: Sequence[Row]) -> Iterator[Callable[[Row], None]]:
    """Start the table afresh with the known rows (which drops a line cut short), then append and flush row by row."""
    table.parent.mkdir(parents=True, exist_ok=True)
    fresh = table.with_name(table.name + ".part")
    with fresh.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *map(_fields, known)])
    fresh.replace(table)
    with table.open("a", newline="", encoding="utf-8") as file:
        yield lambda row: _append(file, row)


def _append(file: IO[str], row: Row) -> None:
    csv.writer(file).writerow(_fields(row))
    file.flush()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
