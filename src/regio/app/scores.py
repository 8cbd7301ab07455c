"""Figures for the versions of a picture: for the whole picture, for the region, and for the rest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from regio.app.choices import Mask
from regio.errors import MissingWeights
from regio.evaluation.judges.networks import features_of
from regio.evaluation.metrics import masked_psnr
from regio.evaluation.parts import masked_lpips, masked_ms_ssim
from regio.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from regio.losses.perceptual import Lpips

LPIPS_PIXELS = 4_000_000  # features of larger pictures would take gigabytes


class Score(NamedTuple):
    """Of a part of a picture; NaN where there is no figure."""

    psnr: float  # dB
    ms_ssim: float
    lpips: float


class Scores(NamedTuple):
    """Of one version; region and background are None where nothing is marked."""

    whole: Score
    region: Score | None
    background: Score | None


class Judging:
    """Remembers the original, so that each version of it is judged at the price of one.

    pixels (H,W,3); mask (H,W) or None; lpips: None where its weights are not at hand.
    """

    def __init__(self, pixels: Pixels, mask: Mask | None, lpips: Lpips | None = None) -> None:
        self.pixels = pixels
        self.parts = [np.ones(pixels.shape[:2], bool)] + ([] if mask is None else [mask, ~mask])
        small = pixels.shape[0] * pixels.shape[1] <= LPIPS_PIXELS
        self.lpips = lpips if small else None
        self.features = features_of(self.lpips, pixels)

    def scores(self, decoded: Pixels) -> Scores:
        """Judge a version (H,W,3); ValueError if its shape differs."""
        theirs = None if self.features is None else features_of(self.lpips, decoded)
        similar = masked_ms_ssim(self.pixels, decoded, self.parts)
        found = [
            Score(masked_psnr(self.pixels, decoded, part), likeness, self._distance(theirs, part))
            for part, likeness in zip(self.parts, similar, strict=True)
        ]
        return Scores(found[0], *(found[1:] or (None, None)))

    def _distance(self, theirs: list[Tensor] | None, part: Mask) -> float:
        if self.lpips is None or self.features is None or theirs is None:
            return math.nan
        return masked_lpips(self.lpips, self.features, theirs, part)


def lpips_at_hand(folder: Path | None) -> tuple[Lpips | None, str]:
    """LPIPS with weights from a folder, else from the cache, and what to say where there are none. Nothing is fetched.

    Raises MissingWeights only for a folder that was named and does not hold them.
    """
    from regio.losses.perceptual import Lpips
    from regio.losses.perceptual_weights import cache_folder

    try:
        return Lpips("squeeze", weights=folder or cache_folder()), ""
    except MissingWeights:
        if folder is not None:
            raise
        return None, "LPIPS is left out: its weights are not here (start with --lpips-weights FOLDER)."
