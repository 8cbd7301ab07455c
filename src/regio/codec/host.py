"""Coding inside other programs: their settings of torch and NumPy have no effect on it.

A default type, a default device, autocast, inference mode and lower matrix precision would change results or end in
errors. They are set aside while we work, and are as before afterwards. In a forked child, torch gets one thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

_OURS = torch.float32, "highest"  # default type, precision of matrix products


class _Process:
    """Settings of torch that hold for the whole process: the first thread to come sets ours, the last restores."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.theirs = _OURS

    def enter(self) -> None:
        with self.lock:
            if not self.inside:
                self.theirs = torch.get_default_dtype(), torch.get_float32_matmul_precision()
                _set(self.theirs, _OURS)
            self.inside += 1

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                _set(_OURS, self.theirs)


def _set(before: tuple[torch.dtype, str], after: tuple[torch.dtype, str]) -> None:
    if before[0] != after[0]:
        torch.set_default_dtype(after[0])
    if before[1] != after[1]:
        torch.set_float32_matmul_precision(after[1])


_process = _Process()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Work as in a program that has changed nothing; afterwards all is as the program had it."""
    _process.enter()
    try:
        with ExitStack() as stack:
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            for kind in ("cpu", "cuda"):
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            stack.enter_context(np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"))
            yield
    finally:
        _process.leave()


def _after_fork() -> None:
    """A child has no threads but the one that forked; torch would wait for those of its parent for ever."""
    global _process
    if _process.inside:
        _set(_OURS, _process.theirs)
    _process = _Process()
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
