"""From a picture and the encode options to the file: cut it up, choose the rate, write."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regio.codec import lossless
from regio.codec.alpha import pack_alpha
from regio.codec.encoding import Encoding
from regio.codec.engine import Engine
from regio.codec.layout import Layout, layout_of
from regio.codec.memory import Budget, encoding_cost
from regio.codec.options import Settings
from regio.codec.roi import OCTAVES, Emphasis, steps_of
from regio.codec.scale import smaller
from regio.codec.search import Found, largest_within, nearest_size, smallest_reaching
from regio.errors import UsageError
from regio.format import Chunk, Header, Kind, coded_side
from regio.format.header import MAX_RATE
from regio.images import Picture, fill_hidden, metadata_chunks
from regio.regions import Importance, importance

SMALLER = 1, 2  # log2 of the scales that are tried besides the whole size
NEAR = 0.98  # of a target; files below that get a note
SMALLER_BELOW = 0.08  # bits per pixel; above it, the whole size is best (docs/decisions/0037)


def encode(engine: Engine, picture: Picture, settings: Settings) -> Found:
    """The file of a picture. Raises as `Codec.encode`."""
    limit = {"max_bytes": settings.wanted, "target_bpp": settings.wanted * picture.width * picture.height / 8}
    if settings.rate in limit and (data := _lossless(engine, picture, settings, int(limit[settings.rate]))):
        notes: tuple[str, ...] = ()
        if settings.rate == "target_bpp" and len(data) < NEAR * limit["target_bpp"]:
            bpp = 8 * len(data) / (picture.width * picture.height)
            notes = (f"{settings.wanted:.4g} bpp is more than the picture takes without loss: {bpp:.4g} bpp",)
        return Found(data, MAX_RATE, notes)
    lenient = replace(settings, strict=settings.strict and settings.rate != "target_psnr")
    found = _coded(engine, fill_hidden(picture), lenient)
    missed = settings.rate == "target_psnr" and found.notes
    data = _lossless(engine, picture, settings, sys.maxsize if missed else len(found.data))
    if data:
        return Found(data, MAX_RATE)
    if missed and settings.strict:
        raise UsageError(found.notes[0])
    return found


def _lossless(engine: Engine, picture: Picture, settings: Settings, limit: int) -> bytes | None:
    """The file that holds the picture without loss, where it takes at most `limit` bytes.

    Never with weights outside the catalog: whoever tries these wants to see what they do. Nor at a scale by hand.
    """
    needed = lossless.encoding_cost(picture)
    if not engine.number or settings.log2_scale or needed > Budget.of(settings.max_memory).free:
        return None
    header = Header(
        model=engine.number,
        fingerprint=engine.fingerprint[:2],
        width=picture.width,
        height=picture.height,
        grey=picture.grey,
        rate=0,
    )
    return lossless.smaller_file(picture, header, _chunks(picture, settings.strip), limit)


def _coded(engine: Engine, picture: Picture, settings: Settings) -> Found:
    """The file of a picture as the network codes it, at whichever scale is best."""
    region = None if settings.roi is None else importance(settings.roi, picture.pixels)
    first = settings.log2_scale or 0
    try:
        best = _at_scale(engine, picture, settings, region, first)
    except UsageError:
        if settings.log2_scale is not None or settings.rate not in ("max_bytes", "target_bpp"):
            raise
        best = None  # too few bytes for the whole size
    pixels = picture.width * picture.height
    missed = best is None or (settings.rate == "target_bpp" and 8 * len(best.found.data) > settings.wanted * pixels)
    crowded = best is None or missed or 8 * len(best.found.data) < SMALLER_BELOW * pixels
    if settings.log2_scale is None and settings.searched and crowded:
        best = _best_smaller(engine, picture, settings, region, best)
    assert best is not None
    return best.found


class _Attempt(NamedTuple):
    """A picture at one scale, and the file that was found for it."""

    job: Encoding
    found: Found


def _best_smaller(
    engine: Engine, picture: Picture, settings: Settings, region: Importance | None, whole: _Attempt | None
) -> _Attempt:
    """The best of the whole size, half and a quarter; UsageError where none of them keeps to max_bytes.

    Best is what misses no target; where all miss it, the nearest. Then it is, for a wanted PSNR, the smallest file, and
    otherwise the highest PSNR, in which a pixel of the region counts as much more as the rate there is higher.
    """
    attempts = [] if whole is None else [whole]
    refusal = None
    for log2_scale in SMALLER:
        try:
            attempts.append(_at_scale(engine, picture, settings, region, log2_scale))
        except UsageError as error:
            refusal = error
    if not attempts:
        assert refusal is not None
        raise refusal
    weights = None if region is None or len(attempts) < 2 else _weights(region, settings.strength)

    def worth(attempt: _Attempt) -> tuple[int, float]:
        job, found = attempt
        by_size = (settings.rate == "target_psnr" and not found.notes) or (
            settings.rate == "target_bpp" and found.notes
        )
        return -len(found.notes), -len(found.data) if by_size else job.psnr(found.step, weights)

    return max(attempts, key=worth)


def _weights(region: Importance, strength: float) -> NDArray[np.uint8]:
    """The weight of the squared error of each pixel: g^2 where the gain is g times as high, at most 255."""
    most = min(255.0, 4 ** (OCTAVES * strength))
    return np.round(1 + (most - 1) * (region.values / 255)).astype(np.uint8)


def _at_scale(
    engine: Engine, picture: Picture, settings: Settings, region: Importance | None, log2_scale: int
) -> _Attempt:
    """The file of a picture that is coded at 1 / 2^log2_scale of its size."""
    moved = region is not None and settings.background is None  # bytes move into the region, none are added
    job = prepare(engine, picture, settings, searches=settings.searched or moved, log2_scale=log2_scale)
    if region is not None and (emphasis := Emphasis.of(_smaller_map(region, log2_scale), job.layout, engine.facts)):
        job = replace(job, plan=steps_of(settings), emphasis=emphasis)
        if moved and not settings.searched:
            plain = job.without_roi().bytes_at(settings.step)
            return _Attempt(job, largest_within(job, plain, (settings.step + job.steps[0], settings.step)))
    if settings.rate == "target_bpp":
        return _Attempt(job, nearest_size(job, settings.wanted * job.pixels / 8, settings.strict))
    if settings.rate == "max_bytes":
        return _Attempt(job, largest_within(job, int(settings.wanted)))
    if settings.rate == "target_psnr":
        return _Attempt(job, smallest_reaching(job, settings.wanted, settings.strict))
    step = settings.step if engine.facts.rated else 0
    return _Attempt(job, Found(job.at(step), step))


def _smaller_map(region: Importance, log2_scale: int) -> Importance:
    """An importance map for a smaller picture: a pixel matters as the most important of those that it stands for."""
    if not log2_scale:
        return region
    values, side = region.values, 1 << log2_scale
    values = np.pad(values, [(0, -length % side) for length in values.shape], mode="edge")
    rows, columns = (length // side for length in values.shape)
    return replace(region, values=values.reshape(rows, side, columns, side).max(axis=(1, 3)))


def prepare(
    engine: Engine, picture: Picture, settings: Settings, *, searches: bool = False, log2_scale: int = 0
) -> Encoding:
    """Everything but the rate. searches: files at several rates will be tried."""
    synthesises = settings.rate == "target_psnr"
    coded = replace(picture, pixels=smaller(picture.pixels, log2_scale)) if log2_scale else picture
    layout, keep = _layout(engine, coded, Budget.of(settings.max_memory), searches, synthesises)
    return Encoding(
        engine=engine,
        original=picture,
        picture=coded,
        log2_scale=log2_scale,
        layout=layout,
        grid=_default_grid(coded) if settings.grid is None else settings.grid,
        chunks=_chunks(picture, settings.strip) + engine.chunks(),
        keep=keep,
        where="" if settings.log2_scale is None else f" at scale {('1', '1/2', '1/4')[log2_scale]}",
    )


def _layout(engine: Engine, picture: Picture, budget: Budget, searches: bool, synthesises: bool) -> tuple[Layout, bool]:
    """The largest tiles that fit the memory, and whether the latents of all of them fit as well."""
    tiling = engine.tiling
    coded = coded_side(picture.width) * coded_side(picture.height)
    sides: list[int | None] = [None] if coded <= tiling.whole_pixels else []
    sides += tiling.log2_sides
    least = math.inf
    for keep in (True, False) if searches else (False,):
        for side in sides:
            try:
                layout = layout_of(engine.facts, picture.width, picture.height, side, tiling)
            except ValueError as error:
                raise UsageError(f"{engine.name}: {error}") from error
            cost = encoding_cost(engine.facts, layout, keep, synthesises)
            if cost <= budget.free:
                return layout, keep
            least = min(least, cost)
    raise budget.refuse(int(least))


def _default_grid(picture: Picture) -> int:
    """4 x 4 as in [Liu2024], fewer where a region would be smaller than 64 pixels: prototypes cost bits too."""
    return max(1, min(4, min(picture.height, picture.width) // 64))


def _chunks(picture: Picture, strip: bool) -> tuple[Chunk, ...]:
    """Metadata, unless it is to be left out, and opacity."""
    kept = () if strip else metadata_chunks(picture)
    return kept if picture.alpha is None else (*kept, Chunk(Kind.ALPHA, pack_alpha(picture.alpha)))
