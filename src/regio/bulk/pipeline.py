"""Run the work on Ray Data: actors hold the codec and return rows."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from regio.bulk.journal import Row
from regio.bulk.plan import Task
from regio.bulk.work import Work, Worker
from regio.errors import RegioError, UsageError, one_line

_WORKER_MEMORY = 2**30  # bytes a worker needs, about: torch and a small codec; limits the default number of workers
_STORE_MEMORY = 100 * 2**20  # bytes of Ray's shared memory; only rows pass through it
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # workers run at the priority of the command; start it with `nice` for a lower one
}


@dataclass(frozen=True)
class Crew:
    """The number of workers, and the resources of each."""

    workers: int
    gpus: float = 0.0  # of each; less than one where several share one
    threads: int = 1  # of each, on the CPU


@contextmanager
def cluster(workers: int | None, threads: int, address: str | None, device: str) -> Iterator[Crew]:
    """Start Ray on this machine, or connect to the cluster at `address`. A running Ray is used and left running.

    RegioError when Ray is not installed or the cluster does not answer.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise RegioError(f"{error.name} is not installed; bulk needs: pip install 'regio[bulk]'") from error
    ours = not ray.is_initialized()
    if ours:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            options |= {
                "include_dashboard": False,
                "object_store_memory": _STORE_MEMORY,
                "num_cpus": workers and workers * threads,
            }
        try:
            with _hushed():
                ray.init(address=address or "local", **options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise RegioError(f"Ray{f' at {address}' if address else ''} does not start: {one_line(error)}") from error
    try:
        yield _crew(dict(ray.cluster_resources()), workers, threads, device)  # type: ignore[no-untyped-call]
    finally:
        if ours:
            ray.shutdown()


def _crew(resources: dict[str, float], workers: int | None, threads: int, device: str) -> Crew:
    gpus = resources.get("GPU", 0.0) if device != "cpu" else 0.0
    if device.startswith("cuda") and not gpus:
        raise UsageError(f"device {device!r}: Ray sees no GPU")
    if gpus:
        count = workers or int(gpus)
        return Crew(count, min(1.0, gpus / count), threads)
    cpus = int(resources.get("CPU", 1)) // threads
    fitting = int(resources.get("memory", cpus * _WORKER_MEMORY) / _WORKER_MEMORY)
    return Crew(workers or max(1, min(cpus, fitting)), threads=threads)


class _Actor:
    """Hold the codec in a process of Ray. Loading errors are returned as data, since Ray would retry exceptions."""

    def __init__(self, work: Work, threads: int) -> None:
        self.worker: Worker | None = None
        self.fault: RegioError | None = None
        if most := work.options.get("max_pixels"):
            from PIL import Image

            Image.MAX_IMAGE_PIXELS = -(-most // 2)  # Pillow warns above this number and refuses twice as many
        try:
            self.worker = Worker(work, threads)
        except RegioError as error:
            self.fault = error

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        lines: list[str] = []
        for piece in batch["piece"]:
            if self.worker is None:
                lines.append(json.dumps({"fault": str(self.fault), "kind": type(self.fault).__name__}))
                continue
            rows = self.worker.piece([Task(**task) for task in json.loads(str(piece))])
            lines.append(json.dumps([asdict(row) for row in rows]))
        return {"rows": lines}


def run(work: Work, pieces: Sequence[Sequence[Task]], crew: Crew) -> Iterator[list[Row]]:
    """Yield the rows of each piece when it is finished, in any order. Pieces whose worker died twice are left out.

    Raises the RegioError of workers that cannot load their codec.
    """
    import ray

    size = min(crew.workers, len(pieces))
    cpus = ray.cluster_resources().get("CPU", 1.0)  # type: ignore[no-untyped-call]
    items = [{"piece": json.dumps([asdict(task) for task in piece])} for piece in pieces]
    data = ray.data.from_items(items, override_num_blocks=len(items))
    data.context.enable_progress_bars = False
    data.context.print_on_execution_start = False
    data.context.max_errored_blocks = -1  # a piece that kills its worker does not end the run
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of max_task_retries, from 2.64 on; see pyproject.toml
        done = data.map_batches(
            _Actor,
            fn_constructor_args=(work, crew.threads),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=size),
            num_cpus=min(crew.threads, cpus / size),
            num_gpus=crew.gpus or None,
            max_task_retries=1,
        )
    batches: Iterable[Any] = done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for batch in batches:
        for line in batch["rows"].to_pylist():
            found = json.loads(line)
            if isinstance(found, dict):
                raise _error(found["kind"], found["fault"])
            yield [Row.of(values) for values in found]


def _error(kind: str, message: str) -> RegioError:
    from regio import errors

    found: type[RegioError] = getattr(errors, kind, RegioError)
    return found(message)


@contextmanager
def _hushed() -> Iterator[None]:
    """Close standard error while Ray starts: its C++ part prints messages that no setting turns off."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is wanted
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
