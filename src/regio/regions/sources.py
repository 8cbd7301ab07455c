"""Turns every form of a region of interest into an importance map."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.errors import UsageError
from regio.regions import maps
from regio.regions.faces import of_faces
from regio.regions.maps import Importance, Labels, Polygon, Values
from regio.regions.onnx import OnnxDetector
from regio.regions.salient import Salient
from regio.regions.text import of_text

Pixels = NDArray[np.uint8]
Detector = Callable[[Pixels], NDArray[np.floating[Any]]]  # (H,W,3) -> (h,w) in 0..1
DETECTORS = ("faces", "text", "salient")
LEAST = 0.5  # a detector that is nowhere surer than this has found nothing


def importance(roi: Any, pixels: Pixels) -> Importance:
    """The importance map of a picture (H,W,3).

    roi: "faces", "text" or "salient"; a box (x, y, width, height) in pixels; a Polygon; Labels; a mask as an array
    or tensor (H,W), a path or a PIL image, white in the region; an ONNX saliency model as a path or URL that ends in
    .onnx, or as an OnnxDetector; a function from pixels (H,W,3) to numbers (h,w) in 0..1; an Importance; or a list of
    several of these, whose regions are combined.

    If a detector finds nothing, the map is zero and `Importance.found` is False. Raises UsageError if `roi` is none of
    these or does not fit the picture, RegioError if a detector is not installed, OSError.
    """
    size = (int(pixels.shape[0]), int(pixels.shape[1]))
    if isinstance(roi, list) and roi and all(_is_number(part) for part in roi):
        roi = tuple(roi)  # a box, as JSON has it
    if isinstance(roi, tuple) and roi and all(_is_number(part) for part in roi) and not _is_box(roi):
        raise UsageError(f"the box {roi}: must be four whole numbers x, y, width, height")
    if isinstance(roi, list) or (isinstance(roi, tuple) and not _is_box(roi)):
        return _together([importance(part, pixels) for part in roi])
    if isinstance(roi, Importance):
        if roi.values.shape != size:
            raise UsageError(f"the importance map is (H,W) = {roi.values.shape}, the picture {size}")
        return roi
    if isinstance(roi, tuple):
        return Importance(maps.of_boxes([_box(roi)], size), "a box")
    if isinstance(roi, Polygon):
        return Importance(maps.of_polygon(roi, size), "a polygon")
    if isinstance(roi, Labels):
        return Importance(maps.of_labels(roi, size), "labels")
    if isinstance(roi, np.ndarray) or hasattr(roi, "__array__"):
        mask = roi.detach().cpu() if hasattr(roi, "detach") else roi  # a torch tensor
        return Importance(maps.of_array(np.asarray(mask), size), "a mask")
    if isinstance(roi, str | os.PathLike):
        return _named(os.fspath(roi), pixels, size)
    if hasattr(roi, "getbands") or hasattr(roi, "read"):
        return Importance(maps.of_picture(roi, size, "given"), "a mask")
    if callable(roi):
        return _detected(roi, getattr(roi, "name", "the detector"), pixels, size)
    raise UsageError(f"{type(roi).__name__} is not a region of interest; see regio.regions.importance")


def _together(parts: Iterable[Importance]) -> Importance:
    known = list(parts)
    if not known:
        raise UsageError("an empty list of regions of interest")
    values = known[0].values
    for part in known[1:]:
        values = np.maximum(values, part.values)
    return Importance(values, ", ".join(dict.fromkeys(part.what for part in known)))


def _named(name: str, pixels: Pixels, size: tuple[int, int]) -> Importance:
    if name in ("faces", "text"):
        values, count = of_faces(pixels) if name == "faces" else of_text(pixels)
        return Importance(values, f"{name}: {count or 'none'} found")
    if name == "salient":
        return _detected(Salient().map, name, pixels, size)
    if name.partition("#")[0].endswith(".onnx"):
        return _detected(OnnxDetector(name), name.partition("#")[0], pixels, size)
    if not Path(name).is_file():
        box = "; boxes are given by --roi-box" if name.replace(",", "").replace(" ", "").isdigit() else ""
        raise UsageError(f"{name!r} is neither a file nor one of {', '.join(DETECTORS)}{box}")
    return Importance(maps.of_picture(Path(name), size, name), f"the mask {name}")


def _detected(detector: Detector, name: str, pixels: Pixels, size: tuple[int, int]) -> Importance:
    found = np.asarray(detector(pixels))
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise UsageError(f"{name} returned no map of finite numbers, but an array of shape {found.shape}")
    if found.max() < LEAST:
        return Importance(np.zeros(size, np.uint8), f"{name}: nothing found")
    values: Values = np.round(np.clip(found, 0, 1) * 255).astype(np.uint8)
    return Importance(maps.resized(values, size), name)


def _is_box(roi: tuple[Any, ...]) -> bool:
    return len(roi) == 4 and all(map(_is_number, roi))


def _is_number(part: object) -> bool:
    return isinstance(part, int | float | np.number) and not isinstance(part, bool)


def _box(roi: tuple[Any, ...]) -> maps.Box:
    if any(number != int(number) for number in roi if np.isfinite(number)) or not np.isfinite(roi).all():
        raise UsageError(f"the box {roi}: must be four whole numbers x, y, width, height")
    x, y, width, height = (int(number) for number in roi)
    return x, y, width, height
