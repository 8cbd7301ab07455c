"""Long work in a process of its own, which can be ended at once, whatever it is doing.

A worker does one thing for one visitor and ends, and its memory goes back to the system. Where the system can, workers
are forked from a process that has loaded our modules and done nothing else, so that one starts at once.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from inspect import isgenerator
from multiprocessing.connection import Connection
from operator import methodcaller
from typing import Any, NamedTuple

from regio.app.desk import Desk
from regio.app.faults import in_words
from regio.app.limits import only_kinds
from regio.errors import RegioError

START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
PRELOADED = ["regio.cli", "regio.app.workers", "regio.codec.api", "regio.codec.roi", "regio.evaluation.bit_share"]
TASKS = ("look", "compress", "open", "several")  # methods of the desk that workers run
TICK = 0.5  # seconds after which a step is told again, because time has passed


class Step(NamedTuple):
    """The progress of the work."""

    share: float
    """0 to 1, of the work that is done."""
    what: str
    seconds: float
    """Since the worker first said what it does."""


class Failed(RegioError):
    """A worker met an error; its text is for people."""


@dataclass
class Workers:
    """The workers of all visitors."""

    desk: Desk
    running: dict[str, list[Any]] = field(default_factory=dict)
    """Visitor and task -> processes."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def warm(self) -> None:
        """Load what workers are forked from, so that no visitor waits for it."""
        context: Any = multiprocessing.get_context(START)
        context.set_forkserver_preload(PRELOADED)
        first = context.Process(target=_nothing, daemon=True)
        first.start()

    def run(self, visitor: str, task: str, *arguments: Any) -> Iterator[Any]:
        """What a method of the desk gives, and a `Step` twice a second meanwhile.

        task: name of the method; besides the arguments it gets a function for progress. It ends without a word when
        somebody cancels it. Raises Failed.
        """
        context: Any = multiprocessing.get_context(START)
        ours, theirs = context.Pipe(duplex=False)
        desk = pickle.dumps(replace(self.desk, loaded={}))
        process = context.Process(target=_work, args=(theirs, desk, task, arguments, _threads()), daemon=True)
        key = f"{visitor} {task}"
        with self.lock:
            process.start()
            self.running.setdefault(key, []).append(process)
        theirs.close()
        try:
            yield from _heard(ours)
        except EOFError:
            if self._holds(key, process):  # nobody cancelled it
                raise Failed("The system ended the work, perhaps because memory ran out.") from None
        finally:
            self._end(key, process)
            ours.close()

    def cancel(self, visitor: str, *tasks: str) -> bool:
        """End what a visitor's workers are doing -> whether there was anything."""
        with self.lock:
            ended = [process for task in tasks for process in self.running.pop(f"{visitor} {task}", [])]
        for process in ended:
            process.kill()
        return bool(ended)

    def _holds(self, key: str, process: Any) -> bool:
        with self.lock:
            return process in self.running.get(key, [])

    def _end(self, key: str, process: Any) -> None:
        process.kill()
        process.join(10)
        with self.lock:
            if process in self.running.get(key, []):
                self.running[key].remove(process)
            if not self.running.get(key, True):
                del self.running[key]


def _heard(link: Connection) -> Iterator[Any]:
    """What a worker says, until it has said that it is done. EOFError if it ends before, Failed."""
    share, what, began = 0.0, "Starting", None
    while True:
        if link.poll(TICK):
            kind, said = link.recv()
            if kind == "done":
                return
            if kind == "failed":
                raise Failed(said)
            if kind == "made":
                yield said
                continue
            share, what = said
            began = began or time.monotonic()
        yield Step(share, what, time.monotonic() - began if began else 0.0)


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _work(link: Connection, desk: bytes, task: str, arguments: tuple[Any, ...], threads: int) -> None:
    """All that a worker does."""
    import torch

    torch.set_num_threads(threads)  # a forked process gets one; what it was forked from has not used any
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends its workers
    found = pickle.loads(desk)
    try:
        with only_kinds(found.limits.pixels):
            made = methodcaller(task, *arguments, lambda share, what: link.send(("step", (share, what))))(found)
            for one in made if isgenerator(made) else [made]:
                link.send(("made", one))
        link.send(("done", None))
    except BrokenPipeError:
        pass  # nobody waits for it any more
    except Exception as error:
        link.send(("failed", in_words(error)))


def _nothing() -> None:
    """Start, and end."""
