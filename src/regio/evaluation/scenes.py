"""Crops for the report: the same window of a picture by every codec at about the same rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from regio.evaluation.columns import figure
from regio.evaluation.contestants import Contestant
from regio.evaluation.judges import columns_of_judges
from regio.evaluation.judging import Judges
from regio.evaluation.page import Scene, Take
from regio.evaluation.side_by_side import Window, busiest_window
from regio.evaluation.sweep import FAILURES, Outcome, Row
from regio.images import Pixels, read_picture

SIDE = 256  # of a crop, in pixels


def scenes_of(
    outcome: Outcome,
    pictures: Mapping[str, Path],
    contestants: Sequence[Contestant],
    *,
    rate: float = 0.2,
    count: int = 3,
    judges: Judges | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Scene]:
    """A scene from each of `count` pictures spread over the folder, near `rate` bits per pixel.

    Every codec shows the measured setting whose file is the largest within 1.1 x the rate, or its smallest; the files
    are made again. The window is where the versions differ most from the original.
    """
    names = [name for name in pictures if any(row.picture == name for row in outcome.rows)]
    chosen = [names[round(at * (len(names) - 1) / max(1, count - 1))] for at in range(min(count, len(names)))]
    scenes: list[Scene] = []
    for name in dict.fromkeys(chosen):
        progress(f"{name}: crops")
        pixels = read_picture(pictures[name]).pixels
        original = (judges or Judges()).look_at(name, pixels)
        versions: list[tuple[Row, Pixels]] = []
        for one in contestants:
            row = _near(outcome.rows, one, name, rate)
            if row is None:
                continue
            try:
                versions.append((row, one.decode(one.aimed_at(original.mask).encode(pixels, row.quality))))
            except FAILURES:
                continue  # the sweep has listed it
        window = _window(pixels, [decoded for _, decoded in versions])
        takes = [Take("original", f"{pixels.shape[1]} × {pixels.shape[0]} pixels", window.cut(pixels))]
        takes += [Take(row.codec, _figures(row), window.cut(decoded)) for row, decoded in versions]
        scenes.append(Scene(f"{name}, about {rate:g} bpp", tuple(takes)))
    return scenes


def _near(rows: Sequence[Row], codec: Contestant, picture: str, rate: float) -> Row | None:
    mine = [row for row in rows if (row.codec, row.weights, row.picture) == (codec.name, codec.weights, picture)]
    fitting = [row for row in mine if row.bpp <= 1.1 * rate]
    if fitting:
        return max(fitting, key=lambda row: row.bpp)
    return min(mine, key=lambda row: row.bpp, default=None)


def _window(pixels: Pixels, versions: Sequence[Pixels]) -> Window:
    height, width = pixels.shape[:2]
    if min(height, width) <= SIDE or not versions:
        return Window(0, 0, min(width, SIDE), min(height, SIDE))
    return busiest_window(pixels, versions, part=SIDE / min(height, width))


def _figures(row: Row) -> str:
    found = [
        f"{column.title} {figure(row.figures.get(key, math.nan), column.form)} {column.unit}".rstrip()
        for key, column in columns_of_judges().items()
        if column.always or not math.isnan(row.figures.get(key, math.nan))
    ]
    return f"{row.bytes} bytes, {row.bpp:.3f} bpp, {', '.join(found)} (setting {row.quality:.4g})"
