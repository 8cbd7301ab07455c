"""Many files, one after another or several at once; a bad one is listed and the others go on."""

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import typer

from regio.cli.exit_codes import OK, code_of
from regio.cli.paths import Transfer
from regio.cli.progress import Progress, one_line, print_result, say
from regio.errors import RegioError, UsageError


class Named(Protocol):
    """A job or a source."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def real(self) -> str:
        """For programs: the path as it is."""


T = TypeVar("T", bound=Named)
_MOST_NAMED = 3  # files that failed, in the last line
_NO_ROOM = {errno.ENOSPC, errno.EROFS, errno.EDQUOT}  # what the next file meets, too


@dataclass(frozen=True)
class Result:
    """The result for one file: as text, as JSON, and notes."""

    line: str
    values: dict[str, Any]
    notes: tuple[str, ...] = ()
    sizes: tuple[int, int] | None = None
    """Bytes of the file that was read and of the one that was written."""


def run_batch(items: Sequence[T], work: Callable[[T], Result], *, parallel: int, as_json: bool) -> None:
    """Work on every item; print results in order. Ends the command with the exit code of the first failure, if any.

    Results go to standard output, as JSON one object a line, failures among them; nothing of this is printed when
    standard output carries the file itself.
    """
    quiet = any(isinstance(item, Transfer) and item.target is None for item in items)
    if quiet and as_json:
        raise UsageError("--json and the result itself cannot both go to standard output; use -o FILE")
    first_failure, failed = OK, list[str]()
    sizes: list[tuple[int, int]] = []
    progress = Progress(len(items))
    for item, outcome in _outcomes(items, work, parallel, progress):
        progress.step()
        if isinstance(outcome, Result):
            sizes += [] if outcome.sizes is None else [outcome.sizes]
            for note in outcome.notes:
                say(f"{item.name}: {note}")
            if not quiet:
                print_result(json.dumps(outcome.values) if as_json else outcome.line)
            continue
        failed.append(item.name)
        first_failure = first_failure or code_of(outcome)
        say(f"{item.name}: {one_line(outcome).removesuffix(f': {item.name}')}")
        if as_json:
            record = {"source": item.real, "error": one_line(outcome), "exit_code": code_of(outcome)}
            print_result(json.dumps(record))
        if getattr(outcome, "errno", None) in _NO_ROOM:
            if (left := len(items) - progress.done) > 0:
                say(f"{left} more not tried: the results cannot be written")
            break
    progress.clear()
    if len(sizes) > 1 and not as_json:
        print_result(totals(sizes))
    if failed and len(items) > 1:
        more = ", ..." if len(failed) > _MOST_NAMED else ""
        say(f"{len(failed)} of {len(items)} failed: {', '.join(failed[:_MOST_NAMED])}{more}")
    if first_failure:
        raise typer.Exit(first_failure)


def totals(sizes: Sequence[tuple[int, int]]) -> str:
    """ "30 pictures, 92.1 MB → 3.4 MB (3.7 %)"."""
    before, after = (sum(pair[side] for pair in sizes) for side in (0, 1))
    return f"{len(sizes)} pictures, {change(before, after)}"


def change(before: int, after: int) -> str:
    """ "92.1 MB → 3.4 MB (3.7 %)"."""
    percent = 100 * after / before if before else 0
    share = f" ({percent:{',.0f' if percent >= 1000 else '.3g'}} %)" if before else ""
    return f"{_size(before)} → {_size(after)}{share}"


def _size(count: int) -> str:
    """Bytes as people read them, in units of a thousand."""
    if count < 1000:
        return f"{count} bytes"
    unit, word = (1e6, "MB") if count >= 999_950 else (1e3, "kB")
    return f"{count / unit:.1f} {word}"


def _outcomes(
    items: Sequence[T], work: Callable[[T], Result], parallel: int, progress: Progress
) -> Iterator[tuple[T, Result | Exception]]:
    def attempt(item: T) -> Result | Exception:
        try:
            return work(item)
        except BrokenPipeError:
            raise  # nobody listens any more: that ends the run, it is no fault of the file
        except (RegioError, OSError, MemoryError) as error:
            return error

    parallel = min(parallel, len(items))
    if parallel <= 1:
        for item in items:
            progress.show(item.name)
            yield item, attempt(item)
        return
    _share_the_cores(parallel)
    with ThreadPoolExecutor(parallel) as pool:
        futures: list[Future[Result | Exception]] = [pool.submit(attempt, item) for item in items]
        try:
            for item, future in zip(items, futures, strict=True):
                progress.show(item.name)
                yield item, future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _share_the_cores(parallel: int) -> None:
    """Several pictures at once leave each fewer threads; a file's bytes may differ a little for it (docs/cli.md)."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // parallel))
