"""What a training run prints to a terminal: a progress line, and a line for each validation."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from regio.cli.progress import say

Line = dict[str, Any]  # a record of regio.training.records


class _Talk(logging.Handler):
    """Warnings of the library as one line each."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.write = write

    def emit(self, record: logging.LogRecord) -> None:
        self.write(record.getMessage())


@contextmanager
def watching(live: bool) -> Iterator[Callable[[Any], None] | None]:
    """Show warnings while a run goes on -> what to call with its records: None, unless somebody watches `live`."""
    if not live:
        with _warnings_to(say):
            yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading pictures", total=None, figures="")

        def report(line: Line) -> None:
            if "held_back" in line:
                progress.console.print(held_back(line), highlight=False)
            else:
                name = f"phase {line['phase']}, step {line['step']} of {line['of']}"
                progress.update(task, description=name, completed=line["step"], total=line["of"], figures=figures(line))

        with _warnings_to(lambda message: progress.console.print(f"regio: {message}", highlight=False, markup=False)):
            yield report


def figures(line: Line) -> str:
    """The figures of a step record in one line."""
    pace = line["steps_per_s"]
    left = _clock((line["of"] - line["step"]) / pace) if pace else "?"
    return (
        f"{_number(line['bpp'], 3)} bpp  {_number(line['psnr'], 2)} dB  lr {line['lr']:.1e}  "
        f"{pace:.2f} steps/s  {left} left" + (f"  {line['skipped']} skipped" if line["skipped"] else "")
    )


def held_back(line: Line) -> str:
    """Rate and distortion of a validation in one line."""
    points = "  ".join(f"{p['bpp']:.3f} → {p['psnr']:.2f}" for p in line["held_back"])
    return f"step {line['step']}, held-back pictures (bpp → dB): {points}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _clock(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


@contextmanager
def _warnings_to(write: Callable[[str], None]) -> Iterator[None]:
    logger, handler = logging.getLogger("regio"), _Talk(write)
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
