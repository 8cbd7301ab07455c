"""Invisible colour: where opacity is 0, it is replaced by a smooth continuation of the visible picture."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from regio.images.reading import Picture, Pixels

STRIP = 1 << 22  # pixels filled at once, which bounds the memory


def fill_hidden(picture: Picture) -> Picture:
    """The same picture for the eye, and cheap to code: what is hidden follows from what is visible alone."""
    if picture.alpha is None or picture.alpha.all():
        return picture
    pixels = np.array(picture.pixels)
    rows = max(1, STRIP // picture.width)
    before = _mean(pixels[picture.alpha > 0])
    for top in range(0, picture.height, rows):
        part, seen = pixels[top : top + rows], picture.alpha[top : top + rows] > 0
        if seen.any():
            for channel in range(3):
                _fill(part[..., channel], seen)
            before = _mean(part[-1])
        else:
            part[:] = before
    return replace(picture, pixels=pixels)


def _mean(colours: Pixels) -> Pixels:
    """(N,3) -> (3,), grey for none."""
    if not len(colours):
        return np.full(3, 128, np.uint8)
    mean: Pixels = np.round(colours.mean(axis=0)).astype(np.uint8)
    return mean


def _fill(plane: Pixels, seen: npt.NDArray[np.bool_]) -> None:
    """Fill a plane (H,W) in place where `seen` is False."""
    if not seen.all():
        values = _filled(np.where(seen, plane, 0).astype(np.float32), seen.astype(np.float32))
        plane[~seen] = np.round(values[~seen].clip(0, 255)).astype(np.uint8)


def _filled(sums: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Values times weights (h,w) and weights, 0 to 1 -> values without gaps: each gap is taken from half the size."""
    means = (sums / np.maximum(weights, 1e-6)).astype(np.float32)
    if weights.all() or weights.shape == (1, 1):
        return means
    coarse_weights = np.minimum(_halved(weights), 1)
    coarse_means = _halved(sums) / np.maximum(_halved(weights), 1e-6)
    coarse = _filled((coarse_means * coarse_weights).astype(np.float32), coarse_weights)
    wide = _doubled(_doubled(coarse, 0, weights.shape[0]), 1, weights.shape[1])
    return np.where(weights > 0, means, wide).astype(np.float32)


def _halved(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sums of 2 x 2; an odd last row or column counts by itself."""
    height, width = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2)))
    return even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]


def _doubled(values: npt.NDArray[np.float32], axis: int, size: int) -> npt.NDArray[np.float32]:
    """Linear interpolation along an axis to twice the length, cut to `size`."""
    values = np.moveaxis(values, axis, 0)
    before, after = np.concatenate([values[:1], values[:-1]]), np.concatenate([values[1:], values[-1:]])
    wide = np.empty((2 * len(values), *values.shape[1:]), np.float32)
    wide[::2], wide[1::2] = (3 * values + before) / 4, (3 * values + after) / 4
    return np.moveaxis(wide[:size], 0, axis)
