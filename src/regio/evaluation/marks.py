"""Where a picture's region of interest lies, for judging: boxes in a JSON file, or a folder of masks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from regio.errors import UsageError
from regio.images import read_picture
from regio.names import PICTURES
from regio.regions.maps import Box

Mask = npt.NDArray[np.bool_]

HALF = 128  # a mask's pixel counts as inside from here on


@dataclass(frozen=True)
class Marks:
    """Regions of interest by picture: boxes by the stem of its file name; masks by its path in the folder of pictures,
    without the suffix, or else by the stem.
    """

    boxes: dict[str, tuple[Box, ...]]
    masks: dict[str, Path]

    def mask(self, name: str, height: int, width: int) -> Mask | None:
        """The region of the picture of that name as (H,W) booleans; None if none is marked.

        Raises UsageError for a box outside the picture, or a mask of another size.
        """
        stem, mask = PurePosixPath(name).stem, self._mask_of(name)
        if mask is not None:
            drawn = read_picture(mask).pixels[..., 0] >= HALF
            if drawn.shape != (height, width):
                have, want = ("{1} x {0}".format(*shape) for shape in (drawn.shape, (height, width)))
                raise UsageError(f"{mask}: {have} pixels, but {name} has {want}")
            return drawn
        if stem not in self.boxes:
            return None
        region = np.zeros((height, width), bool)
        for x, y, w, h in self.boxes[stem]:
            if x + w > width or y + h > height:
                raise UsageError(f"box {x},{y},{w},{h} reaches beyond {name} ({width} x {height})")
            region[y : y + h, x : x + w] = True
        return region

    def identity(self, name: str) -> str:
        """A key for the region of that picture; empty if none is marked."""
        stem, mask = PurePosixPath(name).stem, self._mask_of(name)
        if mask is not None:
            content = mask.read_bytes()
        elif stem in self.boxes:
            content = repr(self.boxes[stem]).encode()
        else:
            return ""
        return f"region {hashlib.sha256(content).hexdigest()[:8]}"

    def _mask_of(self, name: str) -> Path | None:
        path = PurePosixPath(name)
        return self.masks.get(path.with_suffix("").as_posix()) or self.masks.get(path.stem)


def read_marks(path: Path) -> Marks:
    """Marks from a folder of masks, or from boxes: {"picture": {"face": [x, y, w, h], "text": [[...], [...]]}}.

    Masks are named like the pictures, and lie in the same subfolders or in none; a pixel from 128 on is inside. Keys
    that begin with "_" are remarks.
    Raises UsageError for a file of another shape.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES)
        masks = {file.relative_to(path).with_suffix("").as_posix(): file for file in files}
        if not masks:
            raise UsageError(f"{path}: no masks here (.png)")
        return Marks({}, masks)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        boxes = {
            str(stem): tuple(_box(box) for value in parts.values() for box in _boxes(value))
            for stem, parts in content.items()
            if not stem.startswith("_")
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not a file of boxes ({' '.join(str(error).split())})") from None
    return Marks(boxes, {})


def _boxes(value: object) -> list[object]:
    return value if isinstance(value, list) and value and isinstance(value[0], list) else [value]


def _box(value: object) -> Box:
    if not (isinstance(value, list) and len(value) == 4 and all(type(number) is int for number in value)):
        raise ValueError(f"a box is [x, y, width, height] in whole pixels, not {value}")
    x, y, width, height = value
    if min(x, y) < 0 or min(width, height) < 1:
        raise ValueError(f"box {value} lies outside every picture")
    return x, y, width, height
