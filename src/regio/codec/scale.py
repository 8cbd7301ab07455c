"""Pictures at half or quarter size: reduced by the writer, enlarged or reduced by the reader.

At very low rates a small picture, enlarged, looks better than a large one whose every block starves
(docs/decisions/0037). The enlargement is part of the format, exact in whole numbers; how a picture is made smaller is
the writer's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regio.codec.layout import Box, Layout, Span
from regio.codec.windows import Synthesis, Tile, synthesise
from regio.format.header import scaled
from regio.images import Pixels

TAPS = {1: ((2, -17, 69, 228, -34, 8),), 2: ((4, -27, 112, 197, -38, 8), (0, -8, 31, 250, -22, 5))}
"""log2 of the factor -> the weights of six neighbouring pixels, in 256ths, for the first half of the pixels that stand
in place of one; the others mirror them. Lanczos' kernel with three lobes, rounded, each row adding up to 256."""
REACH = 3  # coded pixels that a pixel may depend on, on either side of its own
_ROWS = 256  # enlarged at a time


def smaller(pixels: NDArray[np.uint8], log2_scale: int) -> NDArray[np.uint8]:
    """(H,W[,3]) -> half (1) or a quarter (2) of its size, rounded up, by Lanczos' filter."""
    if not log2_scale:
        return pixels
    factor = 1 << log2_scale
    size = scaled(pixels.shape[1], log2_scale), scaled(pixels.shape[0], log2_scale)
    over = [(0, -length % factor) for length in pixels.shape[:2]] + [(0, 0)] * (pixels.ndim - 2)
    whole = Image.fromarray(np.pad(pixels, over, mode="edge"))
    return np.array(whole.resize(size, Image.Resampling.LANCZOS))


def whole_of(width: int, height: int) -> Box:
    """All of a picture."""
    return Box(Span(0, height), Span(0, width))


class Pictures(Protocol):
    """The part of an engine that makes pictures."""

    @property
    def synthesis(self) -> Synthesis:
        """Latents to pixels."""

    def to_pixels(self, x_hat: Any, grey: bool) -> Pixels:
        """(3,H,W) from 0 to 1, not clamped -> (H,W,3) uint8; a grey picture takes the mean of its planes."""


def pieces(
    engine: Pictures, layout: Layout, region: Box, fetch: Callable[[int], Tile], grid: int, grey: bool, log2_scale: int
) -> Iterator[tuple[Box, Pixels]]:
    """The decoded picture, part by part: (box, pixels (h,w,3)), boxes and `region` in pixels of the wanted size.

    layout: of the picture as it is coded. log2_scale: that the wanted one is 2^log2_scale times as large; below 0 it is
    smaller, by the mean of each square of pixels. fetch, grid: as `synthesise` takes them.
    """
    seen = under(region, log2_scale, layout.picture)
    found = synthesise(engine.synthesis, layout, seen, fetch, grid)
    parts = ((box, engine.to_pixels(x_hat, grey)) for box, x_hat in found)
    if log2_scale <= 0:  # blocks end where squares end, or with the picture
        for box, pixels in parts:
            yield reduced(box, -log2_scale), means(pixels, -log2_scale)
        return
    small = np.empty((*seen.size, 3), np.uint8)
    for box, pixels in parts:
        small[box.seen_from(seen)] = pixels
    yield region, larger(small, seen, region, log2_scale)


def reduced(region: Box, log2_scale: int) -> Box:
    """The pixels that a region meets in a picture of 1 / 2^log2_scale of its size."""
    rows, columns = (Span(side.start >> log2_scale, scaled(side.stop, log2_scale)) for side in region)
    return Box(rows, columns)


def means(pixels: Pixels, log2_scale: int) -> Pixels:
    """(H,W[,C]) -> the mean of each square of 2^log2_scale pixels; the last ones may be cut off by the edge."""
    if not log2_scale:
        return pixels
    side = 1 << log2_scale
    over = [(0, -length % side) for length in pixels.shape[:2]] + [(0, 0)] * (pixels.ndim - 2)
    squares = np.pad(pixels, over, mode="edge")
    rows, columns = squares.shape[0] // side, squares.shape[1] // side
    sums = squares.reshape(rows, side, columns, side, *pixels.shape[2:]).sum(axis=(1, 3), dtype=np.uint16)
    mean: Pixels = (sums + side * side // 2 >> 2 * log2_scale).astype(np.uint8)
    return mean


def under(region: Box, log2_scale: int, coded: Box) -> Box:
    """The coded pixels that a region depends on, of a picture 2^log2_scale times as large as the coded one."""
    if log2_scale <= 0:
        return region.times(1 << -log2_scale).within(coded)
    spans = (Span(side.start >> log2_scale, scaled(side.stop, log2_scale)).wider(REACH) for side in region)
    return Box(*spans).within(coded)


def larger(pixels: Pixels, seen: Box, region: Box, log2_scale: int) -> Pixels:
    """Enlarge the coded pixels of the box `seen`, as `under` gives it -> the pixels (h,w,3) of a region.

    Every pixel is the same whatever the region. What lies beyond the picture repeats its outermost pixels.
    """
    out = np.empty((*region.size, 3), np.uint8)
    weights, at = _plan(region.columns, seen.columns, log2_scale)
    for start in range(region.rows.start, region.rows.stop, _ROWS):
        rows = Span(start, min(start + _ROWS, region.rows.stop))
        down, places = _plan(rows, seen.rows, log2_scale)
        tall = np.zeros((rows.length, *pixels.shape[1:]), np.int32)
        wide = np.zeros((rows.length, *out.shape[1:]), np.int32)
        for k in range(2 * REACH):
            tall += down[:, k, None, None] * pixels[places[:, k]]
        for k in range(2 * REACH):
            wide += weights[:, k, None] * tall[:, at[:, k]]
        out[rows.seen_from(region.rows.start)] = np.clip((wide + (1 << 15)) >> 16, 0, 255)
    return out


def _plan(span: Span, seen: Span, log2_scale: int) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """For each pixel of a span, the weights of six coded ones, and where these stand from the start of `seen`."""
    first = TAPS[log2_scale]
    phases = np.array([*first, *(row[::-1] for row in reversed(first))], np.int32)
    position = np.arange(span.start, span.stop)
    phase = position & (1 << log2_scale) - 1
    base = (position >> log2_scale) - REACH + (phase >= len(first))
    places = base[:, None] + np.arange(2 * REACH)
    return phases[phase], np.clip(places, seen.start, seen.stop - 1) - seen.start
