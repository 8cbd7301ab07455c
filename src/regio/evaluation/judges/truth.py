"""Labels that a person gave: how well a segmenter finds them in a decoded picture, and in the original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regio.errors import BadImage, UsageError
from regio.evaluation.judges.agreement import Labeller, labeller_named, mean_iou, nearest
from regio.evaluation.judges.base import Column, Judge, Setting, Verdict

if TYPE_CHECKING:
    from regio.evaluation.judges.agreement import Labels
    from regio.evaluation.marks import Mask
    from regio.images import Pixels

SKEW = 0.05  # by which the sides of map and picture may be in another proportion


class TruthJudge(Judge):
    """Mean intersection over union of a segmenter's labels and a person's, and how much compression took of it."""

    name = "truth"
    columns = (Column("truth", "true mIoU", ".3f"), Column("truth_lost", "mIoU lost", ".3f"))

    def __init__(self, labeller: Labeller, truth: Truth, picture: str = "") -> None:
        self.labeller, self.truth, self.picture = labeller, truth, picture
        self.description = f"{labeller.name} against {truth.folder.name}"

    @classmethod
    def make(cls, setting: Setting) -> TruthJudge:
        """See Judge."""
        if setting.segmenter is None or setting.truth is None:
            raise UsageError("--truth needs a --segmenter whose labels are compared with it")
        labeller = labeller_named(setting.segmenter)
        if not isinstance(labeller, Labeller):
            raise UsageError(f"--truth: {labeller.name} finds objects; a segmenter that labels every pixel is wanted")
        return cls(labeller, Truth(setting.truth))

    def named(self, picture: str) -> TruthJudge:
        """See Judge."""
        return TruthJudge(self.labeller, self.truth, picture)

    def prepare(self, original: Pixels, mask: Mask | None) -> Verdict:
        """See Judge. BadImage where nobody labelled the picture, or the map does not fit it."""
        labels = self.truth.labels(self.picture, (original.shape[0], original.shape[1]))
        best = mean_iou(labels, self.labeller.labels(original))

        def verdict(decoded: Pixels) -> dict[str, float]:
            found = mean_iou(labels, self.labeller.labels(decoded))
            return {"truth": found, "truth_lost": best - found}

        return verdict


@dataclass(frozen=True)
class Truth:
    """A folder of label maps: PNG with the pictures' stems, or the masks of CelebAMask-HQ.

    Those become one map: 0 is the background, 1 to 18 are the parts in the order of `data.importance.FACE_PARTS`, which
    is the data set's own; a part covers those before it. UsageError if there is no such folder.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise UsageError(f"--truth: there is no folder {self.folder}")

    def labels(self, picture: str, size: tuple[int, int]) -> Labels:
        """Labels (H,W) of the picture of that name and size, by nearest neighbour. BadImage without a map that fits."""
        found = self._map(Path(picture))
        if found is None:
            raise BadImage(f"{self.folder} has no labels of {picture}")
        if abs(found.shape[0] * size[1] / (found.shape[1] * size[0]) - 1) > SKEW:
            sides = [f"{width} x {height}" for height, width in (found.shape, size)]
            raise BadImage(f"the labels of {picture} are of {sides[0]} pixels, the picture of {sides[1]}")
        return nearest(found, size)

    def _map(self, picture: Path) -> Labels | None:
        import numpy as np

        from regio.data.importance import FaceParts, importance_source
        from regio.regions import read_labels

        source = importance_source(self.folder)
        if isinstance(source, FaceParts):
            return source.labels(picture)
        file = self.folder / f"{picture.stem}.png"
        return np.asarray(read_labels(file), np.int64) if file.exists() else None
