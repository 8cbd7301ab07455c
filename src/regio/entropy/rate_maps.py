"""Rate maps: small arrays of levels that give the rate of each place, coded in some bytes.

Region borders ramp over a few positions and regions are larger than that, so most rows equal the one above, and most
levels the one that their neighbours foretell (the median edge detector of LOCO-I, Weinberger et al. 2000). All
decisions are binary, with adaptive counts in whole numbers. Any byte string decodes to some map, or is refused, in time
that the size bounds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regio.entropy.range_coder import RangeReader, RangeWriter

Levels = NDArray[np.int32]  # (h,w), each from 0 to count - 1
UNIT = 1 << 12  # of 2**24: probabilities of decisions are whole multiples
SUM = 255  # counts above it are halved


class Decision:
    """A binary decision and its counts of yes and no so far."""

    __slots__ = ("no", "yes")

    def __init__(self, no: int = 1, yes: int = 1) -> None:
        self.no, self.yes = no, yes

    @property
    def ones(self) -> int:
        """Probability of yes, over 2**24."""
        return min(max(4096 * self.yes // (self.no + self.yes), 1), 4095) * UNIT

    def learn(self, taken: int) -> None:
        """Count one more."""
        if taken:
            self.yes += 2
        else:
            self.no += 2
        if self.no + self.yes > SUM:
            self.no, self.yes = (self.no + 1) // 2, (self.yes + 1) // 2


class _Walk:
    """The order of decisions in a map, shared by writer and reader.

    A writer hands over the levels; a reader fills them in. `take` codes one decision.
    """

    def __init__(self, coder: RangeWriter | RangeReader, count: int) -> None:
        self.coder, self.top = coder, count - 1
        self.same = [Decision(1, 4), Decision(1, 4)]  # by whether the row before was
        self.hit = [Decision(1, 9), Decision(1, 3), Decision(1, 1)]  # by how much the neighbours differ
        self.up = Decision()
        self.more = [Decision() for _ in range(3)]

    def take(self, decision: Decision, wanted: bool) -> bool:
        if isinstance(self.coder, RangeWriter):
            self.coder.binary(int(wanted), decision.ones)
            taken = wanted
        else:
            taken = bool(self.coder.binary(decision.ones))
        decision.learn(taken)
        return taken

    def run(self, levels: Levels) -> None:
        """Code all of `levels`, row by row."""
        above = [0] * levels.shape[1]
        same = True
        for row in levels:
            wanted = row.tolist()
            same = self.take(self.same[same], wanted == above)
            if not same:
                above = self._row(wanted, above)
            row[:] = above

    def _row(self, wanted: list[int], above: list[int]) -> list[int]:
        done: list[int] = []
        west = corner = above[0] if above else 0
        for level, north in zip(wanted, above, strict=True):
            guess = min(max(west + north - corner, min(west, north)), max(west, north))
            spread = min(abs(west - corner) + abs(north - corner), 2)
            west, corner = self._level(level, guess, spread), north
            done.append(west)
        return done

    def _level(self, level: int, guess: int, spread: int) -> int:
        if self.take(self.hit[spread], level == guess):
            return guess
        up = guess == 0 or (guess < self.top and self.take(self.up, level > guess))
        room = self.top - guess if up else guess
        far = 1
        while far < room and self.take(self.more[min(far, 3) - 1], abs(level - guess) > far):
            far += 1
        return guess + far if up else guess - far


def write_levels(levels: Levels, count: int) -> bytes:
    """Levels (h,w) in 0 ... count - 1, count at least 2 -> their byte string."""
    writer = RangeWriter()
    _Walk(writer, count).run(levels.astype(np.int32))  # a copy
    return writer.finish()


def read_levels(data: bytes, count: int, size: tuple[int, int]) -> Levels:
    """What `write_levels` wrote, of this size (h,w). CorruptFile where the bytes point outside of every table."""
    levels = np.zeros(size, np.int32)
    _Walk(RangeReader(data), count).run(levels)
    return levels
