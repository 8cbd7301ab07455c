"""Encode and decode folders of many pictures: plan, work, journal, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypedDict, Unpack

from regio.bulk.journal import Journal, Row
from regio.bulk.places import Place
from regio.bulk.plan import Plan, Task, pieces, plan, tasks_of
from regio.bulk.work import Weights, Work, recorded
from regio.codec import options as codec_options
from regio.errors import CorruptFile, UsageError, shown
from regio.names import PICTURES, RGO

Path = str | os.PathLike[str]
Watch = Callable[[int, int, Sequence[Row]], None]  # (done, of, the rows just done)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run came to. Bytes and pixels are those of the whole destination, seconds those of this run."""

    total: int
    done: int
    """In this run."""
    before: int
    """Done by earlier runs."""
    failed: int
    bytes_in: int
    bytes_out: int
    pixels: int
    seconds: float
    workers: int
    manifest: str
    failures: tuple[Row, ...] = ()

    @property
    def rate(self) -> float:
        """Pictures a second, starting Ray and loading codecs included."""
        return self.done / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The figures by name, ready for JSON; failures are in the manifest."""
        values = {name: value for name, value in asdict(self).items() if name != "failures"}
        return values | {"rate": round(self.rate, 3)}

    def __repr__(self) -> str:
        size = f"{self.bytes_in} bytes to {self.bytes_out}"
        return f"<Report {self.done} done, {self.before} before, {self.failed} failed of {self.total}; {size}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in self.as_dict().items())
        return f"<table>{rows}</table>"


def encode(
    source: Path,
    target: Path,
    *,
    workers: int | None = None,
    threads: int = 1,
    address: str | None = None,
    watch: Watch | None = None,
    **options: Unpack[EncodeOptions],
) -> Report:
    """Encode all pictures below a folder or URL to .rgo files below another, what is done already left as it is.

    source: a folder, an fsspec URL ("s3://bucket/photos") or a pattern ("photos/**/*.png"). target: a folder or URL.
    workers: processes that each hold the codec; default one for each GPU, or else for each core. threads: of each of
    them on the CPU; another number can change a symbol of one file in hundreds. address: of a Ray cluster ("auto",
    "ray://host:10001"), on whose machines Regio must be installed and both places reachable. watch is called after
    every piece of work. options: see `EncodeOptions`.

    A file that cannot be read or coded is in the report's `failures` and the manifest, the others are done. A run that
    was ended, however, goes on when called again, and tries failed files again. Raises UsageError for options that
    contradict each other, and for a target that other options, or somebody else, made, unless `force`; RegioError
    where Ray is missing; MissingWeights; OSError.
    """
    return encoding(source, target, **options).run(workers, threads, address, watch)


def decode(
    source: Path,
    target: Path,
    *,
    workers: int | None = None,
    threads: int = 1,
    address: str | None = None,
    watch: Watch | None = None,
    **options: Unpack[DecodeOptions],
) -> Report:
    """Decode all .rgo files below a folder or URL to pictures below another. See `encode`."""
    return decoding(source, target, **options).run(workers, threads, address, watch)


class _OfARun(TypedDict, total=False):
    codec: Path | None
    append_suffix: bool
    manifest: str
    device: str
    force: bool


class EncodeOptions(codec_options.EncodeOptions, _OfARun, total=False):
    """Those of `Codec.encode`, and some of a run.

    roi: a list of "faces", "text", "salient", masks and ONNX models by path, and boxes. max_memory: of each worker.
    append_suffix: a.jpg becomes a.jpg.rgo, not a.rgo. manifest: its name in the target, .parquet or .csv.
    """


class DecodeOptions(_OfARun, total=False):
    """format: "png" (default), "webp", "jpg" ... codec: weights, for files made with custom ones."""

    format: str
    strip: bool
    max_memory: int | str | None
    max_pixels: int | str | None


def encoding(source: Path, target: Path, **options: Unpack[EncodeOptions]) -> Job:
    """The same, not yet run: to look at its `plan`."""
    from regio.models.catalog import DEFAULT

    for_codec: dict[str, Any] = {k: v for k, v in options.items() if k not in _OfARun.__annotations__}
    weights = Weights.of(options.get("codec") or DEFAULT)
    work = Work("encode", Place.of(source), Place.of(target), weights, for_codec, options.get("device", "auto"))
    return _job(work, PICTURES, ".rgo", options)


def decoding(source: Path, target: Path, **options: Unpack[DecodeOptions]) -> Job:
    """The same, not yet run: to look at its `plan`."""
    from regio.images import writable_kind

    extension = "." + options.get("format", "png").lstrip(".").lower()
    writable_kind(extension)
    for_codec: dict[str, Any] = {k: v for k, v in options.items() if k not in (*_OfARun.__annotations__, "format")}
    codec = options.get("codec")
    weights = None if codec is None else Weights.of(codec)
    for_codec["extension"] = extension
    work = Work("decode", Place.of(source), Place.of(target), weights, for_codec, options.get("device", "auto"))
    return _job(work, RGO, extension, options)


def _job(work: Work, suffixes: frozenset[str], extension: str, options: EncodeOptions | DecodeOptions) -> Job:
    journal = Journal(work.target, options.get("manifest", "manifest.parquet"))
    append, force = options.get("append_suffix", False), options.get("force", False)
    return Job(work, suffixes, extension, journal, append, force)


@dataclass
class Job:
    """One call of the above."""

    work: Work
    suffixes: frozenset[str]
    extension: str
    journal: Journal
    append: bool = False
    force: bool = False

    def plan(self) -> Plan:
        """What there is to do. Looks at both places and at what earlier runs noted; changes nothing."""
        work, journal = self.work, self.journal
        tasks = tasks_of(work.source.files(), self.suffixes, self.extension, append=self.append)
        there = work.target.files() if work.target.exists() else {}
        if self.force:
            return Plan(tasks, [], [])
        known = journal.settings()
        if known is None:
            _refuse_existing(tasks, there, work.target)
        elif known != (wanted := self._settings()):
            changed = sorted(name for name in known | wanted if known.get(name) != wanted.get(name))
            raise UsageError(
                f"{work.target} holds what another run made (other {', '.join(changed)}); "
                "name another folder, or --force to do all of it anew"
            )
        else:
            journal.load()
        found = plan(tasks, journal.rows, there)
        adopted = []
        for task in found.unrecorded:
            try:
                adopted.append(recorded(work, task, there[task.target]))
            except (CorruptFile, OSError):  # not ours after all, or damaged since
                found.todo.append(task)
        return replace(found, done=found.done + adopted, unrecorded=[])

    def run(
        self,
        workers: int | None = None,
        threads: int = 1,
        address: str | None = None,
        watch: Watch | None = None,
    ) -> Report:
        """Do what there is to do."""
        start = time.monotonic()
        found = self.plan()
        journal = self.journal
        if self.force:
            journal.forget()
        journal.note(self._settings())
        journal.add([row for row in found.done if row.source not in journal.rows])
        crew = 0
        if found.todo:
            from regio.bulk.pipeline import cluster

            with cluster(workers, threads, address, self.work.device) as hands:
                crew = hands.workers
                left = {task.source: task for task in found.todo}
                try:
                    for rows in self._rows(left, hands):
                        journal.add(rows)
                        if watch is not None:
                            watch(len(found.todo) - len(left), len(found.todo), rows)
                finally:
                    journal.flush()
        journal.finish()
        return self._report(found, time.monotonic() - start, crew)

    def _rows(self, left: dict[str, Task], crew: Any) -> Iterator[list[Row]]:
        """Rows of all tasks; those done are taken out of `left`.

        What is missing after the first pass went down with a worker: each gets another chance, by itself, and then a
        row that says so.
        """
        from regio.bulk.pipeline import run

        for cut in (pieces(list(left.values()), crew.workers), None):
            for rows in run(self.work, cut or [[task] for task in left.values()], crew):
                for row in rows:
                    left.pop(row.source, None)
                yield rows
            if not left:
                return
        lost = list(left.values())
        left.clear()
        line = "the worker process died on it; not enough memory? --max-memory and fewer workers help"
        yield [
            Row(source=t.source, target=t.target, bytes_in=t.size, error=line, error_kind="WorkerDied") for t in lost
        ]

    def _settings(self) -> dict[str, Any]:
        return self.work.identity() | {"extension": self.extension, "append_suffix": self.append}

    def _report(self, found: Plan, seconds: float, workers: int) -> Report:
        sources = {task.source for task in found.todo} | {row.source for row in found.done}
        rows = [row for row in self.journal.rows.values() if row.source in sources]
        failures = tuple(sorted((row for row in rows if row.error is not None), key=lambda row: row.source))
        good = [row for row in rows if row.error is None]
        return Report(
            total=len(rows),
            done=len(found.todo) - len(failures),
            before=len(found.done),
            failed=len(failures),
            bytes_in=sum(row.bytes_in for row in good),
            bytes_out=sum(row.bytes_out or 0 for row in good),
            pixels=sum((row.width or 0) * (row.height or 0) for row in good),
            seconds=round(seconds, 3),
            workers=workers,
            manifest=f"{self.work.target.url}/{self.journal.manifest}",
            failures=failures,
        )


def _refuse_existing(tasks: Sequence[Task], there: dict[str, int], target: Place) -> None:
    taken = [task.target for task in tasks if task.target in there]
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise UsageError(f"{shown(taken[0])}{more} in {target} exists already; --force overwrites")
