"""The synthesis of a picture window by window, and the fading of each into the next.

Loads no torch: arrays are whichever the engine works with, NumPy's or torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from regio.codec.alike import copied, made_like, zeros
from regio.codec.layout import FADE, Block, Box, Layout, Span


class Tile(NamedTuple):
    """The decoded arrays of a tile."""

    decoded: Any
    """The engine's `Decoded`: y_hat (1,M,h,w), shallow (1,N,r,s) or None, kept (1,1,h,w) or None."""
    rate: Any  # (1,), or (1,1,h,w) where rates vary: coarser than its latents


class Strip(NamedTuple):
    """One dimension of a window, in latents: where it lies, where gates look, the tiles whose prototypes it knows."""

    window: Span
    inner: Span
    tiles: tuple[Span, ...]

    def crop(self, size: int) -> slice:
        """The positions over which gates average, in features that have `size` positions for the window."""
        return self.inner.times(size // self.window.length).seen_from(self._start(size))

    def cells(self, size: int, grid: int) -> list[int]:
        """The row (or column) of the prototypes for each of `size` positions; beyond the tiles, that of the nearest.

        The prototypes of the tiles stand one after the other, `grid` to a tile.
        """
        factor, start = size // self.window.length, self._start(size)
        found = []
        at = 0
        for position in range(start, start + size):
            while at + 1 < len(self.tiles) and position >= self.tiles[at].stop * factor:
                at += 1
            tile = self.tiles[at].times(factor)
            inside = min(max(position - tile.start, 0), tile.length - 1)
            found.append(at * grid + inside * grid // tile.length)
        return found

    def _start(self, size: int) -> int:
        return self.window.start * (size // self.window.length)


class Window(NamedTuple):
    """The inputs of a synthesis for a window, besides its latents."""

    rows: Strip
    columns: Strip
    grid: int

    @property
    def prototypes(self) -> tuple[int, int]:
        """(r,s) of the prototypes of all its tiles."""
        return len(self.rows.tiles) * self.grid, len(self.columns.tiles) * self.grid


def analysis_window(layout: Layout, k: int, grid: int) -> Window:
    """The one in which tile k is analysed; what lies around the tile counts as its outermost regions."""
    rows, columns = (Strip(seen, tile, (tile,)) for seen, tile in zip(layout.seen_by(k), layout.tile(k), strict=True))
    return Window(rows, columns, grid)


class Synthesis(Protocol):
    """An engine's last part."""

    @property
    def everything(self) -> bool:
        """Whether a pixel may depend on latents that lie further away than the halo, be it in its last bit."""

    def pixels(self, decoded: Any, window: Window, rate: Any) -> Any:
        """The decoded arrays of a window and its rate -> its picture (3,h,w), not clamped."""


def synthesise(
    engine: Synthesis, layout: Layout, region: Box, fetch: Callable[[int], Tile], grid: int
) -> Iterator[tuple[Box, Any]]:
    """Turn tiles into parts of the picture, in raster order of the blocks that they come from.

    region: pixels, the part of the picture that is wanted; fetch: tile number -> the tile, asked for once. Yields (box,
    pixels (3,h,w), not clamped); the boxes cover the region exactly. A pixel is the same to the last bit whatever the
    region, because windows are.
    """
    blocks = list(layout.blocks(region, engine.everything))
    last_use = {k: at for at, block in enumerate(blocks) for k in block.needs}
    held: dict[int, Tile] = {}
    fading = Fading(layout)
    for at, block in enumerate(blocks):
        held |= {k: fetch(k) for k in block.needs if k not in held}
        decoded, window = _window(layout, block, held, grid)
        x_hat = engine.pixels(decoded, window, _rates(layout, block, held))
        held = {k: tile for k, tile in held.items() if last_use[k] > at}
        rows, columns = block.reach.times(layout.stride).seen_from(block.window.times(layout.stride))
        final = fading.add(block, x_hat[:, rows, columns])
        cell = block.cell.times(layout.stride)
        wanted = cell.within(region)
        if all(wanted.size):
            rows, columns = wanted.seen_from(cell)
            yield wanted, final[:, rows, columns]


def _window(layout: Layout, block: Block, held: dict[int, Tile], grid: int) -> tuple[Any, Window]:
    """The latents of a window, zero where they do not matter, and its regions."""
    spans = [axis.tiles_in(span) for axis, span in zip(layout.axes, block.window, strict=True)]
    strips = [
        Strip(window, inner, tuple(axis.tile_span(k) for k in tiles))
        for axis, window, inner, tiles in zip(layout.axes, block.window, block.inner, spans, strict=True)
    ]
    where = Window(strips[0], strips[1], grid)
    like = held[block.needs[0]].decoded
    y_hat = zeros(like.y_hat, 1, like.y_hat.shape[1], *block.window.size)
    kept = None if like.kept is None else zeros(like.kept, 1, 1, *block.window.size)
    shallow = None if like.shallow is None else zeros(like.shallow, 1, like.shallow.shape[1], *where.prototypes)
    for k in sorted(layout.tiles_in(block.window) & held.keys()):
        tile = layout.tile(k)
        part = tile.within(block.window)
        to, source = part.seen_from(block.window), part.seen_from(tile)
        y_hat[(..., *to)] = held[k].decoded.y_hat[(..., *source)]
        if kept is not None and (sent := held[k].decoded.kept) is not None:
            kept[(..., *to)] = sent[(..., *source)]
        mine = held[k].decoded.shallow
        if shallow is not None and mine is not None:
            row, column = (at - first.start for at, first in zip(layout.place(k), spans, strict=True))
            shallow[:, :, row * grid : (row + 1) * grid, column * grid : (column + 1) * grid] = mine
    return like._replace(y_hat=y_hat, shallow=shallow, kept=kept), where


def _rates(layout: Layout, block: Block, held: dict[int, Tile]) -> Any:
    """The rate of a window, (1,) or (1,1,h,w). Where tiles of it are not needed, any rate will do."""
    first = held[block.needs[0]].rate
    if first is None or first.ndim == 1:
        return first
    scale = layout.tile(block.needs[0]).rows.length // first.shape[2]
    rates = zeros(first, 1, 1, *(length // scale for length in block.window.size))
    for k in sorted(layout.tiles_in(block.window) & held.keys()):
        mine, tile = held[k].rate, layout.tile(k)
        part = tile.within(block.window)
        to, source = part.seen_from(block.window), part.seen_from(tile)
        rates[(..., *_coarse(to, scale))] = mine[(..., *_coarse(source, scale))]
    return rates


def _coarse(slices: tuple[slice, slice], scale: int) -> tuple[slice, slice]:
    rows, columns = slices
    return slice(rows.start // scale, rows.stop // scale), slice(columns.start // scale, columns.stop // scale)


class Fading:
    """Fades each window into its neighbours, so that gates which differ from one to the next leave no edge.

    What a block is synthesised for overlaps its neighbours by FADE on either side of the border. The overlap goes
    linearly from the one to the other: first between left and right, then between above and below.
    """

    def __init__(self, layout: Layout) -> None:
        self.rows, self.columns = layout.rows, layout.columns
        self.width = 2 * FADE * layout.stride  # of the overlap, in pixels
        self.left: tuple[int, int, Any] | None = None  # row, column and right edge of the window before
        self.above: dict[int, Any] = {}  # column of blocks -> the lower edge of the row before

    def add(self, block: Block, x: Any) -> Any:
        """x (3,h,w): the reach of a block, blocks coming in raster order -> (3,h',w'), its cell."""
        next_to = self.left is not None and self.left[:2] == (block.row, block.column - 1)
        left = self.left[2] if self.left is not None and next_to else None
        last_column, last_row = block.column == self.columns.blocks - 1, block.row == self.rows.blocks - 1
        self.left = (block.row, block.column, copied(x[:, :, -self.width :]))  # a view would keep all of x
        x = _fade(left, x, self.width, dim=2, ends=last_column)
        above = self.above.pop(block.column, None)
        if not last_row:
            self.above[block.column] = copied(x[:, -self.width :])
        return _fade(above, x, self.width, dim=1, ends=last_row)


def _fade(before: Any, x: Any, width: int, dim: int, ends: bool) -> Any:
    """Mix the end of what came before into the start of x; without the end of x, unless nothing follows it."""
    if not ends:
        x = x[(slice(None),) * dim + (slice(x.shape[dim] - width),)]
    if before is None:
        return x
    start = (slice(None),) * dim + (slice(width),)
    shape = [1] * 3
    shape[dim] = width
    ramp = made_like(x, ((np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(width)).reshape(shape))
    mixed = copied(x)
    mixed[start] = before * (1 - ramp) + x[start] * ramp
    return mixed
