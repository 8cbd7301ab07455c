"""Regions of training pictures: from label-map files, COCO panoptic, or a segmentation."""

import json
import logging
import zlib
from pathlib import Path
from typing import NamedTuple, Protocol

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
    """Where the label map of a picture is."""

    file: Path
    segments: NDArray[np.int64] | None = None  # the ids that annotations list, None where there are no annotations


class LabelSource(Protocol):
    """One way to know the regions of a picture."""

    def locate(self, file: Path, pixels: NDArray[np.uint8]) -> Located | None:
        """A picture's file and its pixels (H,W,3) -> its label map, or None. The map may turn out not to fit."""
        ...

    def find(self, file: Path, pixels: NDArray[np.uint8]) -> Tensor | None:
        """A picture's file and its pixels (H,W,3) -> labels (H,W) int16, 0..R-1 without gaps, or None.

        ForeignIds where the labels are certainly wrong.
        """
        ...


class MaskFolder:
    """Label maps with the pictures' stems: PNG, label = grey or palette value, or R + 256 G + 65536 B of a colour."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"no such folder of label maps: {folder}")
        self.folder = folder

    def locate(self, file: Path, pixels: NDArray[np.uint8]) -> Located | None:
        """See LabelSource."""
        mask = self.folder / f"{file.stem}.png"
        return Located(mask) if mask.exists() else None

    def find(self, file: Path, pixels: NDArray[np.uint8]) -> Tensor | None:
        """See LabelSource."""
        located = self.locate(file, pixels)
        return None if located is None else _fitting(located, pixels)


class Panoptic:
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

    def find(self, file: Path, pixels: NDArray[np.uint8]) -> Tensor | None:
        """See LabelSource."""
        located = self.locate(file, pixels)
        return None if located is None else _fitting(located, pixels, self.annotations)


class Segmented:
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

    def find(self, file: Path, pixels: NDArray[np.uint8]) -> Tensor | None:
        """See LabelSource; always finds some."""
        return _fitting(self.locate(file, pixels), pixels)


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


def _fitting(located: Located, pixels: NDArray[np.uint8], annotations: Path | None = None) -> Tensor | None:
    """The label map of a file, or None with a warning when it is not of the picture's size or cannot be read.

    ForeignIds when annotations list ids and none of them occurs.
    """
    file, segments = located
    try:
        labels = read_labels(file)
    except (OSError, UsageError) as error:
        log.warning("label map %s is left out: %s", file, error)
        return None
    if labels.shape != pixels.shape[:2]:
        log.warning("label map %s is left out: it is %s, the picture %s", file, labels.shape, pixels.shape[:2])
        return None
    if segments is not None:
        listed = np.isin(labels, segments)
        if len(segments) and not listed.any():
            count = len(np.unique(labels))
            raise ForeignIds(f"{file} has {count} ids, none of them among the {len(segments)} of {annotations}")
        labels = np.where(listed, labels, -1)
    return torch.from_numpy(np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int16))
