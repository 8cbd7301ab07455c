"""Faces, by the cascades that come with OpenCV 4.x.

One cascade alone finds many faces that are none. Those that were trained differently rarely err at the same place, so a
face is what three of four see: the first frontal cascade, the two later ones, the profile cascade on either side.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.errors import RegioError
from regio.regions.maps import Box, Values
from regio.regions.opencv import cv2_of, grey_of

SIDE = 640  # pixels: the long side of what is searched; faces below a 25th of it are not found
LEAST = 24  # pixels of a face in that
OVERLAP = 0.4  # intersection over union of two finds of one face
SHAPE = 0.9, 1.15  # width and height of a face in those of a find, which is square and stops at the eyebrows
VOTES = 3  # of the four
FRONTAL = ("haarcascade_frontalface_alt2", "haarcascade_frontalface_alt", "haarcascade_frontalface_default")
PROFILE = "haarcascade_profileface"


def faces(pixels: NDArray[np.uint8]) -> list[Box]:
    """(H,W,3) -> boxes of faces, the largest first. RegioError without OpenCV."""
    cv2 = cv2_of("finding faces")
    grey, factor = grey_of(cv2, pixels, SIDE)
    grey = cv2.equalizeHist(grey)
    finds: list[tuple[int, NDArray[np.float64]]] = []
    for k, name in enumerate((*FRONTAL, PROFILE)):
        if k == 2 and not finds:
            break  # the other two are one vote short
        finds += [(k, box) for box in _finds(grey, name)]
    sure: list[NDArray[np.float64]] = []
    for _, box in finds:
        same = [(k, other) for k, other in finds if overlap(box, other) > OVERLAP]
        if len({k for k, _ in same}) >= VOTES and not any(overlap(box, known) > OVERLAP for known in sure):
            sure.append(np.mean([other for _, other in same], axis=0))
    found = [_face(box / factor, pixels.shape[:2]) for box in sure]
    return sorted(found, key=lambda box: -box[2] * box[3])


def overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes (x, y, width, height)."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    both = float(np.prod(np.maximum(high - low, 0)))
    return both / (float(np.prod(one[2:]) + np.prod(other[2:])) - both)


def of_faces(pixels: NDArray[np.uint8]) -> tuple[Values, int]:
    """(H,W,3) -> an ellipse for each face in a map (H,W), and how many there are."""
    cv2 = cv2_of("finding faces")
    values = np.zeros(pixels.shape[:2], np.uint8)
    found = faces(pixels)
    for x, y, width, height in found:
        middle, half = (x + width // 2, y + height // 2), (width // 2, height // 2)
        cv2.ellipse(values, middle, half, 0, 0, 360, 255, -1)
    return values, len(found)


def _finds(grey: NDArray[np.uint8], name: str) -> list[NDArray[np.float64]]:
    """Boxes that a cascade finds; the profile cascade knows one direction of looking, so it sees a mirror image too."""
    found = []
    for mirrored in (False, True) if name == PROFILE else (False,):
        seen = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
        for box in _cascade(name).detectMultiScale(seen, 1.1, 3, minSize=(LEAST, LEAST)):
            x, y, width, height = (float(number) for number in box)
            found.append(np.array([grey.shape[1] - x - width if mirrored else x, y, width, height]))
    return found


@lru_cache(maxsize=8)
def _cascade(name: str) -> Any:
    cv2 = cv2_of("finding faces")
    cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}{name}.xml")
    if cascade.empty():  # the wheels of OpenCV 5 come without them
        raise RegioError(f"this OpenCV has no {name}; finding faces needs: pip install 'regio[regions]'")
    return cascade


def _face(box: NDArray[np.float64], size: tuple[int, ...]) -> Box:
    """A find -> the face in it, cut at the borders of the picture."""
    middle, half = box[:2] + box[2:] / 2, box[2:] * SHAPE / 2
    x, y = (int(number) for number in np.floor(np.maximum(middle - half, 0)))
    right, bottom = (int(number) for number in np.ceil(np.minimum(middle + half, (size[1], size[0]))))
    return x, y, right - x, bottom - y
