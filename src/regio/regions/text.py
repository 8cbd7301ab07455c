"""Text, found without a network: letters are regions of even brightness in a line with others like them.

Candidates are the maximally stable extremal regions of the picture (Matas et al. 2002). Of these, letters have strokes
of nearly one width (after Epshtein et al. 2010, here from the distance transform), and neighbours of about the same
height, brightness and place above the ground line. Three of them or more make a line, unless they look all the same, as
windows and bars do. Lines may lean, but a little.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regio.regions.maps import Box, Values, of_boxes
from regio.regions.opencv import cv2_of, grey_of

SIDE = 1024  # pixels: the long side of what is searched
HEIGHTS = 8, 256  # pixels of a letter in that
LETTERS = 3  # in a line, at least
MOST = 4000  # candidates that are looked at
ALIKE = 0.57  # mean correlation of the letters of a line; "1913" has 0.54, lattices mostly more


class Letters(NamedTuple):
    """Candidates: boxes (n,4) of x, y, width, height, and mean brightness (n,)."""

    boxes: NDArray[np.float64]
    shades: NDArray[np.float64]


def text(pixels: NDArray[np.uint8]) -> list[Box]:
    """(H,W,3) -> boxes of lines of text. RegioError without OpenCV."""
    cv2 = cv2_of("finding text")
    grey, factor = grey_of(cv2, pixels, SIDE)
    if min(grey.shape) < HEIGHTS[0]:
        return []
    found = []
    for line in lines(candidates(cv2, grey)):
        if _likeness(cv2, grey, line) > ALIKE:
            continue
        low, high = line[:, :2].min(0), (line[:, :2] + line[:, 2:]).max(0)
        margin = 0.2 * float(np.median(line[:, 3]))
        x, y = (int(v) for v in np.floor(np.maximum(low - margin, 0) / factor))
        right, bottom = (
            min(int(np.ceil(v)), side) for v, side in zip((high + margin) / factor, pixels.shape[1::-1], strict=True)
        )
        found.append((x, y, right - x, bottom - y))
    return found


def of_text(pixels: NDArray[np.uint8]) -> tuple[Values, int]:
    """(H,W,3) -> the boxes of the lines as a map (H,W), and how many there are."""
    found = text(pixels)
    return of_boxes(found, pixels.shape[:2]), len(found)


def candidates(cv2: Any, grey: NDArray[np.uint8]) -> Letters:
    """Stable regions that could be letters by themselves."""
    detector = cv2.MSER_create(delta=8, min_area=24, max_area=max(25, grey.size // 100), max_variation=0.2)
    regions, boxes = detector.detectRegions(grey)
    found: list[tuple[NDArray[np.float64], float]] = []
    for points, box in zip(regions[:MOST], boxes[:MOST], strict=True):
        x, y, width, height = (int(v) for v in box)
        fill = len(points) / (width * height)
        if not (HEIGHTS[0] <= height <= HEIGHTS[1] and 0.1 < width / height < 2.5 and 0.15 < fill < 0.95):
            continue
        mask = np.zeros((height + 2, width + 2), np.uint8)
        mask[points[:, 1] - y + 1, points[:, 0] - x + 1] = 1
        if _even_strokes(cv2, mask, height):
            found.append((np.array([x, y, width, height], np.float64), float(grey[points[:, 1], points[:, 0]].mean())))
    if not found:
        return Letters(np.empty((0, 4)), np.empty(0))
    return _distinct(Letters(np.stack([box for box, _ in found]), np.array([shade for _, shade in found])))


def _even_strokes(cv2: Any, mask: NDArray[np.uint8], height: int) -> bool:
    """Whether a region is drawn with strokes of one width, thin against its height."""
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    ridge = distance[(distance > 0) & (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8)))]
    widths = 2 * ridge - 1
    mean = float(widths.mean())
    return mean < 0.45 * height and float(widths.std()) < 0.5 * mean


def _likeness(cv2: Any, grey: NDArray[np.uint8], line: NDArray[np.float64]) -> float:
    """The mean correlation of the pictures of a line's letters, each brought to one size."""
    looks = []
    for x, y, width, height in line.astype(int):
        look = cv2.resize(grey[y : y + height, x : x + width], (12, 16), interpolation=cv2.INTER_AREA).astype(
            np.float64
        )
        look -= look.mean()
        looks.append(look.ravel() / max(float(np.linalg.norm(look)), 1e-9))
    total = np.stack(looks)
    return float((np.square(total.sum(0)).sum() - len(looks)) / (len(looks) * (len(looks) - 1)))


def _distinct(letters: Letters) -> Letters:
    """Of regions that nearly coincide (the same letter at other thresholds), the largest."""
    order = np.argsort(-letters.boxes[:, 2] * letters.boxes[:, 3], kind="stable")
    boxes, shades = letters.boxes[order], letters.shades[order]
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    both = np.clip(np.minimum(high[:, None], high) - np.maximum(low[:, None], low), 0, None).prod(2)
    same = both > 0.6 * boxes[:, 2:].prod(1)[:, None]  # row: the one that may go
    alike = np.abs(shades[:, None] - shades) < 40
    keep: list[int] = []
    for k in range(len(boxes)):
        if not any(same[k, other] and alike[k, other] for other in keep):
            keep.append(k)
    return Letters(boxes[keep], shades[keep])


def lines(letters: Letters) -> list[NDArray[np.float64]]:
    """Letters -> the boxes (k,4) of each line of text."""
    boxes, shades = letters
    if not len(boxes):
        return []
    x, y, width, height = boxes.T
    middle = y + height / 2
    taller, lower = np.maximum(height[:, None], height), np.minimum(height[:, None], height)
    gap = np.maximum(x[:, None], x) - np.minimum((x + width)[:, None], x + width)
    near = (gap < 0.9 * taller) & (gap > -0.3 * np.minimum(width[:, None], width))
    level = np.abs(middle[:, None] - middle) < 0.35 * lower
    alike = (taller < 1.7 * lower) & (np.abs(shades[:, None] - shades) < 30)
    together = near & level & alike
    np.fill_diagonal(together, True)
    found = []
    left = set(range(len(boxes)))
    while left:
        group, fresh = set(), {left.pop()}
        while fresh:
            group |= fresh
            fresh = {int(k) for one in fresh for k in np.flatnonzero(together[one])} - group
        left -= group
        line = boxes[sorted(group)]
        if len(line) >= LETTERS and _regular(line):
            found.append(line)
    return found


def _regular(line: NDArray[np.float64]) -> bool:
    """Whether boxes are those of a line: longer than high, of about one height."""
    across = float((line[:, 0] + line[:, 2]).max() - line[:, 0].min())
    down = float((line[:, 1] + line[:, 3]).max() - line[:, 1].min())
    heights = line[:, 3]
    even = float(heights.std() / heights.mean()) < 0.3
    return across > 1.2 * down and down < 2.2 * float(np.median(heights)) and even
