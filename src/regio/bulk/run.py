"""Encode and decode folders of many pictures: plan, work, journal, report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypedDict, Unpack

from regio.bulk.journal import Journal, Row
from regio.bulk.places import Place
from regio.bulk.plan import Plan, Task, left_out, pieces, plan, tasks_of
from regio.bulk.work import Weights, Work
from regio.codec import options as codec_options
from regio.errors import UsageError, shown
from regio.names import RGO, readable

_MOST_ALONE = 16  # tasks that are tried without neighbours although no worker has finished anything
Path = str | os.PathLike[str]
Watch = Callable[[int, int, Sequence[Row]], None]  # (done, of, the rows just done)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The figures of a run. Bytes and pixels cover the whole destination, seconds this run only."""

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
    skipped: str = ""
    """The files of other kinds in the source, in one line; empty without any."""
    failures: tuple[Row, ...] = ()

    @property
    def rate(self) -> float:
        """Pictures a second, including the time to start Ray and load codecs."""
        return self.done / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the figures by name, ready for JSON. Failures are in the manifest."""
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
    """Encode every picture below `source` to a .rgo file below `target`. Pictures that are done already are skipped.

    source: a folder, an fsspec URL ("s3://bucket/photos") or a pattern ("photos/**/*.png").
    target: a folder or URL, taken literally.
    workers: processes, each with its own codec; by default one for each GPU, or one for each core.
    threads: CPU threads of each worker; another number can change a symbol in one file of hundreds.
    address: of a Ray cluster ("auto", "ray://host:10001"). Its machines need Regio and access to both places.
    watch: called after each piece of work.
    options: see `EncodeOptions`.

    A file that cannot be read or coded does not stop the others; it is in the report's `failures` and in the
    manifest. A run that was interrupted continues when it is called again, and failed files are tried again.

    Raises UsageError for options that contradict each other, and, without `force`, for a target with files of other
    options or of somebody else; CorruptFile for a damaged journal; RegioError when Ray is missing; MissingWeights;
    OSError.
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
    keep_suffix: bool
    manifest: str
    device: str
    force: bool


class EncodeOptions(codec_options.EncodeOptions, _OfARun, total=False):
    """The options of `Codec.encode`, and some for the run.

    roi: a list of "faces", "text", "salient", masks and ONNX models by path, and boxes. max_memory: of each worker.
    keep_suffix: a.jpg becomes a.jpg.rgo, not a.rgo. manifest: the name of its file in the target, .parquet or .csv.
    """


class DecodeOptions(_OfARun, total=False):
    """format: "png" (default), "webp", "jpg" ... quality: 0 to 100, of JPEG, AVIF and WebP (`regio decode --quality`).

    codec: weights, for files made with custom ones. The others are those of `regio.decode`.
    """

    format: str
    quality: float | None
    strip: bool
    reduced: float | str | None
    max_memory: int | str | None
    max_pixels: int | str | None


def encoding(source: Path, target: Path, **options: Unpack[EncodeOptions]) -> Job:
    """Prepare a run without starting it, to look at its `plan`."""
    from regio.models.catalog import DEFAULT

    for_codec: dict[str, Any] = {k: v for k, v in options.items() if k not in _OfARun.__annotations__}
    weights = Weights.of(options.get("codec") or DEFAULT)
    weights.check(options.get("device", "auto"))
    work = Work(
        "encode", Place.of(source, pattern=True), Place.of(target), weights, for_codec, options.get("device", "auto")
    )
    return _job(work, readable(), ".rgo", options)


def decoding(source: Path, target: Path, **options: Unpack[DecodeOptions]) -> Job:
    """Prepare a run without starting it, to look at its `plan`."""
    from regio.images import quality_options

    extension = "." + options.get("format", "png").lstrip(".").lower()
    quality_options(extension, options.get("quality"))
    codec_options.log2_reduced(options.get("reduced"))
    for_codec: dict[str, Any] = {k: v for k, v in options.items() if k not in (*_OfARun.__annotations__, "format")}
    codec = options.get("codec")
    weights = None if codec is None else Weights.of(codec)
    if weights is not None:
        weights.check(options.get("device", "auto"))
    for_codec["extension"] = extension
    work = Work(
        "decode", Place.of(source, pattern=True), Place.of(target), weights, for_codec, options.get("device", "auto")
    )
    return _job(work, RGO, extension, options)


def _job(work: Work, suffixes: frozenset[str], extension: str, options: EncodeOptions | DecodeOptions) -> Job:
    journal = Journal(work.target, options.get("manifest", "manifest.parquet"))
    keep_suffix, force = options.get("keep_suffix", False), options.get("force", False)
    return Job(work, suffixes, extension, journal, keep_suffix, force)


@dataclass
class Job:
    """One run, prepared: `plan` says what it would do, `run` does it."""

    work: Work
    suffixes: frozenset[str]
    extension: str
    journal: Journal
    keep_suffix: bool = False
    force: bool = False

    def plan(self) -> Plan:
        """Compare both places and the journal, and return what there is to do. Changes nothing."""
        work, journal = self.work, self.journal
        files = work.source.files()
        tasks = tasks_of(files, self.suffixes, self.extension, self.keep_suffix)
        skipped = left_out(files, self.suffixes)
        there = work.target.files() if work.target.folder.exists() else {}
        if self.force:
            return Plan(tasks, [], [], skipped)
        known = journal.settings()
        if known is not None and known != (wanted := self._settings()):
            changed = sorted(name for name in known | wanted if known.get(name) != wanted.get(name))
            raise UsageError(
                f"{work.target} holds the files of another run (other {', '.join(changed)}); "
                "name another folder, or --force to do all of them again"
            )
        if known is not None:
            journal.load()
        found = plan(tasks, journal.rows, there, journal.promised)
        if found.foreign:
            _refuse(found.foreign, work.target)
        return replace(found, skipped=skipped)

    def run(
        self,
        workers: int | None = None,
        threads: int = 1,
        address: str | None = None,
        watch: Watch | None = None,
    ) -> Report:
        """Do everything that the plan says. Arguments and errors: see `encode`."""
        start = time.monotonic()
        found = self.plan()
        journal = self.journal
        if self.force:
            journal.forget()
        journal.note(self._settings(), [task.target for task in found.todo])
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
        """Yield the rows of all tasks and remove finished tasks from `left`.

        Tasks without a row after the first pass were lost with their worker. They are tried again one by one, and those
        that are lost again once more without any neighbour: a dying worker takes along what waits for it. Then they
        get a row that says so.
        """
        count = len(left)
        yield from self._pass(pieces(list(left.values()), crew.workers), left, crew)
        yield from self._pass([[task] for task in left.values()], left, crew)
        if 1 < len(left) < max(count, _MOST_ALONE):  # else no worker survives anything
            for task in list(left.values()):
                yield from self._pass([[task]], left, crew)
        if not left:
            return
        lost = list(left.values())
        left.clear()
        line = "the worker process died; if memory ran out, try --max-memory or fewer workers"
        yield [
            Row(source=t.source, target=t.target, bytes_in=t.size, error=line, error_kind="WorkerDied") for t in lost
        ]

    def _pass(self, cut: list[list[Task]], left: dict[str, Task], crew: Any) -> Iterator[list[Row]]:
        from regio.bulk.pipeline import run

        for rows in run(self.work, cut, crew) if cut else ():
            for row in rows:
                left.pop(row.source, None)
            yield rows

    def _settings(self) -> dict[str, Any]:
        return self.work.identity() | {"extension": self.extension, "keep_suffix": self.keep_suffix}

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
            skipped=found.skipped,
            failures=failures,
        )


def _refuse(foreign: Sequence[Task], target: Place) -> None:
    more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
    exist = "exist" if more else "exists"
    raise UsageError(f"{shown(foreign[0].target)}{more} in {target} {exist} already; --force overwrites")
