"""Progress and notes: everything that goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from regio.errors import one_line as one_line  # the commands find both here
from regio.errors import shown as shown

if TYPE_CHECKING:
    from regio.evaluation.sweep import Problem

_WIPE = "\r\x1b[K"


def say(message: str) -> None:
    """A warning or an error: written even when nobody watches a terminal."""
    wipe = _WIPE if sys.stderr.isatty() else ""
    print(f"{wipe}regio: {message}", file=sys.stderr)


def say_left_out(skipped: Mapping[str, str], problems: Iterable[Problem] = ()) -> None:
    """Codecs that cannot take part, and what could not be measured, each with the reason."""
    for name, reason in skipped.items():
        say(f"{name} skipped: {reason}")
    for problem in problems:
        say(f"{' by '.join(filter(None, (problem.picture, problem.codec)))} skipped: {problem.reason}")


def print_result(line: str) -> None:
    """A result, on standard output; a progress line on the same terminal makes way for it."""
    if sys.stderr.isatty() and sys.stdout.isatty():
        sys.stderr.write(_WIPE)
        sys.stderr.flush()
    print(line, flush=True)


class Progress:
    """ "3 of 10: photo.jpg" on one line that is written over; silent unless standard error is a terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.live = sys.stderr.isatty()

    def show(self, what: str) -> None:
        if self.live:
            count = f"{self.done + 1} of {self.total}: " if self.total > 1 else ""
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # some terminals do not know
            sys.stderr.write(_WIPE + (count + what)[: width - 1])
            sys.stderr.flush()

    def step(self) -> None:
        self.done += 1

    def clear(self) -> None:
        if self.live:
            sys.stderr.write(_WIPE)
            sys.stderr.flush()


@contextmanager
def talking(what: str) -> Iterator[None]:
    """Say what is going on for as long as it does."""
    progress = Progress(1)
    progress.show(what)
    try:
        yield
    finally:
        progress.clear()
