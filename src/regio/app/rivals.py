"""What other codecs make of a picture in as many bytes. Large pictures take few attempts, as each takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from regio.app.coding import RIVALS, Compressed, Progress, Version, picture_bytes, within
from regio.evaluation.budget import SizedFile
from regio.evaluation.contestants.opponents import OPPONENTS, Opponent
from regio.images import Pixels

EFFORT = {"jpeg": 2, "webp": 3, "avif": 5}  # about how long each takes, with measuring it, beside the others
LARGE = 2_000_000  # pixels from which on settings are guessed from a sample
TILE, TILES = 256, 24  # of the sample: pixels of a side, and about how many
ENOUGH = 0.97  # of the bytes: no further attempt
ATTEMPTS = 6  # at a large picture, if one of them fits


def rivals(compressed: Compressed, progress: Progress, names: Sequence[str] = tuple(RIVALS)) -> Iterator[Version]:
    """The best that other codecs make of the picture in as many bytes; those that this Pillow lacks are left out."""
    budget = picture_bytes(compressed.info)
    done, total = 0, sum(EFFORT[name] for name in names)
    for name in names:
        opponent = OPPONENTS[name]
        if isinstance(opponent, Opponent) and not opponent.missing():
            told = within(progress, done / total, (done + EFFORT[name] / 2) / total, f"{RIVALS[name]} at ")
            file = largest_within(opponent, compressed.picture.pixels, budget, told)
            version = Version(RIVALS[name], len(file.data), file.fits, opponent.decode(file.data), file.data)
            progress((done + EFFORT[name] / 2) / total, f"Measuring {RIVALS[name]}")
            yield version
        done += EFFORT[name]


def largest_within(opponent: Opponent, pixels: Pixels, budget: int, progress: Progress) -> SizedFile:
    """The largest file within a budget; of a picture (H,W,3) of more than `LARGE` pixels, one that fills `ENOUGH`.

    The setting for a large picture is the one that fits a sample of it. Each attempt tells by how much the sample takes
    more or less than its share, and the next setting is guessed with that. Ends after `ATTEMPTS`, or later if none of
    them fits.
    """
    progress(0, f"{budget:,} bytes")
    if pixels.shape[0] * pixels.shape[1] <= LARGE:
        return opponent.at_bytes(pixels, budget)
    part, ladder = sample(pixels), opponent.ladder
    share = part.size / pixels.size  # bytes of the sample for one of the picture

    @cache
    def small(step: int) -> int:
        return len(opponent.encode(part, ladder[step]))

    low, high, tries = -1, len(ladder), 0  # up to `low` files fit, from `high` on they do not
    best = smallest = SizedFile(b"", ladder[0], fits=False)
    while high - low > 1 and not (best.fits and (tries >= ATTEMPTS or len(best.data) >= ENOUGH * budget)):
        guess = (low + high) // 2 if tries >= ATTEMPTS else _fitting(small, share * budget, high)
        step = max(guess, low + 1)
        data = opponent.encode(pixels, ladder[step])
        tries, share = tries + 1, small(step) / len(data)
        progress(min(0.9, tries / ATTEMPTS), f"{budget:,} bytes, try {tries + 1}")
        if len(data) <= budget:
            low, best = step, SizedFile(data, ladder[step], fits=True)
        else:
            high, smallest = step, SizedFile(data, ladder[step], fits=False)
    return best if best.fits else smallest


def _fitting(size: Callable[[int], int], budget: float, count: int) -> int:
    """The last of steps whose sizes rise that is within a budget; -1 for none."""
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= budget else (low, middle)
    return low


def sample(pixels: Pixels) -> Pixels:
    """Squares of a picture (H,W,3) at even distances, beside each other: (h,w,3)."""
    height, width = pixels.shape[:2]
    across = max(1, min(width // TILE, round((TILES * width / height) ** 0.5)))
    down = max(1, min(height // TILE, round(TILES / across)))
    tops, lefts = (
        np.linspace(0, max(0, side - TILE), count).astype(int) for side, count in ((height, down), (width, across))
    )
    return np.concatenate(
        [np.concatenate([pixels[top : top + TILE, left : left + TILE] for left in lefts], axis=1) for top in tops]
    )
