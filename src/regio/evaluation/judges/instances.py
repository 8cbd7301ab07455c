"""Objects that a detector finds in two versions of a picture, and how well they agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from regio.errors import UsageError

if TYPE_CHECKING:
    import numpy.typing as npt

LEAST_SCORE = 0.5  # what a detector is less sure of does not count
HALF = 0.5  # of a soft mask: from here on inside


class Instances(NamedTuple):
    """Objects of one picture, the surest first."""

    labels: npt.NDArray[Any]  # (N,)
    boxes: npt.NDArray[Any]  # (N,4) left, top, right, bottom
    masks: npt.NDArray[Any] | None  # (N,H,W) bool
    scores: npt.NDArray[Any] | None  # (N,); None: found by people
    size: tuple[int, int]  # (H,W) of the picture that boxes and masks are in

    def overlaps(self, others: Instances) -> npt.NDArray[Any]:
        """Intersection over union of each with each of the others (N,M), of masks where both have them."""
        import numpy as np

        if self.masks is not None and others.masks is not None:
            mine, theirs = (
                masks.reshape(len(masks), math.prod(masks.shape[1:])).astype(np.float64)
                for masks in (self.masks, others.masks)
            )
            both = mine @ theirs.T
            sizes = mine.sum(1)[:, None] + theirs.sum(1)
        else:
            corners = [
                least(self.boxes[:, None, at], others.boxes[None, :, at])
                for least, at in ((np.maximum, 0), (np.maximum, 1), (np.minimum, 2), (np.minimum, 3))
            ]
            both = (corners[2] - corners[0]).clip(0) * (corners[3] - corners[1]).clip(0)
            sizes = _areas(self.boxes)[:, None] + _areas(others.boxes)
        return np.divide(both, sizes - both, out=np.zeros_like(both), where=sizes > both)  # type: ignore[no-any-return]


def instances_in(found: Sequence[Any], size: tuple[int, int], name: str) -> Instances:
    """The outputs of a detector, in any order: boxes (N,4), labels (N,) of whole numbers, scores (N,), masks (N,1,H,W).

    size: (H,W) of the picture that it saw; masks of another size are not used. Raises UsageError for other shapes.
    """
    import numpy as np

    arrays = [np.asarray(one) for one in found]
    boxes = next((one for one in arrays if one.ndim == 2 and one.shape[1] == 4), None)
    flat = [one for one in arrays if one.ndim == 1 and boxes is not None and len(one) == len(boxes)]
    labels = next((one for one in flat if one.dtype.kind in "iu"), None)
    scores = next((one for one in flat if one.dtype.kind == "f"), None)
    if boxes is None or labels is None or scores is None:
        shapes = ", ".join(str(one.shape) for one in arrays)
        raise UsageError(f"{name}: a detector must give boxes (N,4), labels (N) and scores (N), not {shapes}")
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= LEAST_SCORE]
    masks = next((one for one in arrays if one.ndim in (3, 4) and len(one) == len(boxes)), None)
    if masks is not None:
        masks = masks[:, 0] if masks.ndim == 4 else masks
        masks = masks[order] >= HALF if masks.shape[1:] == size else None
    return Instances(labels[order], boxes[order].astype(np.float64), masks, scores[order], size)


def agreement_of(reference: Instances, found: Instances) -> float:
    """Mean intersection over union of the objects of either picture, 0..1; NaN if neither has any.

    Each object of the reference, the surest first, is paired with the free object of its label that overlaps it most;
    what is left over counts 0.
    """
    import numpy as np

    overlaps = reference.overlaps(found)
    overlaps[reference.labels[:, None] != found.labels[None]] = 0
    total, pairs = 0.0, 0
    for row in range(len(reference.labels)):
        best = int(np.argmax(overlaps[row])) if overlaps.shape[1] else -1
        if best < 0 or overlaps[row, best] == 0:
            continue
        total += float(overlaps[row, best])
        pairs += 1
        overlaps[:, best] = 0
    objects = len(reference.labels) + len(found.labels) - pairs
    return total / objects if objects else math.nan


def _areas(boxes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return (boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0)  # type: ignore[no-any-return]
