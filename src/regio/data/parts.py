"""Parts of picture files for training: a crop or the whole, at one size, with its labels and its importance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from regio.data.importance import ImportanceSource
from regio.data.labels import LabelSource, Located
from regio.errors import RegioError
from regio.images import open_picture, read_picture
from regio.regions.maps import labels_of

FITS = ("crop", "whole", "area")
LEAST_AREA, LEAST_ASPECT = 0.2, 3 / 4  # of a part that `area` takes, as in the augmentation of [He2022MAE]
_TRIES = 10  # to find such a part within a picture
_CMYK = "CMYK colours"  # how the note of a picture begins that was converted
Box = tuple[int, int, int, int]  # left, top, right, bottom


class Want(NamedTuple):
    """The requirements for a part."""

    size: int  # pixels a side
    labelled: bool
    weighted: bool


class Part(NamedTuple):
    """A square of a picture. Arrays are (S,S,3), (S,S), (S,S)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int16] | None
    importance: NDArray[np.uint8] | None
    traits: tuple[str, ...]  # what is unusual about the picture


class Unusable(Exception):
    """A picture that nothing can be learned from: what it is in few words, and the details."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True)
class Cutter:
    """How parts are cut from pictures.

    fit: "crop", a square anywhere; "whole", all of the picture, resized; "area", a part of 20 to 100 % of the area,
    with sides of up to 4 to 3, resized. downscale: share of crops that are taken larger, up to twice, and reduced.
    smallest: pictures with a shorter side are not used; others that are smaller than a crop are enlarged to its sides.
    """

    sources: Sequence[LabelSource]
    importance: ImportanceSource | None
    fit: str
    downscale: float
    vertical_flips: bool
    smallest: int

    def cut(self, file: Path, want: Want, chance: np.random.Generator) -> Part:
        """One part of a picture. Unusable where the file gives none."""
        try:
            picture = read_picture(file)
        except (OSError, RegioError) as error:
            raise Unusable("unreadable", str(error)) from error
        sides = picture.height, picture.width
        traits = [name for name, yes in (("grey", picture.grey), ("CMYK", _was_cmyk(picture.notes))) if yes]
        if min(sides) < want.size:
            traits.append("smaller than a crop")
        if min(sides) < self.smallest:
            raise Unusable(f"below {self.smallest} pixels a side")
        box, size = self._box(sides, want.size, chance), want.size
        mirrored, upside_down = chance.random() < 0.5, self.vertical_flips and chance.random() < 0.5
        turn = (slice(None, None, -1 if upside_down else 1), slice(None, None, -1 if mirrored else 1))
        pixels = np.asarray(_cut(Image.fromarray(picture.pixels), box, size, Image.Resampling.BICUBIC))
        labels = self._labels(file, picture.pixels, box, size) if want.labelled else None
        importance = self._importance(file, sides, box, size) if want.weighted else None
        return Part(
            pixels[turn],
            None if labels is None else labels[turn],
            None if importance is None else importance[turn],
            tuple(traits),
        )

    def _box(self, sides: tuple[int, int], size: int, chance: np.random.Generator) -> Box:
        """The box that becomes a part; if a picture is smaller than a crop, its whole side."""
        height, width = sides
        if self.fit == "whole":
            return 0, 0, width, height
        if self.fit == "area":
            high, wide = _area(sides, chance)
        else:
            reduce = chance.random()
            larger = round(size * (1 + reduce / self.downscale)) if reduce < self.downscale else size
            larger = max(size, min(larger, height, width))
            high, wide = min(larger, height), min(larger, width)
        top, left = int(chance.integers(height - high + 1)), int(chance.integers(width - wide + 1))
        return left, top, left + wide, top + high

    def _labels(self, file: Path, pixels: NDArray[np.uint8], box: Box, size: int) -> NDArray[np.int16]:
        """(S,S), ids from 0 on without gaps. Unusable without a label map that fits."""
        for source in self.sources:
            located = source.locate(file, pixels)
            if located is not None:
                return _labels_in(located, pixels.shape[:2], box, size)
        raise Unusable("without a label map")

    def _importance(self, file: Path, sides: tuple[int, int], box: Box, size: int) -> NDArray[np.uint8]:
        """(S,S), in between the values of a coarse map. Unusable without a map that fits."""
        found = None if self.importance is None else self.importance.find(file, sides)
        if found is None:
            raise Unusable("without an importance map that fits")
        high, wide = found.shape[0] / sides[0], found.shape[1] / sides[1]
        place = (box[0] * wide, box[1] * high, box[2] * wide, box[3] * high)
        image = Image.fromarray(found.numpy())
        values: NDArray[np.uint8] = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=place))
        return values


def _was_cmyk(notes: Sequence[str]) -> bool:
    return any(note.startswith(_CMYK) for note in notes)


def _area(sides: tuple[int, int], chance: np.random.Generator) -> tuple[int, int]:
    """Height and width of a random part; the whole where none of the tries fits."""
    for _ in range(_TRIES):
        area = chance.uniform(LEAST_AREA, 1) * sides[0] * sides[1]
        aspect = np.exp(chance.uniform(np.log(LEAST_ASPECT), -np.log(LEAST_ASPECT)))
        high, wide = round(np.sqrt(area / aspect)), round(np.sqrt(area * aspect))
        if 0 < high <= sides[0] and 0 < wide <= sides[1]:
            return high, wide
    return sides


def _cut(image: Image.Image, box: Box, size: int, how: Image.Resampling) -> Image.Image:
    """The box of an image as a square of so many pixels a side."""
    exact = (box[2] - box[0], box[3] - box[1]) == (size, size)
    return image.crop(box) if exact else image.resize((size, size), how, box=box)


def _labels_in(located: Located, sides: tuple[int, ...], box: Box, size: int) -> NDArray[np.int16]:
    """The label map of a part. Unusable when it cannot be read, does not fit, or is another picture's.

    Nearest, not between: labels are names, and names have no average.
    """
    try:
        with open_picture(located.file) as image:
            if (image.height, image.width) != tuple(sides):
                raise Unusable("with a label map of another size", str(located.file))
            labels = labels_of(_cut(image, box, size, Image.Resampling.NEAREST), located.file)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, RegioError) as error:
        raise Unusable("with an unreadable label map", f"{located.file}: {error}") from error
    if located.segments is not None:
        listed = np.isin(labels, located.segments)
        if not listed.any() and labels.any():  # 0 is what nobody has labelled
            raise Unusable("with a label map that has no listed id", str(located.file))
        labels = np.where(listed, labels, -1)
    numbers: NDArray[np.int16] = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int16)
    return numbers
