"""Does a machine still see the same? Labels that a segmenter gives a decoded picture against those of the original.

The reference is the segmenter's own output on the original, not a human's labels: what is measured is what compression
changes. A segmenter is an ONNX file or any Python function; a detector counts as one when its function paints boxes.
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

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from regio.evaluation.marks import Mask
    from regio.images import Pixels

    Labels = npt.NDArray[np.int64]

HALF = 127  # of 255: more importance than this is a label of its own
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what public segmenters are trained with


class Agreement(Judge):
    """Mean intersection over union of the labels of both pictures."""

    name = "agreement"
    columns = (Column("agreement", "mIoU", ".3f", fields=("downstream-miou",)),)

    def __init__(self, labeller: Labeller) -> None:
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
        labels = self.labeller.labels(original)
        return lambda decoded: {"agreement": mean_iou(labels, self.labeller.labels(decoded))}


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
        rows, columns = (
            np.minimum((np.arange(size) + 0.5) * have / size, have - 1).astype(int)
            for size, have in zip(pixels.shape[:2], found.shape, strict=True)
        )
        return found[np.ix_(rows, columns)].astype(np.int64)


def onnx_labeller(path: Path) -> Labeller:
    """A network from (1,3,H,W) float, normalised as for ImageNet, to scores (1,classes,h,w) or labels (1,h,w).

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

    def run(pixels: Pixels) -> Any:
        import numpy as np
        from PIL import Image

        (entry, *_) = session.get_inputs()
        height, width = (size if isinstance(size, int) else None for size in entry.shape[2:])
        image = Image.fromarray(pixels)
        if height and width:
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        scaled = (np.asarray(image, np.float32) / 255 - MEAN) / DEVIATION
        (found, *_) = session.run(None, {entry.name: scaled.transpose(2, 0, 1)[None].astype(np.float32)})
        return np.asarray(found)[0]

    return Labeller(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:8]}", run)


def labeller_named(text: str) -> Labeller:
    """A detector of Regio's by name, an ONNX file, or a function as "module:function".

    Raises UsageError or MissingWeights.
    """
    from regio.regions import DETECTORS, importance

    if text in DETECTORS:
        return Labeller(text, lambda pixels: importance(text, pixels).values > HALF)
    if text.endswith(".onnx"):
        return onnx_labeller(Path(text))
    module, colon, function = text.partition(":")
    if not colon:
        raise UsageError(f"{text!r}: {', '.join(DETECTORS)}, an .onnx file or module:function is wanted")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{text!r}: {error}") from None
    if not callable(found):
        raise UsageError(f"{text!r} is no function")
    return Labeller(text, found)
