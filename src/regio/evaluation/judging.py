"""Everything that is said about a decoded picture, with the work on the original done once for all versions of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from regio.evaluation.features import features_of
from regio.evaluation.judges.base import Figures, Judge, Verdict
from regio.evaluation.marks import Marks, Mask
from regio.evaluation.metrics import masked_psnr, ms_ssim, psnr
from regio.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from regio.evaluation.downstream import Labeller
    from regio.losses.perceptual import Lpips


class Scores(NamedTuple):
    """Of one decoded picture; NaN where a judge was not asked, or could not say."""

    psnr: float  # dB
    ms_ssim: float
    lpips: float
    roi_psnr: float  # dB inside the marked region
    background_psnr: float  # dB outside of it
    agreement: float  # mean intersection over union of labels on decoded and original picture
    figures: Figures  # of the other judges, by column


@dataclass(frozen=True, eq=False)
class Judges:
    """Who judges. PSNR and MS-SSIM always; the others where they are given."""

    lpips: Lpips | None = None
    marks: Marks | None = None
    labeller: Labeller | None = None
    others: tuple[Judge, ...] = ()

    def names(self, picture: str) -> tuple[str, ...]:
        """Whose figures these are, for the picture of that name: backbones and hashes, region, segmenter."""
        names = (
            self.lpips.description if self.lpips else "",
            *(judge.description for judge in self.others),
            self.marks.identity(picture) if self.marks else "",
            self.labeller.name if self.labeller else "",
        )
        return tuple(name for name in names if name)

    def look_at(self, picture: str, pixels: Pixels) -> Original:
        """Prepare for versions of an (H,W,3) uint8 picture."""
        height, width = pixels.shape[:2]
        return Original(
            pixels,
            self,
            self.marks.mask(picture, height, width) if self.marks else None,
            features_of(self.lpips, pixels),
            self.labeller.labels(pixels) if self.labeller else None,
            tuple(judge.prepare(pixels) for judge in self.others),
        )


@dataclass(frozen=True, eq=False)
class Original:
    """A picture as its judges remember it."""

    pixels: Pixels
    judges: Judges
    mask: Mask | None
    lpips: list[Tensor] | None  # features of the original
    labels: np.ndarray | None
    verdicts: tuple[Verdict, ...]

    def scores(self, decoded: Pixels) -> Scores:
        """Judge an (H,W,3) uint8 version. Raises ValueError if its shape differs."""
        judges = self.judges
        figures: Figures = {key: figure for verdict in self.verdicts for key, figure in verdict(decoded).items()}
        nan = math.nan
        similar = ms_ssim(self.pixels, decoded)
        scores = Scores(psnr(self.pixels, decoded), similar, nan, nan, nan, nan, figures)
        scores = scores._replace(lpips=_distance(judges.lpips, self.lpips, decoded))
        if self.mask is not None:
            inside, outside = (masked_psnr(self.pixels, decoded, mask) for mask in (self.mask, ~self.mask))
            scores = scores._replace(roi_psnr=inside, background_psnr=outside)
        if self.labels is not None and judges.labeller is not None:
            from regio.evaluation.downstream import mean_iou

            scores = scores._replace(agreement=mean_iou(self.labels, judges.labeller.labels(decoded)))
        return scores


def _distance(judge: Lpips | None, original: list[Tensor] | None, decoded: Pixels) -> float:
    theirs = None if original is None else features_of(judge, decoded)
    if judge is None or original is None or theirs is None:
        return math.nan
    return float(judge.distance(original, theirs))
