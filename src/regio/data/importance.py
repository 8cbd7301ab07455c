"""Importance maps of training pictures: grey files, COCO's instances, or the masks of CelebAMask-HQ."""

import json
import logging
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError
from torch import Tensor

from regio.errors import UsageError
from regio.images import open_picture

log = logging.getLogger(__name__)
_SKEW = 0.05  # by which the sides of map and picture may be in another proportion: small maps are rounded
_FACE_FOLDER = 2000  # faces whose masks lie in one folder of CelebAMask-HQ
FACE_PARTS = (
    *("skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r"),
    *("nose", "mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat"),
)


class ImportanceSource(Protocol):
    """One way to know what matters in a picture."""

    def find(self, file: Path, size: tuple[int, int]) -> Tensor | None:
        """A picture's file and its size (H,W) -> (h,w) uint8 in the same proportion, or None."""
        ...


def importance_source(place: Path) -> ImportanceSource:
    """The maps of a recipe: a folder of grey files, COCO instances JSON, or CelebAMask-HQ's folder of masks.

    UsageError for what does not exist or is none of them.
    """
    if place.suffix.lower() == ".json":
        return CocoInstances(place)
    faces = any((place / "0").glob(f"*_{FACE_PARTS[0]}.png"))
    return FaceParts(place) if faces else ImportanceFolder(place)


class ImportanceFolder:
    """Grey PNG files with the pictures' stems, of any size in their proportion; white is most important."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"no such folder of importance maps: {folder}")
        self.folder = folder

    def find(self, file: Path, size: tuple[int, int]) -> Tensor | None:
        """See ImportanceSource. A map that does not fit is left out with a warning."""
        path = self.folder / f"{file.stem}.png"
        values = _grey(path) if path.exists() else None
        if values is None:
            return None
        if abs(values.shape[0] * size[1] / (values.shape[1] * size[0]) - 1) > _SKEW:
            log.warning("importance map %s is left out: its size is %s, the picture's %s", path, values.shape, size)
            return None
        return torch.from_numpy(values)


class FaceParts:
    """The masks of CelebAMask-HQ: FOLDER/0/00000_skin.png and the like for 0.jpg; what any of them marks matters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, file: Path, size: tuple[int, int]) -> Tensor | None:
        """See ImportanceSource."""
        labels = self.labels(file)
        return None if labels is None else torch.from_numpy((labels > 0).astype(np.uint8) * 255)

    def labels(self, file: Path) -> NDArray[np.int64] | None:
        """Labels (h,w) of a picture's parts: 1 to 18 as in FACE_PARTS, each over those before it, 0 elsewhere.

        None without any mask. Masks of another size than the first are left out.
        """
        if not file.stem.isdecimal():
            return None
        number, labels = int(file.stem), None
        folder = self.folder / str(number // _FACE_FOLDER)
        for label, part in enumerate(FACE_PARTS, 1):
            path = folder / f"{number:05}_{part}.png"
            values = _grey(path) if path.exists() else None
            if values is not None:
                labels = np.zeros(values.shape, np.int64) if labels is None else labels
                if labels.shape == values.shape:
                    labels[values > 0] = label
        return labels


class CocoInstances:
    """The instances of COCO, such as instances_train2017.json: polygons and run lengths; any object matters.

    A picture that the file lists without an object has an empty map.
    """

    def __init__(self, annotations: Path) -> None:
        self.annotations = annotations
        try:
            with annotations.open(encoding="utf-8") as file:
                content = json.load(file, object_hook=_compact)
            numbers = {image["id"]: Path(image["file_name"]).name for image in content["images"]}
            self.sizes = {  # (H,W), where the file has them
                numbers[image["id"]]: (int(image["height"]), int(image["width"]))
                for image in content["images"]
                if {"height", "width"} <= image.keys()
            }
            self.names: dict[int, str] = {one["id"]: str(one["name"]) for one in content.get("categories", ())}
            self.found: dict[str, list[tuple[int, list[_Outline]]]] = {name: [] for name in numbers.values()}
            for number, label, outlines in content["annotations"]:
                self.found[numbers[number]].append((label, outlines))
        except OSError as error:
            raise UsageError(f"{annotations}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UsageError(f"{annotations}: not COCO instances ({error!r})") from error

    def find(self, file: Path, size: tuple[int, int]) -> Tensor | None:
        """See ImportanceSource."""
        found = self.found.get(file.name)
        return None if found is None else torch.from_numpy(_drawn([one for _, shape in found for one in shape], size))

    def objects(self, name: str, size: tuple[int, int]) -> list[tuple[int, NDArray[np.uint8]]]:
        """The category and the mask (H,W), 255 inside, of each object of a picture; none where it is not listed.

        size: of the picture that the outlines are drawn for, `sizes` where the file has it.
        """
        return [(label, _drawn(shape, size)) for label, shape in self.found.get(name, ())]


_Outline = NDArray[Any]  # corners x, y, x, y ... in float32, or lengths of runs down the columns in int64


def _compact(table: dict[str, Any]) -> Any:
    """Keeps only the needed fields of the JSON file while it is parsed: all of it would take gigabytes."""
    if "segmentation" not in table:
        return table
    shape = table["segmentation"]
    if isinstance(shape, dict):
        if not isinstance(shape["counts"], list):
            raise ValueError("compressed run lengths, which only pycocotools writes, are not read")
        return table["image_id"], table.get("category_id", 0), [np.array(shape["counts"], np.int64)]
    return table["image_id"], table.get("category_id", 0), [np.array(corners, np.float32) for corners in shape]


def _drawn(outlines: list[_Outline], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Outlines -> (H,W), 255 inside any of them."""
    canvas = Image.new("L", size[::-1])
    draw, runs = ImageDraw.Draw(canvas), np.zeros(size, np.uint8)
    for outline in outlines:
        if outline.dtype == np.int64:
            runs |= _of_runs(outline, size)
        elif len(outline) >= 6:  # three corners
            draw.polygon(outline.tolist(), fill=255)
    drawn: NDArray[np.uint8] = np.maximum(np.asarray(canvas), runs)
    return drawn


def _of_runs(lengths: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Lengths of runs of 0 and 255 in turn, down the columns -> (H,W); zero where they do not fit the picture."""
    if lengths.sum() != size[0] * size[1] or lengths.min() < 0:
        return np.zeros(size, np.uint8)
    values = np.repeat((np.arange(len(lengths)) % 2 * 255).astype(np.uint8), lengths)
    return values.reshape(size[::-1]).T


def _grey(path: Path) -> NDArray[np.uint8] | None:
    """(h,w), or None with a warning for a file that cannot be read."""
    try:
        with open_picture(path) as opened:
            return np.asarray(opened.convert("L")).copy()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        log.warning("importance map %s is left out: %s", path, error)
        return None
