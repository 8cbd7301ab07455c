"""From a picture and the encode options to the file: cut it up, choose the rate, write."""

from __future__ import annotations

import math
from dataclasses import replace

from regio.codec.encoding import Encoding
from regio.codec.layout import LOG2_SIDES, WHOLE_PIXELS, Layout, layout_of
from regio.codec.memory import Budget, encoding_cost
from regio.codec.options import Settings
from regio.codec.pixels import pack_alpha
from regio.codec.roi import Emphasis, steps_of
from regio.codec.runtime import Runtime
from regio.codec.search import Found, largest_within, nearest_size, smallest_reaching
from regio.errors import UsageError
from regio.format import Chunk, Kind
from regio.images import Picture, fill_hidden, is_srgb
from regio.regions import importance


def encode(runtime: Runtime, picture: Picture, settings: Settings) -> Found:
    """The file of a picture. Raises as `Codec.encode`."""
    picture = fill_hidden(picture)
    region = None if settings.roi is None else importance(settings.roi, picture.pixels)
    moved = region is not None and settings.background is None  # bytes move into the region, none are added
    job = prepare(runtime, picture, settings, searches=settings.searched or moved)
    if region is not None and (emphasis := Emphasis.of(region, job.layout, runtime.net)):
        job = replace(job, plan=steps_of(settings), emphasis=emphasis)
        if moved and not settings.searched:
            plain = job.without_roi().bytes_at(settings.step)
            return Found(largest_within(job, plain, between=(settings.step + job.steps[0], settings.step)))
    if settings.rate == "target_bpp":
        return nearest_size(job, settings.wanted * job.pixels / 8, settings.strict)
    if settings.rate == "max_bytes":
        return Found(largest_within(job, int(settings.wanted)))
    if settings.rate == "target_psnr":
        return smallest_reaching(job, settings.wanted, settings.strict)
    return Found(job.at(0 if not runtime.net.rated else settings.step))


def prepare(runtime: Runtime, picture: Picture, settings: Settings, *, searches: bool = False) -> Encoding:
    """Everything but the rate. searches: files at several rates will be tried."""
    synthesises = settings.rate == "target_psnr"
    layout, keep = _layout(runtime, picture, Budget.of(settings.max_memory), searches, synthesises)
    grid = _default_grid(picture) if settings.grid is None else settings.grid
    return Encoding(runtime, picture, layout, grid, _chunks(picture, settings.strip) + runtime.chunks(), keep)


def _layout(
    runtime: Runtime, picture: Picture, budget: Budget, searches: bool, synthesises: bool
) -> tuple[Layout, bool]:
    """The largest tiles that fit the memory, and whether the latents of all of them fit as well."""
    sides: list[int | None] = [None] if picture.width * picture.height <= WHOLE_PIXELS else []
    sides += LOG2_SIDES
    least = math.inf
    for keep in (True, False) if searches else (False,):
        for side in sides:
            try:
                layout = layout_of(runtime.net, picture.width, picture.height, side)
            except ValueError as error:
                raise UsageError(f"{runtime.name}: {error}") from error
            cost = encoding_cost(runtime.net, layout, keep, synthesises)
            if cost <= budget.free:
                return layout, keep
            least = min(least, cost)
    raise budget.refuse(int(least))


def _default_grid(picture: Picture) -> int:
    """4 x 4 as in [Liu2024], fewer where a region would be smaller than 64 pixels: prototypes cost bits too."""
    return max(1, min(4, min(picture.height, picture.width) // 64))


def _chunks(picture: Picture, strip: bool) -> tuple[Chunk, ...]:
    """Metadata, unless it is to be left out, and opacity."""
    bodies: list[tuple[Kind, bytes | None]] = []
    if not strip:
        icc = None if picture.icc is None or is_srgb(picture.icc) else picture.icc  # a file without one is sRGB
        bodies += [(Kind.ICC, icc), (Kind.EXIF, picture.exif), (Kind.XMP, picture.xmp)]
    if picture.alpha is not None:
        bodies.append((Kind.ALPHA, pack_alpha(picture.alpha)))
    return tuple(Chunk(kind, body) for kind, body in bodies if body is not None)
