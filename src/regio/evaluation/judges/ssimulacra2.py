"""SSIMULACRA 2, by the package of that name: fitted to people's votes. `roi-xs` is trained on its formula."""

from __future__ import annotations

import io
import math
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from regio.errors import MissingWeights
from regio.evaluation.judges.base import Column, Judge

if TYPE_CHECKING:
    from regio.images import Pixels

SMALLEST = 8  # pixels; a smaller picture has none of its scales


class Ssimulacra2(Judge):
    """At most 100, for equal pictures. Its makers call 30 low quality and 90 invisible.

    Below 0 it says little, but curves of several codecs still compare.
    """

    name = "ssimulacra2"
    about = "SSIMULACRA 2, a third of a second for a file of 768x512 pixels"
    columns = (Column("ssimulacra2", "SSIMULACRA 2", ".2f", "SSIMULACRA 2, points"),)

    def __init__(self) -> None:
        if not self.installed():
            raise MissingWeights("SSIMULACRA 2 needs the package ssimulacra2 (pip install ssimulacra2)")
        self.description = f"SSIMULACRA 2, ssimulacra2 {version('ssimulacra2')}"

    @staticmethod
    def installed() -> bool:
        """Whether its package is; then `regio evaluate` asks it unless told not to."""
        try:
            return bool(version("ssimulacra2"))
        except PackageNotFoundError:
            return False

    def score(self, reference: Pixels, decoded: Pixels) -> float:
        """Two (H,W,3) uint8 pictures -> the score; NaN for pictures with a side under `SMALLEST`.

        Raises ValueError if the two are not of one shape and uint8.
        """
        from ssimulacra2 import compute_ssimulacra2

        from regio.evaluation.metrics import check_pair

        check_pair(reference, decoded)
        if min(reference.shape[:2]) < SMALLEST:
            return math.nan
        return float(compute_ssimulacra2(_file(reference), _file(decoded)))


def _file(pixels: Pixels) -> io.BytesIO:
    """The package reads files only; this one loses nothing."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    file.seek(0)
    return file
