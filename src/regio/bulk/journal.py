"""The result of each file as a row: in small files during a run, in one manifest when it ends.

    DESTINATION/.regio-bulk/settings.json      the options the files were made with
    DESTINATION/.regio-bulk/planned-*.json     the targets a run sets out to write; removed when it ends
    DESTINATION/.regio-bulk/rows-*.jsonl       rows since the last manifest, a file every few seconds
    DESTINATION/manifest.parquet (or .csv)     all rows; written in one piece, then the files of rows are removed

Object storage cannot append to a file, so nothing here appends. Later rows of a source replace earlier ones.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from regio.bulk.places import Place
from regio.errors import CorruptFile, UsageError, shown

FOLDER = ".regio-bulk"
SETTINGS = f"{FOLDER}/settings.json"
KINDS = (".parquet", ".csv")
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # seconds between files of rows; longer in long runs


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the manifest. Fields that are not known are None, most of them for files that failed."""

    source: str
    target: str
    bytes_in: int
    bytes_out: int | None = None
    width: int | None = None
    height: int | None = None
    bpp: float | None = None  # of the .rgo file
    quality: float | None = None
    seconds: float | None = None
    notes: str | None = None
    error: str | None = None
    error_kind: str | None = None  # the name of the exception

    @classmethod
    def of(cls, values: dict[str, Any]) -> Row:
        """Make a row from plain data. Unknown fields are ignored; ValueError for missing ones and wrong types."""
        if not isinstance(values, dict):
            raise ValueError("not a row")
        known = {name: value for name, value in values.items() if name in _NAMES}
        for name in _NEEDED:
            if known.get(name) is None:
                raise ValueError(f"{name} is missing")
        for name, value in known.items():
            kinds: tuple[type, ...] = (int,) if name in _WHOLE else (int, float) if name in _REAL else (str,)
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
                raise ValueError(f"{name} is {type(value).__name__}, not {kinds[-1].__name__}")
        return cls(**known)


_NAMES = tuple(field.name for field in fields(Row))
_NEEDED = ("source", "target", "bytes_in")
_WHOLE = {"bytes_in", "bytes_out", "width", "height"}
_REAL = {"bpp", "quality", "seconds"}


class Journal:
    """The rows of a destination: those of earlier runs and those of this run."""

    def __init__(self, place: Place, manifest: str = "manifest.parquet") -> None:
        if not manifest.endswith(KINDS) or "/" in manifest or manifest.startswith("."):
            raise UsageError(
                f"manifest {shown(manifest)}: give a file name without folders, ending in .parquet or .csv"
            )
        self.place, self.manifest = place, manifest
        self.rows: dict[str, Row] = {}
        self.promised: set[str] = set()  # targets that runs which did not end set out to write
        self._fresh: list[Row] = []
        self._stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)
        self._written = 0
        self._start = self._last = time.monotonic()

    def settings(self) -> dict[str, Any] | None:
        """Return the settings of an earlier run, or None when there was none. CorruptFile."""
        try:
            data = self.place.folder.read(SETTINGS)
        except FileNotFoundError:
            return None
        found = self._parsed(SETTINGS, data)
        if not isinstance(found, dict):
            raise self._damaged(SETTINGS)
        return found

    def note(self, settings: dict[str, Any], targets: Sequence[str]) -> None:
        """Write down what this run makes its files with, and which targets it will write."""
        if targets:
            self.place.folder.write(f"{FOLDER}/planned-{self._stamp}.json", json.dumps(targets).encode())
        self.place.folder.write(SETTINGS, json.dumps(settings, indent=1, sort_keys=True).encode())

    def load(self) -> None:
        """Read the manifest, the rows since, and the targets of runs that did not end. CorruptFile names the file."""
        if self.place.folder.exists(self.manifest):
            for row in _unpack(
                self.manifest, self.place.folder.read(self.manifest), f"{self.place}/{shown(self.manifest)}"
            ):
                self.rows[row.source] = row
        for name in self._parts("rows-", ".jsonl"):
            for number, line in enumerate(self.place.folder.read(f"{FOLDER}/{name}").splitlines(), 1):
                try:
                    row = Row.of(json.loads(line))
                except (ValueError, RecursionError) as error:
                    raise CorruptFile(
                        f"{self.place}/{FOLDER}/{name}, line {number} is damaged; remove the file, and its pictures "
                        "are done again, or --force does all of them again"
                    ) from error
                self.rows[row.source] = row
        for name in self._parts("planned-", ".json"):
            found = self._parsed(f"{FOLDER}/{name}", self.place.folder.read(f"{FOLDER}/{name}"))
            if not isinstance(found, list) or not all(isinstance(target, str) for target in found):
                raise self._damaged(f"{FOLDER}/{name}")
            self.promised.update(found)

    def forget(self) -> None:
        """Remove what earlier runs noted. Their files stay until they are written again."""
        for name in (*self._parts("rows-", ".jsonl"), *self._parts("planned-", ".json")):
            self.place.folder.remove(f"{FOLDER}/{name}")
        self.place.folder.remove(self.manifest)
        self.place.folder.remove(SETTINGS)

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows. They are written every few seconds, and by `flush`."""
        for row in rows:
            self.rows[row.source] = row
            self._fresh.append(row)
        now = time.monotonic()
        if now - self._last >= min(_LONGEST_PAUSE, max(_FIRST_PAUSE, (now - self._start) / 50)):
            self.flush()

    def flush(self) -> None:
        """Write the rows that are not written yet."""
        self._last = time.monotonic()
        if not self._fresh:
            return
        lines = "".join(json.dumps(asdict(row), ensure_ascii=True) + "\n" for row in self._fresh)
        self.place.folder.write(f"{FOLDER}/rows-{self._stamp}-{self._written:06d}.jsonl", lines.encode())
        self._fresh, self._written = [], self._written + 1

    def finish(self) -> None:
        """Write the manifest, sorted by source. The files of rows and plans are then no longer needed."""
        self.flush()
        self.place.folder.write(
            self.manifest, _pack(self.manifest, [self.rows[source] for source in sorted(self.rows)])
        )
        for name in (*self._parts("rows-", ".jsonl"), *self._parts("planned-", ".json")):
            self.place.folder.remove(f"{FOLDER}/{name}")

    def _parts(self, start: str, end: str) -> list[str]:
        return [name for name in self.place.folder.names(FOLDER) if name.startswith(start) and name.endswith(end)]

    def _parsed(self, name: str, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._damaged(name) from error

    def _damaged(self, name: str) -> CorruptFile:
        return CorruptFile(f"{self.place}/{name} is damaged; --force starts again from the beginning")


def read_manifest(where: str) -> list[Row]:
    """Return the rows of a manifest, Parquet or CSV, by its path or URL. CorruptFile when damaged; OSError."""
    folder, _, name = Place.of(where).url.rpartition("/")
    return _unpack(name, Place(folder or "/").folder.read(name), shown(where))


def _pack(name: str, rows: list[Row]) -> bytes:
    if name.endswith(".csv"):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, _NAMES, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_record(row) for row in rows)
        return text.getvalue().encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {name: pa.int64() if name in _WHOLE else pa.float64() if name in _REAL else pa.string() for name in _NAMES}
    table = pa.Table.from_pylist([_record(row) for row in rows], schema=pa.schema(kinds))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def _record(row: Row) -> dict[str, Any]:
    """Return the fields of a row. File names that are not Unicode, which a disk may have, get escapes."""
    plain = asdict(row)
    return {k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in plain.items()}


def _unpack(name: str, data: bytes, where: str) -> list[Row]:
    """Read the rows of a manifest. name: its ending tells the format. where: for the message of CorruptFile."""
    try:
        if name.endswith(".csv"):
            return [Row.of(_typed(record)) for record in csv.DictReader(io.StringIO(data.decode(), newline=""))]
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return [Row.of(values) for values in pq.read_table(pa.BufferReader(data)).to_pylist()]
        except pa.ArrowException as error:
            raise ValueError from error
    except (ValueError, OSError, csv.Error) as error:
        raise CorruptFile(f"{where} is not a manifest, or is damaged; --force starts from the beginning") from error


def _typed(record: dict[str, str]) -> dict[str, Any]:
    """Turn the texts of a CSV record into numbers where numbers belong; empty becomes None."""
    found: dict[str, Any] = {}
    for name, text in record.items():
        if name in _NAMES:
            empty = text is None or text == ""
            found[name] = None if empty else int(text) if name in _WHOLE else float(text) if name in _REAL else text
    return found
