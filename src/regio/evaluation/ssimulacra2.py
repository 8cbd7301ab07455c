"""SSIMULACRA 2, by the package of that name: fitted to people's votes, and nothing of ours is trained on it."""

from __future__ import annotations

import io
import math
from importlib.metadata import PackageNotFoundError, version

from PIL import Image

from regio.errors import MissingWeights
from regio.evaluation.metrics import check_pair
from regio.images import Pixels

SMALLEST = 8  # pixels; a smaller picture has none of its scales


class Ssimulacra2:
    """The judge. Raises MissingWeights where the package is not installed.

    Its makers call 30 low quality and 90 invisible; below 0 it says little, but curves of several codecs still compare.
    """

    def __init__(self) -> None:
        try:
            self.description = f"SSIMULACRA 2, ssimulacra2 {version('ssimulacra2')}"
        except PackageNotFoundError:
            raise MissingWeights("SSIMULACRA 2 needs the package ssimulacra2 (pip install ssimulacra2)") from None

    def __call__(self, reference: Pixels, decoded: Pixels) -> float:
        """Two (H,W,3) uint8 pictures -> at most 100, for equal ones; NaN for pictures with a side under `SMALLEST`.

        Raises ValueError if the two are not of one shape and uint8.
        """
        from ssimulacra2 import compute_ssimulacra2

        check_pair(reference, decoded)
        if min(reference.shape[:2]) < SMALLEST:
            return math.nan
        return float(compute_ssimulacra2(_file(reference), _file(decoded)))


def _file(pixels: Pixels) -> io.BytesIO:
    """The package reads files only; this one loses nothing."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    file.seek(0)
    return file
