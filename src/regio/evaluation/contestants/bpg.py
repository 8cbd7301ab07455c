"""BPG, which all three papers compare with, through its programs bpgenc and bpgdec if they are installed.

Settings are those that [Li2023] names: x265, 4:4:4, 8 bits. Pictures go in and come out as PNG files.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from regio.errors import RegioError
from regio.evaluation.budget import OnLadder
from regio.evaluation.contestants.programs import run_program, version_of
from regio.images import Pixels


@dataclass(frozen=True)
class Bpg(OnLadder):
    """BPG as a contestant; its setting is the quantisation parameter, 51 smallest to 0 best."""

    name: str = "bpg"
    description: str = "bpgenc with x265, 4:4:4, 8 bit (setting: QP)"
    ladder: tuple[float, ...] = tuple(float(qp) for qp in range(51, -1, -1))
    settings: tuple[float, ...] = (50, 46, 42, 37, 32, 27, 22, 17)

    @cached_property
    def weights(self) -> str:
        """Program and version."""
        encoder = shutil.which("bpgenc")
        return f"bpgenc {version_of([encoder, '-h'])}" if encoder else "absent"

    def missing(self) -> str | None:
        """Why it cannot take part here; None if it can."""
        both = shutil.which("bpgenc") and shutil.which("bpgdec")
        return None if both else "needs the programs bpgenc and bpgdec (bellard.org/bpg)"

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        """(H,W,3) uint8 RGB -> bytes. Raises RegioError with the program's first line if it fails."""
        with tempfile.TemporaryDirectory() as place:
            given, made = Path(place) / "in.png", Path(place) / "out.bpg"
            Image.fromarray(np.ascontiguousarray(pixels)).save(given, compress_level=1)
            options = ["-q", f"{setting:g}", "-f", "444", "-e", "x265", "-b", "8"]
            run_program([self._program("bpgenc"), *options, "-o", str(made), str(given)])
            return made.read_bytes()

    def decode(self, data: bytes) -> Pixels:
        """Bytes -> (H,W,3) uint8 RGB. Raises RegioError with the program's first line if it fails."""
        with tempfile.TemporaryDirectory() as place:
            given, made = Path(place) / "in.bpg", Path(place) / "out.png"
            given.write_bytes(data)
            run_program([self._program("bpgdec"), "-o", str(made), str(given)])
            with Image.open(made) as decoded:
                return np.asarray(decoded.convert("RGB"))

    def _program(self, name: str) -> str:
        found = shutil.which(name)
        if found is None:
            raise RegioError(f"bpg {self.missing()}")
        return found
