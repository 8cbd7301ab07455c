"""The tiles of a picture, the windows in which they are synthesised, and the tiles and windows that a region needs.

Tiles say which latents are coded together. The synthesis works on *blocks*, each seen through a window that reaches
beyond it into its neighbours; where blocks meet, their windows are cross-faded. All numbers are in latents (16 pixels)
unless they are said to be pixels.

    ┌─────────────────────┐ window:  what the synthesis of the block sees
    │  ┌ ─ ─ ─ ─ ─ ─ ─ ┐  │ reach:   what it is used for, the block and FADE beyond it
    │    ┌───────────┐    │ block
    │  │ │   inner   │ │  │ inner:   depends on the block's own latents only; gates look at nothing else
    │    └───────────┘    │
    │  └ ─ ─ ─ ─ ─ ─ ─ ┘  │
    └─────────────────────┘
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from regio.models.facts import Facts

FADE = 1  # latents on either side of a border that two windows share


@dataclass(frozen=True)
class Tiling:
    """When a writer cuts a picture into tiles, and in which blocks it is synthesised; files say which they have."""

    whole_pixels: int = 1 << 22
    """Larger pictures are written in tiles; sides count as they are coded, as multiples of 64."""
    log2_sides: tuple[int, ...] = (10, 9, 8)
    """Of tiles, tried in this order until one fits the memory."""
    blocks: tuple[int, int] = (512, 1024)
    """Pixels: least and greatest side of a block; within them, it is that of the tiles (docs/format.md, tiles)."""


DEFAULT_TILING = Tiling()


class Span(NamedTuple):
    """start <= position < stop."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    def meets(self, other: Span) -> bool:
        """Whether they share a position."""
        return max(self.start, other.start) < min(self.stop, other.stop)

    def within(self, other: Span) -> Span:
        """The common part; empty, with stop at start, where there is none."""
        start = max(self.start, other.start)
        return Span(start, max(start, min(self.stop, other.stop)))

    def wider(self, by: int) -> Span:
        """Both ends moved outwards."""
        return Span(self.start - by, self.stop + by)

    def times(self, factor: int) -> Span:
        """The same on a finer scale."""
        return Span(self.start * factor, self.stop * factor)

    def seen_from(self, origin: int) -> slice:
        """As a slice of something that starts at `origin`."""
        return slice(self.start - origin, self.stop - origin)


class Box(NamedTuple):
    """A rectangle."""

    rows: Span
    columns: Span

    def times(self, factor: int) -> Box:
        """The same on a finer scale."""
        return Box(self.rows.times(factor), self.columns.times(factor))

    def within(self, other: Box) -> Box:
        """The common part."""
        return Box(self.rows.within(other.rows), self.columns.within(other.columns))

    def wider(self, by: int) -> Box:
        """All edges moved outwards."""
        return Box(self.rows.wider(by), self.columns.wider(by))

    def seen_from(self, other: Box) -> tuple[slice, slice]:
        """As slices of an array that covers `other`."""
        return self.rows.seen_from(other.rows.start), self.columns.seen_from(other.columns.start)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.rows.length, self.columns.length


@dataclass(frozen=True)
class Axis:
    """Rows or columns of a picture, cut into tiles and into blocks; the last of each may be shorter."""

    length: int
    tile: int
    block: int
    halo: int  # how far the model looks
    align: int  # windows start and end at multiples of it, or at the edge of the picture

    @property
    def whole(self) -> Span:
        """All of it."""
        return Span(0, self.length)

    @property
    def tiles(self) -> int:
        """Their number."""
        return -(-self.length // self.tile)

    @property
    def blocks(self) -> int:
        """Their number."""
        return -(-self.length // self.block)

    def tile_span(self, k: int) -> Span:
        """The box of tile k."""
        return Span(k * self.tile, (k + 1) * self.tile).within(self.whole)

    def tiles_in(self, span: Span) -> range:
        """The tiles that meet a part."""
        return range(span.start // self.tile, -(-span.stop // self.tile))

    def core(self, k: int) -> Span:
        """Block k itself."""
        return Span(k * self.block, (k + 1) * self.block).within(self.whole)

    def reach(self, k: int) -> Span:
        """The box of pixels for which block k is synthesised."""
        return self.core(k).wider(FADE).within(self.whole)

    def cell(self, k: int) -> Span:
        """The box of pixels that are final once block k and those before it are done."""
        core = self.core(k)
        last = k == self.blocks - 1
        return Span(max(core.start - FADE, 0), core.stop if last else core.stop - FADE)

    def window(self, k: int) -> Span:
        """The box that the synthesis of block k sees."""
        return self.around(self.core(k), FADE)

    def around(self, span: Span, extra: int = 0) -> Span:
        """A part and all that the model sees beyond it, rounded up to the alignment."""
        margin = -(-(self.halo + extra) // self.align) * self.align
        return span.wider(margin).within(self.whole)

    def inner(self, k: int) -> Span | None:
        """The part of block k that depends on no other block, or None where that is less than half of it."""
        core = self.core(k)
        start = core.start + (self.halo if core.start else 0)
        stop = core.stop - (self.halo if core.stop < self.length else 0)
        return Span(start, stop) if 2 * (stop - start) >= core.length else None

    def blocks_for(self, part: Span) -> range:
        """The blocks that a part of the picture is made from."""
        used = [k for k in range(self.blocks) if self.reach(k).meets(part)]
        return range(used[0], used[-1] + 1)


class Block(NamedTuple):
    """One step of a synthesis."""

    row: int
    column: int
    window: Box
    reach: Box
    cell: Box
    inner: Box
    needs: tuple[int, ...]  # tiles whose latents it cannot do without


@dataclass(frozen=True)
class Layout:
    """The division of a picture. Without tiles it is one tile, one block and one window."""

    width: int
    """In pixels, as height."""
    height: int
    stride: int
    """Pixels to a latent."""
    rows: Axis
    columns: Axis
    log2_side: int | None

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """(rows, columns)."""
        return self.rows, self.columns

    @property
    def tiled(self) -> bool:
        """Whether the file has a tile index, even if it lists one tile."""
        return self.log2_side is not None

    @property
    def count(self) -> int:
        """Tiles in all."""
        return self.rows.tiles * self.columns.tiles

    @property
    def picture(self) -> Box:
        """All of the picture, in pixels."""
        return Box(Span(0, self.height), Span(0, self.width))

    def place(self, k: int) -> tuple[int, int]:
        """(row, column) of tile k."""
        return divmod(k, self.columns.tiles)

    def name(self, k: int) -> str:
        """The name of tile k in errors."""
        row, column = self.place(k)
        return f"tile {k} (column {column}, row {row} of tiles)"

    def tile(self, k: int) -> Box:
        """The latents of tile k."""
        row, column = self.place(k)
        return Box(self.rows.tile_span(row), self.columns.tile_span(column))

    def seen_by(self, k: int) -> Box:
        """The window in which tile k is analysed."""
        rows, columns = self.tile(k)
        return Box(self.rows.around(rows), self.columns.around(columns))

    def tiles_in(self, box: Box) -> set[int]:
        """The tiles that meet a box of latents."""
        across = self.columns.tiles_in(box.columns)
        return {row * self.columns.tiles + column for row in self.rows.tiles_in(box.rows) for column in across}

    def latents(self, region: Box) -> Box:
        """The latents under a box of pixels."""
        rows, columns = (Span(s.start // self.stride, -(-s.stop // self.stride)) for s in region)
        return Box(rows, columns)

    def blocks(self, region: Box, everything: bool = False) -> Iterator[Block]:
        """The blocks that a region (pixels) is made from, in raster order.

        everything: let each need all tiles of its window, even those that cannot change a pixel of the region.
        """
        part = self.latents(region)
        across = self.columns.blocks_for(part.columns)
        for row in self.rows.blocks_for(part.rows):
            for column in across:
                yield self._block(row, column, part, everything)

    def _block(self, row: int, column: int, part: Box, everything: bool) -> Block:
        rows, columns = self.rows, self.columns
        window = Box(rows.window(row), columns.window(column))
        reach = Box(rows.reach(row), columns.reach(column))
        down, across = rows.inner(row), columns.inner(column)
        inner = Box(down or window.rows, across or window.columns)
        if everything or down is None or across is None:
            needs = self.tiles_in(window)
        else:
            needs = self.tiles_in(Box(rows.core(row), columns.core(column)))
            needs |= self.tiles_in(reach.within(part).wider(rows.halo).within(window))
        cell = Box(rows.cell(row), columns.cell(column))
        return Block(row, column, window, reach, cell, inner, tuple(sorted(needs)))


def layout_of(net: Facts, width: int, height: int, log2_side: int | None, tiling: Tiling = DEFAULT_TILING) -> Layout:
    """Cut up a picture of width x height pixels for a model; log2_side None: in one piece.

    Raises ValueError for tiles whose side is no multiple of what the model needs, and for a picture too large for it.
    """
    largest = net.largest
    if largest is not None and max(width, height) > largest:
        raise ValueError(f"the model takes pictures of up to {largest} x {largest} pixels, not of {width} x {height}")
    tile = None if log2_side is None else 1 << log2_side
    if tile is not None and tile % net.multiple:
        raise ValueError(f"tiles of {tile} pixels do not fit a model that needs multiples of {net.multiple}")
    axes = []
    for side in (height, width):
        length = -(-side // net.multiple) * net.multiple // net.stride
        block = length if tile is None else min(max(tile, tiling.blocks[0]), tiling.blocks[1]) // net.stride
        piece = length if tile is None else tile // net.stride
        axes.append(Axis(length, piece, block, net.halo, net.align))
    return Layout(width, height, net.stride, axes[0], axes[1], log2_side)
