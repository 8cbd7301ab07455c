"""Finds the largest file within a budget of bytes, for codecs that have a list of settings from low to high."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from regio.evaluation.marks import Mask
    from regio.images import Pixels


class SizedFile(NamedTuple):
    """A file made for a budget of bytes."""

    data: bytes
    setting: float  # the codec's own knob
    fits: bool  # False: even the codec's smallest file is over the budget, and `data` is that file


def best_on_ladder(encode: Callable[[float], bytes], ladder: Sequence[float], budget: int) -> SizedFile:
    """By bisection over settings of rising file size.

    File sizes all but rise along a ladder; where one does not, the answer may be a step under the best, never over the
    budget.
    """
    smallest = encode(ladder[0])
    best = SizedFile(smallest, ladder[0], len(smallest) <= budget)
    low, high = 0, len(ladder)  # ladder[low] was tried, ladder[high] is taken not to fit
    while high - low > 1:
        middle = (low + high) // 2
        data = encode(ladder[middle])
        if len(data) > budget:
            high = middle
            continue
        low = middle
        if not best.fits or len(data) > len(best.data):
            best = SizedFile(data, ladder[middle], fits=True)
    return best


class OnLadder:
    """A contestant of one thread whose settings are a ladder, and that knows no regions."""

    ladder: tuple[float, ...]
    device = "cpu, 1 thread"

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """See Contestant, as the others."""
        raise NotImplementedError

    def at_bytes(self, pixels: Pixels, budget: int) -> SizedFile:
        return best_on_ladder(lambda setting: self.encode(pixels, setting), self.ladder, budget)

    def aimed_at(self, mask: Mask | None) -> Self:
        return self

    def share_inside(self, data: bytes, mask: Mask) -> float:
        return math.nan
