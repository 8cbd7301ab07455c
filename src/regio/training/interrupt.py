"""Turn Ctrl-C and SIGTERM into a request to stop between two steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A request to stop: `wanted` becomes true with the first signal."""

    wanted = False


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Take the first signal as a request to stop after the current step. The second one acts as usual.

    Outside the main thread, where Python allows no handlers, signals are left alone.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        stop.wanted = True
        restore()

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        restore()
