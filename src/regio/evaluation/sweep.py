"""Every codec on every picture at every setting, from real files, one CSV row each.

The CSV comes first and is the only state: a row is written as soon as it is measured, and a sweep that was interrupted
reads what is there and measures the rest. Means, curves, tables and plots are made from it (see `report`). Times are
wall clock of calls that take and return main memory, so that work on an accelerator is over when the clock stops.
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
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple

from regio.durable import replacing
from regio.errors import RegioError, UsageError, one_line
from regio.evaluation.contestants import Contestant
from regio.evaluation.judges import columns_of_judges
from regio.evaluation.judging import Judges, Original
from regio.evaluation.metrics import bpp
from regio.images import read_picture
from regio.names import PICTURES

FAILURES = (RegioError, OSError, ValueError, RuntimeError, SystemError)
"""What a codec may throw at a picture it cannot take: listed with the reason, and the sweep goes on."""


@dataclass(frozen=True)
class Row:
    """One file: a picture by a codec at a setting. The CSV has a column for each field, and one for each figure."""

    codec: str
    picture: str
    quality: float  # the codec's own setting
    bytes: int  # of the whole file
    bpp: float
    encode_seconds: float  # wall clock
    decode_seconds: float
    weights: str  # fingerprint of the weights, or library and version
    commit: str  # of the source that measured it
    device: str = ""  # where the codec ran, and with how many threads
    judges: str = ""  # whose figures these are: backbones and hashes, the region, the segmenter
    figures: Mapping[str, float] = field(default_factory=dict)  # by column of judges; NaN or none: an empty field

    @property
    def key(self) -> tuple[str, str, str, float]:
        """The key of a measurement, so that none is made twice."""
        return self.codec, self.weights, self.picture, self.quality

    def heard(self, judges: Sequence[str]) -> bool:
        """Whether all these judges have had their say."""
        return set(judges) <= set(self.judges.split("; "))


NOBODY_ELSE = Judges()
RESULTS = frozenset({".compare", ".roi"})
FIRST_COLUMNS = (
    "codec", "picture", "quality", "bytes", "bpp", "psnr", "ms_ssim", "encode_seconds", "decode_seconds", "weights",
    "commit", "device", "lpips", "roi_psnr", "background_psnr", "agreement", "roi_share", "judges",
)  # fmt: skip
"""Written down, as their order is that of files which exist; those of judges that came later follow."""
OLDEST = FIRST_COLUMNS[: FIRST_COLUMNS.index("commit") + 1]
_KINDS: dict[str, Callable[[str], Any]] = {"float": lambda text: float(text or math.nan), "int": int, "str": str}
_OWN = {one.name: _KINDS[str(one.type)] for one in dataclasses.fields(Row) if one.name != "figures"}


def all_columns() -> tuple[str, ...]:
    """The columns of the CSV."""
    return tuple(dict.fromkeys((*FIRST_COLUMNS, *columns_of_judges())))


class Problem(NamedTuple):
    """Something that could not be measured."""

    codec: str  # empty: the picture itself could not be read
    picture: str
    reason: str


class Outcome(NamedTuple):
    """The result of a sweep: rows of these contestants and pictures, measured now or found in the CSV."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def find_pictures(folder: Path) -> dict[str, Path]:
    """Pictures under a folder, subfolders included: name (relative path) -> path, sorted by name.

    Left out is what `regio compare` and `regio regions` write beside a picture: photo.compare.png, photo.roi.png.
    Raises UsageError if the folder holds none.
    """
    found = [path for path in folder.rglob("*") if path.suffix.lower() in PICTURES and path.is_file()]
    plain = {path.with_suffix("") for path in found}
    results = {stem for stem in plain if stem.suffix in RESULTS and stem.with_suffix("") in plain}
    pictures = {path.relative_to(folder).as_posix(): path for path in found if path.with_suffix("") not in results}
    if not pictures:
        raise UsageError(f"{folder}: no pictures here ({', '.join(sorted(PICTURES))})")
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
    judges: Judges = NOBODY_ELSE,
    repeats: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Measure whatever `table` (a CSV, made if absent) does not hold yet.

    settings: codec name -> values instead of the contestant's own. judges: who is asked; a row that one of
    them has not seen is measured anew. repeats: of encoding and decoding; times are medians. Rows with other weights
    than the contestant's stay in the CSV and are not used. Pictures that cannot be read, and files that cannot be made,
    become problems.
    """
    wanted = {one.name: tuple((settings or {}).get(one.name, one.settings)) for one in contestants}
    known = {row.key: row for row in read_rows(table)} if table.exists() else {}
    found: dict[tuple[str, str, str, float], Row] = {}
    problems: list[Problem] = []
    commit = source_commit()
    warm: set[str] = set()
    with _appending(table, list(known.values())) as append:
        for number, (name, path) in enumerate(pictures.items(), start=1):
            jobs = {
                (one.name, one.weights, name, float(at)): (one, float(at))
                for one in contestants
                for at in wanted[one.name]
            }
            names = judges.names(name)
            found |= {key: known[key] for key in jobs if key in known and known[key].heard(names)}
            todo = [job for key, job in jobs.items() if key not in found]
            if not todo:
                continue
            progress(f"{name} ({number} of {len(pictures)}): {len(todo)} files to make")
            try:
                original = judges.look_at(name, read_picture(path).pixels)
            except FAILURES as error:
                problems.append(Problem("", name, one_line(error)))
                continue
            for one, setting in todo:
                try:
                    if one.name not in warm:  # the first call pays for loading and is not timed
                        one.decode(one.encode(original.pixels, setting))
                        warm.add(one.name)
                    row = measure(one, name, original, setting, commit=commit, repeats=repeats)
                except FAILURES as error:
                    problems.append(Problem(one.name, name, f"at {setting:g}: {one_line(error)}"))
                    continue
                found[row.key] = row
                append(row)
    return Outcome(tuple(found.values()), tuple(problems))


def measure(
    contestant: Contestant, name: str, original: Original, setting: float, *, commit: str, repeats: int = 1
) -> Row:
    """Encode a picture at one setting, decode the bytes, and judge the result."""
    aimed = contestant.aimed_at(original.mask)
    encoding, decoding = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        data = aimed.encode(original.pixels, setting)
        between = time.perf_counter()
        decoded = aimed.decode(data)
        encoding.append(between - start)
        decoding.append(time.perf_counter() - between)
    figures = dict(original.figures(decoded))
    if original.mask is not None:
        figures["roi_share"] = contestant.share_inside(data, original.mask)
    return Row(
        codec=contestant.name,
        picture=name,
        quality=float(setting),
        bytes=len(data),
        bpp=bpp(len(data), original.pixels),
        encode_seconds=median(encoding),
        decode_seconds=median(decoding),
        weights=contestant.weights,
        commit=commit,
        device=contestant.device,
        judges="; ".join(original.judges),
        figures=figures,
    )


def read_rows(table: Path) -> list[Row]:
    """Rows of a CSV that `sweep` wrote, this release's or an older one's with fewer columns.

    A last line cut short by an interruption is left out. Raises UsageError if the file has other columns.
    """
    text = table.read_text(encoding="utf-8")
    whole_lines = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole_lines, newline=""))
    names = tuple(reader.fieldnames or ())
    if names != all_columns()[: len(names)] or 0 < len(names) < len(OLDEST):
        raise UsageError(f"{table}: not a table of this command (its columns: {', '.join(names)})")
    rows: list[Row] = []
    for number, line in enumerate(reader, start=2):
        try:
            rows.append(_row(line, names))
        except (ValueError, TypeError):
            raise UsageError(f"{table}: line {number} cannot be read") from None
    return rows


def _row(line: Mapping[str, str | None], names: Sequence[str]) -> Row:
    texts = {column: text for column in names if (text := line[column]) is not None}
    if len(texts) < len(names):
        raise ValueError("fewer fields than columns")
    own = {column: _OWN[column](text) for column, text in texts.items() if column in _OWN}
    return Row(**own, figures={column: float(text) for column, text in texts.items() if text and column not in _OWN})


def _fields(row: Row) -> list[str]:
    def text(value: object) -> str:
        if isinstance(value, float):
            return "" if math.isnan(value) else f"{value:.9g}"
        return str(value)

    return [
        text(getattr(row, column) if column in _OWN else row.figures.get(column, math.nan)) for column in all_columns()
    ]


@contextmanager
def _appending(table: Path, known: Sequence[Row]) -> Iterator[Callable[[Row], None]]:
    """Start the table afresh with the known rows (which drops a line cut short), then append and flush row by row."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with replacing(table) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([all_columns(), *map(_fields, known)])
    with table.open("a", newline="", encoding="utf-8") as file:
        yield lambda row: _append(file, row)


def _append(file: IO[str], row: Row) -> None:
    csv.writer(file).writerow(_fields(row))
    file.flush()
