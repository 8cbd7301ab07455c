"""Does a machine still see the same? Labels that a segmenter gives a decoded picture, or objects that a detector finds,
against those of the original.

The reference is the network's own output on the original, not a human's labels: what is measured is what compression
changes. A segmenter is an ONNX file or any Python function; an ONNX file of three outputs or more is a detector.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regio.errors import MissingWeights, UsageError
from regio.evaluation.judges.base import Column, Judge, Setting, Verdict
from regio.evaluation.judges.instances import Instances, agreement_of, instances_in

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from regio.evaluation.marks import Mask
    from regio.images import Pixels

    Labels = npt.NDArray[np.int64]

OUTPUTS_OF_A_DETECTOR = 3  # boxes, labels, scores
HALF = 127  # of 255: more importance than this is a label of its own
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what public segmenters are trained with


class Agreement(Judge):
    """Mean intersection over union of the labels of both pictures, or of the objects found in them."""

    name = "agreement"
    columns = (Column("agreement", "mIoU", ".3f", fields=("downstream-miou",)),)

    def __init__(self, labeller: Labeller | Detector) -> None:
        self.labeller = labeller
        self.description = labeller.name

    @classmethod
    def make(cls, setting: Setting) -> Agreement:
        """See Judge."""
        if setting.segmenter is None:
            raise UsageError("the agreement of labels needs a --segmenter")
        return cls(labeller_named(setting.segmenter))

    def prepare(self, original: Pixels, mask: Mask | None) -> Verdict:
        """See Judge."""
        if isinstance(seer := self.labeller, Detector):
            objects = seer.find(original)
            return lambda decoded: {"agreement": agreement_of(objects, seer.find(decoded))}
        labels = seer.labels(original)
        return lambda decoded: {"agreement": mean_iou(labels, seer.labels(decoded))}


def mean_iou(reference: Labels, labels: Labels) -> float:
    """Intersection over union of two label maps (H,W), mean over the labels that occur in either.

    Raises ValueError if the two are not of one shape.
    """
    import numpy as np

    if reference.shape != labels.shape:
        raise ValueError(f"label maps differ in shape: {reference.shape}, {labels.shape}")
    scores = []
    for label in np.union1d(reference, labels):
        one, other = reference == label, labels == label
        scores.append(np.count_nonzero(one & other) / np.count_nonzero(one | other))
    return float(np.mean(scores))


def nearest(labels: Labels, size: tuple[int, int]) -> Labels:
    """Labels (h,w) -> (H,W) = size, by nearest neighbour."""
    import numpy as np

    rows, columns = (
        np.minimum((np.arange(side) + 0.5) * have / side, have - 1).astype(int)
        for side, have in zip(size, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


@dataclass(frozen=True)
class Labeller:
    """A function from (H,W,3) uint8 to labels (h,w), or to scores (classes,h,w) whose largest wins."""

    name: str  # says which one, with a hash where there is one
    function: Callable[[Pixels], Any] = field(repr=False)

    def labels(self, pixels: Pixels) -> Labels:
        """(H,W,3) uint8 RGB -> labels (H,W), by nearest neighbour. UsageError for a result of another shape."""
        import numpy as np

        found = np.asarray(self.function(pixels))
        if found.ndim == 3:
            found = found[0] > 0.5 if found.shape[0] == 1 else found.argmax(0)
        if found.ndim != 2:
            shape = f"returns an array of shape {found.shape}"
            raise UsageError(f"{self.name}: {shape}; labels (H,W) or scores (classes,H,W) fit")
        return nearest(found.astype(np.int64), (pixels.shape[0], pixels.shape[1]))


@dataclass(frozen=True)
class Detector:
    """A function from (H,W,3) uint8 to the objects in a picture."""

    name: str  # says which one, with a hash
    find: Callable[[Pixels], Instances] = field(repr=False)


def onnx_network(path: Path) -> Labeller | Detector:
    """A segmenter: from (1,3,H,W) float, normalised as for ImageNet, to scores (1,classes,h,w) or labels (1,h,w). Or,
    with three outputs or more, a detector such as Mask R-CNN as torchvision exports it: from RGB of 0 to 1, (3,H,W) or
    (1,3,H,W), to boxes, labels, scores and masks.

    A network with a fixed input size gets the picture resized to it. MissingWeights if there is no such file,
    onnxruntime is absent, or it is no network.
    """
    if not path.is_file():
        raise MissingWeights(f"{path}: no such file")
    try:
        import onnxruntime
    except ImportError:
        raise MissingWeights(f"{path}: needs the package onnxruntime (pip install onnxruntime)") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime's own exceptions have no common base
        raise MissingWeights(f"{path}: not an ONNX network ({' '.join(str(error).split())[:120]})") from None

    name = f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    (entry, *_) = session.get_inputs()
    batched = len(entry.shape) != 3

    def scaled(pixels: Pixels) -> npt.NDArray[np.float32]:
        """(H,W,3) uint8 -> (h,w,3) of 0 to 1, at the size that the network takes."""
        import numpy as np
        from PIL import Image

        height, width = (size if isinstance(size, int) else None for size in entry.shape[-2:])
        image = Image.fromarray(pixels)
        if height and width:
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image, np.float32) / np.float32(255)

    def run(x: npt.NDArray[Any]) -> list[Any]:
        given = x.transpose(2, 0, 1).astype("float32")
        try:
            found: list[Any] = session.run(None, {entry.name: given[None] if batched else given})
        except Exception as error:  # as above
            raise UsageError(f"{path}: cannot take this picture ({' '.join(str(error).split())[:120]})") from None
        return found

    def find(pixels: Pixels) -> Instances:
        x = scaled(pixels)
        return instances_in(run(x), x.shape[:2], name)

    if len(session.get_outputs()) >= OUTPUTS_OF_A_DETECTOR:
        return Detector(name, find)
    return Labeller(name, lambda pixels: run((scaled(pixels) - MEAN) / DEVIATION)[0][0])


def labeller_named(text: str) -> Labeller | Detector:
    """A detector of Regio's by name, an ONNX file, or a function as "module:function".

    Raises UsageError or MissingWeights.
    """
    from regio.regions import DETECTORS, importance

    if text in DETECTORS:
        return Labeller(text, lambda pixels: importance(text, pixels).values > HALF)
    if text.endswith(".onnx"):
        return onnx_network(Path(text))
    module, colon, function = text.partition(":")
    if not colon:
        raise UsageError(f"{text!r}: must be {', '.join(DETECTORS)}, an .onnx file or module:function")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{text!r}: {error}") from None
    if not callable(found):
        raise UsageError(f"{text!r} is not a function")
    return Labeller(text, found)
