"""The synthesis of a picture window by window, and the fading of each into the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from regio.codec.layout import FADE, Block, Box, Layout, Span
from regio.models.base import Decoded, Network


class Tile(NamedTuple):
    """What is known of a tile once it is decoded."""

    decoded: Decoded
    rate: Tensor | None  # (1,), or (1,1,h,w) where rates vary: coarser than its latents


class Strip(NamedTuple):
    """One dimension of a window, in latents: where it lies, where gates look, the tiles whose prototypes it knows."""

    window: Span
    inner: Span
    tiles: tuple[Span, ...]

    def crop(self, size: int) -> slice:
        """Where gates look, in features that have `size` positions for the window."""
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


class WindowRegions:
    """The regions of a window: each tile in it has a grid x grid map of its own. Fulfils `Regions`."""

    def __init__(self, rows: Strip, columns: Strip, grid: int) -> None:
        self.rows, self.columns, self.grid = rows, columns, grid

    @property
    def size(self) -> tuple[int, int]:
        """(r,s) of the prototypes of all tiles."""
        return len(self.rows.tiles) * self.grid, len(self.columns.tiles) * self.grid

    def inner(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) of the window -> (B,C,h',w') of its inner part."""
        rows, columns = self.rows.crop(features.shape[2]), self.columns.crop(features.shape[3])
        return features[:, :, rows, columns]

    def pool(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) -> prototypes (B,C,n,n) of the one tile that is the inner part."""
        return F.adaptive_avg_pool2d(self.inner(features), self.grid)

    def spread(self, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """Prototypes (B,C,r,s) -> (B,C,h,w)."""
        for dim, strip in ((2, self.rows), (3, self.columns)):
            cells = torch.tensor(strip.cells(size[dim - 2], self.grid), device=prototypes.device)
            prototypes = prototypes.index_select(dim, cells)
        return prototypes


def analysis_regions(layout: Layout, k: int, grid: int) -> WindowRegions:
    """For the window in which tile k is analysed; what lies around the tile counts as its outermost regions."""
    strips = [Strip(window, tile, (tile,)) for window, tile in zip(layout.seen_by(k), layout.tile(k), strict=True)]
    return WindowRegions(strips[0], strips[1], grid)


def synthesise(
    net: Network, layout: Layout, region: Box, fetch: Callable[[int], Tile], grid: int
) -> Iterator[tuple[Box, Tensor]]:
    """Turn tiles into parts of the picture, in raster order of the blocks that they come from.

    region: pixels, the part of the picture that is wanted; fetch: tile number -> the tile, asked for once. Yields (box,
    pixels (3,h,w), not clamped); the boxes cover the region exactly. A pixel is the same to the last bit whatever the
    region, because windows are.
    """
    # On a GPU a convolution may go by way of a transform of many positions, which all touch a pixel's last bit.
    everything = next(net.parameters()).is_cuda or not net.local
    blocks = list(layout.blocks(region, everything))
    last_use = {k: at for at, block in enumerate(blocks) for k in block.needs}
    held: dict[int, Tile] = {}
    fading = Fading(layout)
    for at, block in enumerate(blocks):
        held |= {k: fetch(k) for k in block.needs if k not in held}
        decoded, where = _window(layout, block, held, grid)
        x_hat = net.synthesise(decoded, where, _rates(layout, block, held))[0]
        held = {k: tile for k, tile in held.items() if last_use[k] > at}
        rows, columns = block.reach.times(layout.stride).seen_from(block.window.times(layout.stride))
        final = fading.add(block, x_hat[:, rows, columns])
        cell = block.cell.times(layout.stride)
        wanted = cell.within(region)
        if all(wanted.size):
            rows, columns = wanted.seen_from(cell)
            yield wanted, final[:, rows, columns]


def _window(layout: Layout, block: Block, held: dict[int, Tile], grid: int) -> tuple[Decoded, WindowRegions]:
    """The latents of a window, zero where they do not matter, and its regions."""
    spans = [axis.tiles_in(span) for axis, span in zip(layout.axes, block.window, strict=True)]
    strips = [
        Strip(window, inner, tuple(axis.tile_span(k) for k in tiles))
        for axis, window, inner, tiles in zip(layout.axes, block.window, block.inner, spans, strict=True)
    ]
    where = WindowRegions(strips[0], strips[1], grid)
    like = held[block.needs[0]].decoded
    y_hat = like.y_hat.new_zeros(1, like.y_hat.shape[1], *block.window.size)
    kept = None if like.kept is None else like.kept.new_zeros(1, 1, *block.window.size)
    shallow = None if like.shallow is None else like.shallow.new_zeros(1, like.shallow.shape[1], *where.size)
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
    return Decoded(y_hat, shallow, kept), where


def _rates(layout: Layout, block: Block, held: dict[int, Tile]) -> Tensor | None:
    """The rate of a window, (1,) or (1,1,h,w). Where tiles of it are not needed, any rate will do."""
    first = held[block.needs[0]].rate
    if first is None or first.dim() == 1:
        return first
    scale = layout.tile(block.needs[0]).rows.length // first.shape[2]
    rates = first.new_zeros(1, 1, *(length // scale for length in block.window.size))
    for k in sorted(layout.tiles_in(block.window) & held.keys()):
        mine, tile = held[k].rate, layout.tile(k)
        assert mine is not None
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
        self.left: tuple[int, int, Tensor] | None = None  # row, column and right edge of the window before
        self.above: dict[int, Tensor] = {}  # column of blocks -> the lower edge of the row before

    def add(self, block: Block, x: Tensor) -> Tensor:
        """x (3,h,w): the reach of a block, blocks coming in raster order -> (3,h',w'), its cell."""
        next_to = self.left is not None and self.left[:2] == (block.row, block.column - 1)
        left = self.left[2] if self.left is not None and next_to else None
        last_column, last_row = block.column == self.columns.blocks - 1, block.row == self.rows.blocks - 1
        self.left = (block.row, block.column, x[:, :, -self.width :].clone())  # a view would keep all of x
        x = _fade(left, x, self.width, dim=2, ends=last_column)
        above = self.above.pop(block.column, None)
        if not last_row:
            self.above[block.column] = x[:, -self.width :].clone()
        return _fade(above, x, self.width, dim=1, ends=last_row)


def _fade(before: Tensor | None, x: Tensor, width: int, dim: int, ends: bool) -> Tensor:
    """Mix the end of what came before into the start of x; without the end of x, unless nothing follows it."""
    if not ends:
        x = x.narrow(dim, 0, x.shape[dim] - width)
    if before is None:
        return x
    ramp = (torch.arange(width, device=x.device, dtype=x.dtype) + 0.5) / width
    ramp = ramp.view(-1, *[1] * (2 - dim))
    mixed = before * (1 - ramp) + x.narrow(dim, 0, width) * ramp
    return torch.cat([mixed, x.narrow(dim, width, x.shape[dim] - width)], dim)
