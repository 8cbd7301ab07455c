"""Faces, by YuNet: a network of 230 KB that comes with Regio and runs in OpenCV.

YuNet knows faces of about 10 to 300 pixels, so it looks at the picture in two sizes. What overlaps is one face, and the
surer find stays. Where the network comes from and its licence: weights/yunet.md.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.errors import MissingWeights, RegioError, one_line
from regio.regions.maps import Box, Values
from regio.regions.opencv import cv2_of, resized_to

MODEL = Path(__file__).parents[1] / "weights" / "yunet.onnx"
SIDES = 320, 1024  # pixels: the long side of what is searched, for faces that fill the picture and for small ones
SURE = 0.8  # of 1: a find below is no face
OVERLAP = 0.3  # intersection over union of two finds of one face
MOST = 5000  # finds that are compared
Find = NDArray[np.float64]  # (4,): x, y, width, height


def faces(pixels: NDArray[np.uint8]) -> list[Box]:
    """(H,W,3) -> boxes of faces, the largest first. RegioError without OpenCV, MissingWeights without the network."""
    cv2 = cv2_of("finding faces")
    sides = {min(side, max(pixels.shape[:2])) for side in SIDES}
    finds = [find for side in sorted(sides) for find in _finds(cv2, pixels, side)]
    sure: list[Find] = []
    for _, box in sorted(finds, key=lambda find: -find[0]):
        if not any(overlap(box, known) > OVERLAP for known in sure):
            sure.append(box)
    found = [face for face in (_within(box, pixels.shape[:2]) for box in sure) if face[2] > 0 and face[3] > 0]
    return sorted(found, key=lambda box: -box[2] * box[3])


def overlap(one: Find, other: Find) -> float:
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


def _finds(cv2: Any, pixels: NDArray[np.uint8], side: int) -> list[tuple[float, Find]]:
    """Scores and boxes, in pixels of the picture, found in the picture at one size."""
    seen = resized_to(cv2, pixels, side)
    network = _network(MODEL)
    network.setInputSize(seen.shape[1::-1])
    _, rows = network.detect(np.ascontiguousarray(seen[:, :, ::-1]))
    if rows is None:
        return []
    scale = np.tile(np.array(pixels.shape[1::-1]) / seen.shape[1::-1], 2)
    return [(float(row[14]), np.asarray(row[:4] * scale, np.float64)) for row in rows if np.isfinite(row).all()]


@lru_cache(maxsize=1)
def _network(path: Path) -> Any:
    cv2 = cv2_of("finding faces")
    if not hasattr(cv2, "FaceDetectorYN"):
        raise RegioError(f"OpenCV {cv2.__version__} has no FaceDetectorYN; install: pip install 'regio[regions]'")
    try:
        model = np.frombuffer(path.read_bytes(), np.uint8)
        # from memory: on Windows OpenCV opens no path with letters beyond ASCII
        return cv2.FaceDetectorYN.create("onnx", model, np.empty(0, np.uint8), (320, 320), SURE, OVERLAP, MOST)
    except (OSError, cv2.error) as error:
        raise MissingWeights(f"{path}: the face detector is missing or damaged ({one_line(error)})") from error


def _within(box: Find, size: tuple[int, ...]) -> Box:
    """A find in whole pixels, cut at the borders of the picture."""
    x, y = (int(number) for number in np.floor(np.maximum(box[:2], 0)))
    right, bottom = (int(number) for number in np.ceil(np.minimum(box[:2] + box[2:], (size[1], size[0]))))
    return x, y, right - x, bottom - y
