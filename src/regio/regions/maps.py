"""Importance maps: how important each pixel is, 0 (not at all) to 255, from boxes, polygons, masks and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regio.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

Values = NDArray[np.uint8]  # (H,W)
Box = tuple[int, int, int, int]  # x, y, width, height in pixels
SAME_SHAPE = 0.02  # a mask of another size must have the picture's ratio of sides to within this share
FAINT = 32  # a mask with no value above it hardly marks anything


@dataclass(frozen=True, eq=False)
class Importance:
    """An importance map of the size of a picture, and a description of it."""

    values: Values
    """(H,W), 0 to 255; 255 is the most important."""
    what: str
    """A description, such as "faces: 2 found"."""

    @property
    def found(self) -> bool:
        """Whether any pixel is more important than another."""
        return bool(self.values.min() < self.values.max())

    def __repr__(self) -> str:
        height, width = self.values.shape
        return f"<Importance {width}x{height}, {self.what}, {float(self.values.mean()) / 255:.1%} of the picture>"

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows: the region is white."""
        import io

        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(self.values).save(stream, "PNG")
        return stream.getvalue()


@dataclass(frozen=True)
class Polygon:
    """A closed polygon, by its corners (x, y) in pixels."""

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.corners) < 3 or not all(np.isfinite(corner).all() for corner in self.corners):
            raise UsageError(f"a polygon needs three corners or more, each two finite numbers; not {self.corners!r}")


@dataclass(frozen=True, eq=False)
class Labels:
    """A label map, and the labels of the region: a list of them, or the importance of each, 0 to 1."""

    labels: NDArray[np.integer[Any]]
    """(H,W)."""
    matter: Iterable[int] | Mapping[int, float]


def of_boxes(boxes: Sequence[Box], size: tuple[int, int]) -> Values:
    """Boxes -> a map of size (H,W). A box may reach beyond the picture, where it is cut; UsageError for one outside."""
    values = np.zeros(size, np.uint8)
    for x, y, width, height in boxes:
        rows, columns = slice(max(y, 0), max(y + height, 0)), slice(max(x, 0), max(x + width, 0))
        if width < 1 or height < 1 or not values[rows, columns].size:
            raise UsageError(
                f"the box {x},{y},{width},{height} (x, y, width, height) lies outside the picture "
                f"of {size[1]} x {size[0]}"
            )
        values[rows, columns] = 255
    return values


def of_polygon(polygon: Polygon, size: tuple[int, int]) -> Values:
    """A polygon -> a map of size (H,W), cut at its borders; UsageError for one outside of the picture."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (size[1], size[0]))
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in polygon.corners], fill=255)
    values = np.asarray(image).copy()
    if not values.any():
        raise UsageError(f"the polygon {list(polygon.corners)} lies outside the picture of {size[1]} x {size[0]}")
    return values


def of_labels(labels: Labels, size: tuple[int, int]) -> Values:
    """A label map -> a map of size (H,W); UsageError for labels that do not occur."""
    given = np.asarray(labels.labels)
    if given.ndim != 2 or not np.issubdtype(given.dtype, np.integer):
        raise UsageError(f"a label map is an array (H,W) of whole numbers, not {given.dtype} of shape {given.shape}")
    matter = labels.matter
    weights = dict(matter) if isinstance(matter, Mapping) else dict.fromkeys(matter, 1.0)
    values = np.zeros(given.shape, np.uint8)
    for label, weight in weights.items():
        if not 0 <= weight <= 1:
            raise UsageError(f"label {label} has importance {weight}: must be 0 to 1")
        if not (given == label).any():
            raise UsageError(f"the label map has no label {label}")
        values[given == label] = round(255 * weight)
    return fitted(values, size, nearest=True)


def read_labels(path: Path) -> NDArray[np.integer[Any]]:
    """A label map from a file: grey or palette numbers as they are, colours as COCO's panoptic pictures code them.

    Those have the label R + 256 G + 65536 B. UsageError for what is no such picture; OSError.
    """
    from PIL import Image, UnidentifiedImageError

    from regio.images import open_picture

    try:
        with open_picture(path) as image:
            return labels_of(image, path)
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise UsageError(f"the label map {path} is not a picture that can be read") from error


def labels_of(image: Image.Image, path: Path) -> NDArray[np.integer[Any]]:
    """The same of an image that is open, or of a part of it. path: what a UsageError names."""
    mode, values = image.mode, np.asarray(image).astype(np.int64)
    if mode in ("RGB", "RGBA"):
        return np.asarray(values[..., :3] @ np.array([1, 256, 65536]))
    if values.ndim != 2 or mode == "F":
        raise UsageError(f"the label map {path} is of mode {mode}; use grey, palette or RGB")
    return values


def of_array(array: NDArray[Any], size: tuple[int, int]) -> Values:
    """A mask (H,W), bool, uint8 (0 to 255) or floating point (0 to 1) -> a map of size (H,W).

    Of a uint8 mask with two values, such as 0 and 1, the larger marks the region.

    UsageError for other arrays, for one of another shape than the picture, and for an empty one.
    """
    mask = np.asarray(array)
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2 or not mask.size:
        raise UsageError(f"a mask is an array (H,W), not one of shape {mask.shape}")
    if mask.dtype == bool:
        values = mask.astype(np.uint8) * np.uint8(255)
    elif mask.dtype == np.uint8:
        values = marked(mask, "the mask")
    elif np.issubdtype(mask.dtype, np.floating):
        if not (np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1):
            raise UsageError("a mask in floating point holds numbers from 0 to 1")
        values = np.round(mask * 255).astype(np.uint8)
    else:
        raise UsageError(f"a mask holds bool, uint8 or floating-point numbers, not {mask.dtype}")
    if not values.any():
        raise UsageError("the mask is empty: nothing in it is marked")
    return fitted(values, size)


def of_picture(source: Any, size: tuple[int, int], name: str) -> Values:
    """A painted mask, as a path, a stream or a PIL image -> a map of size (H,W).

    White matters; where the picture has opacity, what is painted does. Raises UsageError as `of_array`, and for what is
    no picture; OSError.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    from regio.images import open_picture

    try:
        image = source if isinstance(source, Image.Image) else open_picture(source)
        image = ImageOps.exif_transpose(image)
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        if "A" in image.getbands() and image.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator]
            values = np.asarray(image.getchannel("A"))
        elif image.mode.startswith("I") or image.mode == "F":
            deep = np.asarray(image).astype(np.float64)
            values = np.round(deep * (255 / max(float(deep.max()), 1.0))).astype(np.uint8)
        else:
            values = np.asarray(image.convert("L"))
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError) as error:
        raise UsageError(f"the mask {name} is not a picture that can be read") from error
    if not values.any():
        raise UsageError(f"the mask {name} is empty: nothing in it is marked")
    values = marked(values, f"the mask {name}")
    try:
        return fitted(values, size)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from error


def marked(values: NDArray[np.integer[Any]], what: str) -> Values:
    """A mask of whole numbers (H,W) -> 0 to 255. Of two values, the larger becomes 255 and the other 0.

    UsageError for more than two values of which none is above FAINT: they look like labels, and no
    region would be seen in them.
    """
    low, high = int(values.min()), int(values.max())
    if _two(values):
        return np.where(values == high, np.uint8(255), np.uint8(0 if low < high else 255 if high else 0))
    if high <= FAINT:
        raise UsageError(
            f"{what} has values from {low} to {high}, where 255 marks the region: multiply them, "
            "or name the labels that matter if they are labels"
        )
    return values.astype(np.uint8)


def _two(values: NDArray[np.integer[Any]]) -> bool:
    """Whether there are at most two different values."""
    return bool(((values == values.min()) | (values == values.max())).all())


def fitted(values: Values, size: tuple[int, int], nearest: bool = False) -> Values:
    """A map of any size -> (H,W), if it has the picture's shape; UsageError otherwise."""
    height, width = values.shape
    if (height, width) == size:
        return values
    if abs(width * size[0] / (height * size[1]) - 1) > SAME_SHAPE:
        raise UsageError(
            f"a mask of {width} x {height} does not fit a picture of {size[1]} x {size[0]}: the ratio of sides differs"
        )
    return resized(values, size, nearest)


def resized(values: Values, size: tuple[int, int], nearest: bool = False) -> Values:
    """A map of any size -> (H,W), stretched if its shape differs."""
    from PIL import Image

    kind = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(values).resize((size[1], size[0]), kind))
