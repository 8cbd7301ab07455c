"""What came of each file: rows, kept while a run goes on as small files of lines, in the end as one manifest.

    DESTINATION/.regio-bulk/settings.json      what the destination's files were made with
    DESTINATION/.regio-bulk/rows-*.jsonl       rows since the last manifest, a file every few seconds
    DESTINATION/manifest.parquet (or .csv)     all rows; written in one piece, then the others go

Object storage cannot append to a file, so nothing here does. Later rows of a source replace earlier ones.
"""

from __future__ import annotations

import csv
import io
import json
import secrets
import time
from collections.abc import Iterable
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
    """One file of the manifest. None is what is not known, for files that failed above all."""

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
        """From plain data; what is not known here is left out."""
        return cls(**{name: value for name, value in values.items() if name in _NAMES})


_NAMES = tuple(field.name for field in fields(Row))
_WHOLE = {"bytes_in", "bytes_out", "width", "height"}
_REAL = {"bpp", "quality", "seconds"}


class Journal:
    """The rows of a destination, those of earlier runs and those of this one."""

    def __init__(self, place: Place, manifest: str = "manifest.parquet") -> None:
        if not manifest.endswith(KINDS) or "/" in manifest or manifest.startswith("."):
            raise UsageError(f"the manifest {shown(manifest)}: a name in the destination, ending in .parquet or .csv")
        self.place, self.manifest = place, manifest
        self.rows: dict[str, Row] = {}
        self._fresh: list[Row] = []
        self._stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)
        self._written = 0
        self._start = self._last = time.monotonic()

    def settings(self) -> dict[str, Any] | None:
        """What an earlier run noted, or None where there was none."""
        try:
            found: dict[str, Any] = json.loads(self.place.read(SETTINGS))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise CorruptFile(f"{self.place}/{SETTINGS} is damaged; --force starts anew") from error
        return found

    def note(self, settings: dict[str, Any]) -> None:
        """Write down what this run makes its files with."""
        self.place.write(SETTINGS, json.dumps(settings, indent=1, sort_keys=True).encode())

    def load(self) -> None:
        """Read the manifest and the rows since."""
        if self.place.exists(self.manifest):
            for row in _unpack(self.manifest, self.place.read(self.manifest)):
                self.rows[row.source] = row
        for name in self._parts():
            for line in self.place.read(f"{FOLDER}/{name}").splitlines():
                row = Row.of(json.loads(line))
                self.rows[row.source] = row

    def forget(self) -> None:
        """Take away what earlier runs noted; their files stay until they are written again."""
        for name in self._parts():
            self.place.remove(f"{FOLDER}/{name}")
        self.place.remove(self.manifest)
        self.place.remove(SETTINGS)

    def add(self, rows: Iterable[Row]) -> None:
        """Remember rows, and write them down if it is time."""
        for row in rows:
            self.rows[row.source] = row
            self._fresh.append(row)
        now = time.monotonic()
        if now - self._last >= min(_LONGEST_PAUSE, max(_FIRST_PAUSE, (now - self._start) / 50)):
            self.flush()

    def flush(self) -> None:
        """Write down what is not written yet."""
        self._last = time.monotonic()
        if not self._fresh:
            return
        lines = "".join(json.dumps(asdict(row), ensure_ascii=True) + "\n" for row in self._fresh)
        self.place.write(f"{FOLDER}/rows-{self._stamp}-{self._written:06d}.jsonl", lines.encode())
        self._fresh, self._written = [], self._written + 1

    def finish(self) -> None:
        """Write the manifest, in order of sources; then the files of rows can go."""
        self.flush()
        self.place.write(self.manifest, _pack(self.manifest, [self.rows[source] for source in sorted(self.rows)]))
        for name in self._parts():
            self.place.remove(f"{FOLDER}/{name}")

    def _parts(self) -> list[str]:
        return [name for name in self.place.names(FOLDER) if name.startswith("rows-") and name.endswith(".jsonl")]


def read_manifest(where: str) -> list[Row]:
    """The rows of a manifest by its path or URL, Parquet or CSV."""
    folder, _, name = Place.of(where).url.rpartition("/")
    return _unpack(name, Place(folder or "/").read(name))


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
    """The fields of a row; names of files that are no Unicode, as a disk may have them, with escapes."""
    plain = asdict(row)
    return {k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in plain.items()}


def _unpack(name: str, data: bytes) -> list[Row]:
    if name.endswith(".csv"):
        return [Row.of(_typed(record)) for record in csv.DictReader(io.StringIO(data.decode(), newline=""))]
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [Row.of(values) for values in pq.read_table(pa.BufferReader(data)).to_pylist()]
    except (pa.ArrowInvalid, OSError) as error:
        raise CorruptFile(f"{shown(name)} is not a manifest that can be read") from error


def _typed(record: dict[str, str]) -> dict[str, Any]:
    """A record of a CSV file -> numbers as numbers; empty is None."""
    found: dict[str, Any] = {}
    for name, text in record.items():
        found[name] = None if text == "" else int(text) if name in _WHOLE else float(text) if name in _REAL else text
    return found
