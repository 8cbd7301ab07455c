"""regio bulk: folders of many pictures, on all cores or on a cluster."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regio import errors
from regio.cli.exit_codes import FAILURE, code_of
from regio.cli.options import (
    CodecName,
    Device,
    Force,
    Json,
    KeepSuffix,
    MaxPixels,
    Memory,
    PictureFormat,
    PictureQuality,
    Reduced,
    RgoCodec,
    Strip,
    checked_options,
    raise_pillow_limit,
    takes_encode_options,
)
from regio.cli.progress import Progress, print_result, say, shown
from regio.cli.regions import Boxes, Rois, roi_of
from regio.codec.options import memory_of

if TYPE_CHECKING:
    from regio.bulk import Job, Report, Row

_MOST_SAID = 20  # failures on standard error; the manifest has all of them

Source = Annotated[
    str, typer.Argument(help="folder, pattern or URL: photos, 'in/**/*.png', s3://bucket/photos", metavar="SRC")
]
Target = Annotated[str, typer.Argument(help="folder or URL for the results and the manifest", metavar="DST")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="processes, each with the codec loaded; default: one per GPU, else one per core"
    ),
]
Threads = Annotated[
    int, typer.Option("--threads", min=1, help="CPU threads of each worker; use more for few large pictures")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", help="address of a Ray cluster: auto, HOST:6379, ray://HOST:10001; default: this machine"
    ),
]
Manifest = Annotated[
    str, typer.Option("--manifest", help="name of the manifest in DST, .parquet or .csv", metavar="NAME")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only print how much there is to do")]


@takes_encode_options
def encode(
    source: Source,
    target: Target,
    codec: CodecName = None,
    roi: Rois = None,
    roi_box: Boxes = None,
    keep_suffix: KeepSuffix = False,
    manifest: Manifest = "manifest.parquet",
    workers: Workers = None,
    threads: Threads = 1,
    address: Address = None,
    device: Device = "auto",
    dry_run: DryRun = False,
    force: Force = False,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Encode a folder of many pictures, on all cores or on a cluster.

    Started again after an interruption, it continues: finished pictures are skipped, failed ones tried again. A bad
    picture is reported and does not stop the others. --max-memory is for each worker.

    \b
    Examples:
      regio bulk encode photos small -q 50
      regio bulk encode photos s3://bucket/small --max-bytes 40k --roi faces --workers 8
      regio bulk encode s3://bucket/photos s3://bucket/small --address auto --manifest all.csv
    """
    wanted = roi_of(roi, roi_box, None)
    given = checked_options(options, None if wanted is None else [_absolute(part) for part in wanted])

    from regio import bulk

    job = bulk.encoding(
        source,
        target,
        codec=codec,
        keep_suffix=keep_suffix,
        manifest=manifest,
        device=device,
        force=force,
        **given,
    )
    _run(job, workers, threads, address, dry_run, as_json)


def decode(
    source: Source,
    target: Target,
    kind: PictureFormat = None,
    codec: RgoCodec = None,
    reduced: Reduced = None,
    quality: PictureQuality = None,
    strip: Strip = False,
    memory: Memory = None,
    max_pixels: MaxPixels = None,
    keep_suffix: KeepSuffix = False,
    manifest: Manifest = "manifest.parquet",
    workers: Workers = None,
    threads: Threads = 1,
    address: Address = None,
    device: Device = "auto",
    dry_run: DryRun = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Decode a folder of many .rgo files, on all cores or on a cluster. Continues after an interruption, like encode.

    \b
    Examples:
      regio bulk decode small pictures
      regio bulk decode s3://bucket/small pictures --format jpg -q 80 --workers 4
    """
    from regio import bulk

    job = bulk.decoding(
        source,
        target,
        format=kind or "png",
        quality=quality,
        reduced=reduced,
        codec=codec,
        strip=strip,
        max_memory=memory_of(memory),
        max_pixels=raise_pillow_limit(max_pixels),
        keep_suffix=keep_suffix,
        manifest=manifest,
        device=device,
        force=force,
    )
    _run(job, workers, threads, address, dry_run, as_json)


def _absolute(roi: Any) -> Any:
    """Masks by their whole path: workers may start elsewhere."""
    return str(Path(roi).absolute()) if isinstance(roi, str) and Path(roi).is_file() else roi


def _run(job: Job, workers: int | None, threads: int, address: str | None, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        found = job.plan()
        size = sum(task.size for task in found.todo)
        values = {"todo": len(found.todo), "before": len(found.done), "bytes_in": size}
        line = f"{len(found.todo)} to do, {size} bytes; {len(found.done)} done before"
        print_result(json.dumps(values) if as_json else line)
        return
    display = _Display()
    display.progress.show("starting")
    try:
        with _only_results_on_stdout():
            report: Report = job.run(workers, threads, address, display)
    finally:
        display.progress.clear()
    if display.failed > _MOST_SAID:
        say(f"{display.failed - _MOST_SAID} more failed; the manifest says why")
    if report.skipped:
        say(shown(report.skipped))
    print_result(json.dumps(report.as_dict()) if as_json else _line(report))
    if report.failures:
        raise typer.Exit(_code(report.failures[0]))


@contextmanager
def _only_results_on_stdout() -> Iterator[None]:
    """Send to standard error what Ray prints on standard output, such as its remarks on workers that died."""
    try:
        kept = os.dup(1)
    except OSError:  # standard output is closed
        with redirect_stdout(sys.stderr):
            yield
        return
    sys.stdout.flush()
    try:
        with suppress(OSError):  # standard error may be closed
            os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


class _Display:
    """Progress on a terminal, failures as they come."""

    def __init__(self) -> None:
        self.progress = Progress(1)
        self.start = monotonic()
        self.failed = 0

    def __call__(self, done: int, of: int, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.error is not None:
                self.failed += 1
                if self.failed <= _MOST_SAID:
                    say(f"{shown(row.source)}: {row.error}")
        self.progress.show(f"{done} of {of}, {done / (monotonic() - self.start):.1f} a second")


def _line(report: Report) -> str:
    parts = [f"{report.done} done in {report.seconds:.1f} s"]
    parts += [f"{report.before} before"] if report.before else []
    parts += [f"{report.failed} failed"] if report.failed else []
    return f"{', '.join(parts)}; {report.bytes_in} bytes to {report.bytes_out}; {shown(report.manifest)}"


def _code(row: Row) -> int:
    """The exit code of a failure, by the name of its exception."""
    kind = getattr(errors, row.error_kind or "", None)
    return code_of(kind("")) if kind is not None else 5 if row.error_kind in ("MemoryError", "WorkerDied") else FAILURE
