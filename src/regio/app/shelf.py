"""Files that pages show or offer, in one folder that goes when the server does."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

import numpy as np
from PIL import Image

from regio.images import Pixels

AGE = 2 * 3600.0  # seconds after which a file is taken for forgotten


class Shelf:
    """Folders with names that nobody guesses, since whoever knows a name can fetch the file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self) -> Path:
        """A new folder; what is too old goes."""
        self.sweep()
        made = self.root / secrets.token_hex(16)
        made.mkdir(parents=True)
        return made

    def sweep(self, age: float = AGE) -> None:
        """Remove what nobody has touched for `age` seconds, other people's uploads included."""
        oldest = time.time() - age
        for entry in self.root.iterdir() if self.root.is_dir() else ():
            try:
                if entry.stat().st_mtime < oldest:
                    shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
            except FileNotFoundError:
                pass  # another page was faster


def save_png(pixels: Pixels | Image.Image, path: Path, *, icc: bytes | None = None, longest: int | None = None) -> str:
    """Write a picture for a browser -> its path. longest: pixels of the longer side, if it is to be made smaller."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    if longest is not None and max(image.size) > longest:
        scale = longest / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.save(path, "PNG", compress_level=3, **({} if icc is None else {"icc_profile": icc}))
    return str(path)
