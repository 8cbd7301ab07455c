"""Memory: how much is available for a picture, and how each library reports that it has run out."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from regio.codec.layout import Box, Layout
from regio.errors import LimitExceeded
from regio.models.facts import Facts

_AT_REST = 400 << 20  # bytes of a process with torch and a small model, where the system does not tell
_FIRST_RUN = 80 << 20  # what libraries set aside when a model first runs

_NO_MEMORY = "can't allocate memory", "Failed to allocate memory", "bad_alloc"
"""How torch on a CPU and ONNX Runtime say it; of them, torch on a GPU alone has a class for it, OutOfMemoryError."""


@contextmanager
def within_memory() -> Iterator[None]:
    """Turn every way of saying that memory has run out into LimitExceeded."""
    message = "not enough memory to code a picture of this size"
    try:
        yield
    except MemoryError as error:
        raise LimitExceeded(message) from error
    except Exception as error:
        kind, said = type(error).__name__, str(error)
        if kind == "OutOfMemoryError" or any(words in said for words in _NO_MEMORY):
            raise LimitExceeded(message) from error
        raise


def resident() -> int:
    """Bytes of memory that this process occupies."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return _AT_REST
    return pages * int(os.sysconf("SC_PAGE_SIZE"))


@dataclass(frozen=True)
class Budget:
    """Memory that may be allocated: `limit` bytes for the whole process, `free` of them on top of its present use."""

    limit: int | None
    free: float

    @classmethod
    def of(cls, limit: int | None) -> "Budget":
        """A limit for this process as it is now; None is none."""
        if limit is None:
            return cls(None, float("inf"))
        return cls(limit, limit - resident())

    def check(self, needed: int) -> None:
        """LimitExceeded for work that needs more than is free."""
        if needed > self.free:
            raise self.refuse(needed)

    def refuse(self, needed: int) -> LimitExceeded:
        """The error for work that needs more than is free."""
        assert self.limit is not None
        least = (self.limit - int(self.free) + needed) >> 20
        return LimitExceeded(
            f"the picture does not fit {self.limit >> 20} MiB of memory; about {least + 1} MiB are needed (max_memory)"
        )


def encoding_cost(net: Facts, layout: Layout, keep: bool, synthesis: bool) -> int:
    """About how many bytes beyond the picture itself encoding takes; keep: the latents of all tiles are held."""
    latents = _latents(net, layout.rows.length * layout.columns.length, 2) if keep and layout.tiled else 0
    held = _rows_of_tiles(net, layout) if synthesis and layout.tiled else 0
    return _window(net, layout) + latents + held + layout.width * layout.height // 2  # the file


def decoding_cost(net: Facts, layout: Layout, region: Box) -> int:
    """About how many bytes decoding takes, the finished picture included: 3 bytes a pixel here, 4 in Pillow."""
    held = _rows_of_tiles(net, layout) if layout.tiled else 0
    return _window(net, layout) + held + 7 * region.rows.length * region.columns.length


def _window(net: Facts, layout: Layout) -> int:
    """The work on the largest window."""
    sides = (max(span.length for span in (axis.window(0), axis.window(axis.blocks // 2))) for axis in layout.axes)
    return int(math.prod(sides) * layout.stride**2 * net.pixel_bytes) + _FIRST_RUN


def _rows_of_tiles(net: Facts, layout: Layout) -> int:
    """Decoded latents that the synthesis holds: of at most three rows of tiles."""
    return _latents(net, 3 * max(layout.rows.tile, layout.rows.block) * layout.columns.length, 4)


def _latents(net: Facts, positions: int, size: int) -> int:
    return int(net.latent * positions * size)
