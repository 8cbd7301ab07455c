"""A desk whose work does as a test wants; workers import it by its name."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from regio.app.limits import Limits
from regio.errors import UsageError

Progress = Callable[[float, str], None]


@dataclass
class SlowDesk:
    limits: Limits = field(default_factory=Limits)
    loaded: dict[str, Any] = field(default_factory=dict)

    def compress(self, path: str, progress: Progress) -> Iterator[tuple[str, int]]:
        progress(0.25, "Encoding")
        yield path, os.getpid()
        if path == "endless":
            while True:  # nothing in here can be told to stop
                pass
        progress(0.75, "Measuring")
        time.sleep(0.7)
        yield path, os.getpid()

    def look(self, kind: str, progress: Progress) -> str:
        if kind == "wrong":
            raise UsageError("a  line\nfor people")
        if kind == "broken":
            raise ZeroDivisionError("secret")
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return kind
