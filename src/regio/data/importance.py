"""Importance maps of training pictures, read from files."""

import logging
from pathlib import Path

import numpy as np
import torch
from PIL import UnidentifiedImageError
from torch import Tensor

from regio.errors import UsageError
from regio.images import open_picture

log = logging.getLogger(__name__)
_SKEW = 0.05  # by which the sides of map and picture may be in another proportion: small maps are rounded


class ImportanceFolder:
    """Grey PNG files with the pictures' stems, of any size in their proportion; white is most important."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(f"no such folder of importance maps: {folder}")
        self.folder = folder

    def find(self, file: Path, size: tuple[int, int]) -> Tensor | None:
        """A picture's file and its size (H,W) -> (h,w) uint8, or None, with a warning for a map that does not fit."""
        path = self.folder / f"{file.stem}.png"
        if not path.exists():
            return None
        try:
            with open_picture(path) as opened:
                values = np.asarray(opened.convert("L")).copy()
        except (OSError, UnidentifiedImageError) as error:
            log.warning("importance map %s is left out: %s", path, error)
            return None
        if abs(values.shape[0] * size[1] / (values.shape[1] * size[0]) - 1) > _SKEW:
            log.warning("importance map %s is left out: it is %s, the picture %s", path, values.shape, size)
            return None
        return torch.from_numpy(values)
