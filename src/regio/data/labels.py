"""Regions of training pictures: from label-map files, COCO panoptic, or a segmentation."""

import json
import logging
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from regio.durable import replacing
from regio.errors import BadImage, UsageError
from regio.regions import read_labels

log = logging.getLogger(__name__)
Labels = NDArray[np.int64]

LONG_SIDE = 384  # pixels at which a segmentation is made; its regions are large, so nothing is lost
SMALLEST_REGION = 0.006  # share of the picture; a photograph falls into 10 to 30
FELZENSZWALB = {"scale": 300.0, "sigma": 0.8}


class ForeignIds(BadImage):
    """A panoptic PNG without any id that its annotations list: it belongs to others, or was converted."""


class Located(NamedTuple):
    """The place of a picture's label map."""

    file: Path
    segments: NDArray[np.int64] | None = None  # the ids that annotations list, None where there are no annotations


class LabelSource(ABC):
    """One way to know the regions of a picture."""

    annotations: Path | None = None  # that list the ids of segments

    @abstractmethod
    def locate(self, file: Path, pixels: NDArray[np.uint8]) -> Located | None:
        """A picture's file and its pixels (H,W,3) -> its label map, or None. The map may turn out not to fit."""

    def find(self, file: Path, pixels: NDArray[np.uint8]) -> Tensor | None:
        """A picture's file and its pixels (H,W,3) -> labels (H,W) int16, 0..R-1 without gaps, or None.

        None with a warning for a map that is not of the picture's size or cannot be read. ForeignIds when annotations
        list ids and none of them occurs.
        """
        located = self.locate(file, pixels)
        if located is None:
            return None
        where, segments = located
        try:
            labels = read_labels(where)
        except (OSError, UsageError) as error:
            log.warning("label map %s is left out: %s", where, error)
            return None
        if labels.shape != pixels.shape[:2]:
            size = pixels.shape[:2]
            log.warning("label map %s is left out: its size is %s, the picture's %s", where, labels.shape, size)
            return None
        if segments is not None:
            listed = np.isin(labels, segments)
            if len(segments) and not listed.any():
                ids = f"{len(np.unique(labels))} ids, none of them among the {len(segments)}"
                raise ForeignIds(f"{where} has {ids} of {self.annotations}")
            labels = np.where(listed, labels, -1)
        return torch.from_numpy(np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int16))


class MaskFolder(LabelSource):
    """Label maps with the pictures' stems: PNG, label = grey or palette value, or R + 256 G + 65536 B of a colour."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"no such folder of label maps: {folder}")
        self.folder = folder

    def locate(self, file: Path, pixels: NDArray[np.uint8]) -> Located | None:
        """See LabelSource."""
        mask = self.folder / f"{file.stem}.png"
        return Located(mask) if mask.exists() else None


class Panoptic(LabelSource):
    """The layout of COCO 2017 panoptic: a JSON file, and PNG files in the folder of the same name.

    A segment's pixels have the colour id = R + 256 G + 65536 B. The JSON says which PNG belongs to which picture and
    which ids are segments; whatever else stands in the PNG (0, unlabelled) becomes one region more.
    `find` raises ForeignIds for a PNG in which none of the listed ids occurs.
    """

    def __init__(self, annotations: Path) -> None:
        self.annotations = annotations
        self.folder = annotations.with_suffix("")
        try:
            content = json.loads(annotations.read_text(encoding="utf-8"))
            pictures = {image["id"]: image["file_name"] for image in content["images"]}
            self.found = {
                Path(pictures[entry["image_id"]]).name: (
                    entry["file_name"],
                    np.array([segment["id"] for segment in entry["segments_info"]], np.int64),
                )
                for entry in content["annotations"]
            }
        except OSError as error:
            raise UsageError(f"{annotations}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{annotations}: not COCO panoptic annotations ({error!r})") from error

    def locate(self, file: Path, pixels: NDArray[np.uint8]) -> Located | None:
        """See LabelSource."""
        if file.name not in self.found:
            return None
        name, segments = self.found[file.name]
        return Located(self.folder / name, segments)


class Segmented(LabelSource):
    """Class-agnostic segmentation of pictures that nobody has labelled, made once and kept as PNG label maps.

    Graph-based segmentation of Felzenszwalb and Huttenlocher, 2004, on a reduced picture. Files are named by stem and
    content, so that other pictures of the same name do not take them for theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate(self, file: Path, pixels: NDArray[np.uint8]) -> Located:
        """See LabelSource; there always is one."""
        kept = self.folder / f"{file.stem}-{zlib.crc32(pixels.tobytes()):08x}.png"
        if not kept.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as part:
                Image.fromarray(segment(pixels)).save(part, format="PNG")
        return Located(kept)


def segment(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Pixels (H,W,3) -> labels (H,W), at most 1 / SMALLEST_REGION of them."""
    from skimage.segmentation import felzenszwalb

    height, width = pixels.shape[:2]
    factor = min(1.0, LONG_SIDE / max(height, width))
    side = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(Image.fromarray(pixels).resize(side, Image.Resampling.BOX))
    least = max(1, round(SMALLEST_REGION * side[0] * side[1]))
    labels = felzenszwalb(small, min_size=least, **FELZENSZWALB)
    rows, columns = np.arange(height) * side[1] // height, np.arange(width) * side[0] // width
    whole: NDArray[np.uint16] = labels[rows][:, columns].astype(np.uint16)
    return whole
