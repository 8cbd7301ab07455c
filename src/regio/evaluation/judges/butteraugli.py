"""Butteraugli, by the tool `butteraugli_main` of libjxl. Nothing of ours is trained on it."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from regio.errors import MissingWeights, RegioError
from regio.evaluation.judges.base import Column, Judge, Setting

if TYPE_CHECKING:
    from regio.images import Pixels

TOOL = "butteraugli_main"
SMALLEST = 8  # pixels a side
_NORM = re.compile(r"^3-norm: (\S+)$", re.MULTILINE)


class Butteraugli(Judge):
    """The 3-norm of the map of visible differences: 0 for equal pictures, about 1 where one begins to see them."""

    name = "butteraugli"
    about = "Butteraugli, 3-norm; needs butteraugli_main of libjxl"
    columns = (Column("butteraugli", "Butteraugli", ".3f", "−Butteraugli (3-norm)", lambda value: -value),)

    description = "Butteraugli, 3-norm, butteraugli_main"

    def __init__(self, tool: str) -> None:
        self.tool = tool

    @classmethod
    def make(cls, setting: Setting) -> Butteraugli:
        """See Judge."""
        tool = shutil.which(TOOL)
        if tool is None:
            raise MissingWeights(f"Butteraugli needs the program {TOOL} (Debian: libjxl-devtools)")
        return cls(tool)

    def score(self, reference: Pixels, decoded: Pixels) -> float:
        """Two (H,W,3) uint8 pictures -> the 3-norm; NaN for pictures with a side under `SMALLEST`."""
        from PIL import Image

        from regio.evaluation.metrics import check_pair

        check_pair(reference, decoded)
        if min(reference.shape[:2]) < SMALLEST:
            return math.nan
        with tempfile.TemporaryDirectory(prefix="regio-") as folder:
            files = [Path(folder) / name for name in ("original.png", "decoded.png")]
            for file, pixels in zip(files, (reference, decoded), strict=True):
                Image.fromarray(pixels).save(file, compress_level=1)
            ran = subprocess.run([self.tool, *map(str, files)], check=False, capture_output=True, text=True)
        found = _NORM.search(ran.stdout)
        if ran.returncode or found is None:
            raise RegioError(f"{TOOL}: {(ran.stderr or ran.stdout).strip()[:200] or f'exit code {ran.returncode}'}")
        return float(found[1])
