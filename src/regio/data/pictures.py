"""A folder of pictures in memory, and random crops of it on the training device."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from regio.errors import BadImage, UsageError

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Crops and, where all of them have label maps, their labels."""

    x: Tensor  # (B,3,S,S) float32 in [0,1]
    regions: Tensor | None  # (B,S,S) int64, ids contiguous in each crop


@dataclass(frozen=True)
class PicturePack:
    """Decoded pictures as uint8 (3,H,W) on one device, and their label maps (H,W) int16 where there are any."""

    names: list[str]
    pictures: list[Tensor]
    labels: list[Tensor | None]

    def split(self, held_back: int) -> tuple["PicturePack", "PicturePack"]:
        """(to train on, held back): every n-th picture by name is held back, so the split never depends on the machine."""
        every = max(1, len(self.names) // max(held_back, 1))
        kept = set(range(0, len(self.names), every)[:held_back]) if held_back else set()
        return self._subset([i for i in range(len(self.names)) if i not in kept]), self._subset(sorted(kept))

    def _subset(self, indices: list[int]) -> "PicturePack":
        return PicturePack(*([values[i] for i in indices] for values in (self.names, self.pictures, self.labels)))

    def to(self, device: torch.device) -> "PicturePack":
        """The same pictures on another device."""
        labels = [None if m is None else m.to(device) for m in self.labels]
        return PicturePack(self.names, [p.to(device) for p in self.pictures], labels)

    def crops(self, count: int, size: int, generator: torch.Generator, downscale: float, labelled: bool = False) -> Batch:
        """`count` random crops (B,3,S,S), flipped at random; a picture is chosen in proportion to its pixels.

        downscale: probability that a crop is taken larger, up to twice, and reduced. labelled: from pictures with label
        maps only, and with their labels.
        """
        pool = [i for i, m in enumerate(self.labels) if m is not None or not labelled]
        areas = torch.tensor([float(self.pictures[i].shape[1] * self.pictures[i].shape[2]) for i in pool])
        chosen = torch.multinomial(areas, count, replacement=True, generator=generator)
        draws = torch.rand(count, 5, generator=generator).tolist()
        pairs = [self._crop(pool[i], size, d, downscale, labelled) for i, d in zip(chosen.tolist(), draws, strict=True)]
        x = torch.stack([picture for picture, _ in pairs])
        return Batch(x, torch.stack([m for _, m in pairs if m is not None]) if labelled else None)

    def _crop(
        self, index: int, size: int, draw: list[float], downscale: float, labelled: bool
    ) -> tuple[Tensor, Tensor | None]:
        picture, mask = self.pictures[index], self.labels[index] if labelled else None
        _, height, width = picture.shape
        wide = size
        if draw[0] < downscale:
            wide = min(round(size * (1 + draw[0] / downscale)), height, width)
        top, left = int(draw[1] * (height - wide + 1)), int(draw[2] * (width - wide + 1))
        crop = picture[:, top : top + wide, left : left + wide].float() / 255
        if wide != size:
            crop = F.interpolate(crop[None], (size, size), mode="bilinear", antialias=True)[0]
        if draw[3] < 0.5:
            crop = crop.flip(2)
        if mask is None:
            return crop, None
        cut = mask[top : top + wide, left : left + wide]
        if wide != size:  # nearest, not bilinear: labels are names, and names have no average
            at = torch.arange(size, device=mask.device) * wide // size
            cut = cut[at][:, at]
        cut = cut.flip(1) if draw[3] < 0.5 else cut
        return crop, torch.unique(cut, return_inverse=True)[1]


def load_pictures(folders: list[Path], masks: Path | None, smallest: int, limit: int | None = None) -> PicturePack:
    """Decode every picture of the folders whose sides are at least `smallest`; unreadable ones are skipped with a warning.

    masks: a folder of label maps with the same stem as the picture, grey PNG, value = label.
    """
    files = sorted(f for folder in folders for f in folder.glob("*") if f.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(f"no pictures in {', '.join(map(str, folders))}")
    names: list[str] = []
    pictures: list[Tensor] = []
    labels: list[Tensor | None] = []
    for file in files[:limit]:
        try:
            picture = _read(file, "RGB")
            mask_file = None if masks is None else masks / f"{file.stem}.png"
            mask = _read(mask_file, "L") if mask_file and mask_file.exists() else None
        except (OSError, ValueError) as error:
            log.warning("%s is skipped: %s", file, error)
            continue
        if min(picture.shape[1:]) < smallest:
            continue
        names.append(file.name)
        pictures.append(picture)
        labels.append(None if mask is None else mask[0])
    if not pictures:
        raise BadImage(f"no readable picture of at least {smallest} pixels a side in {', '.join(map(str, folders))}")
    return PicturePack(names, pictures, labels)


def _read(file: Path, mode: str) -> Tensor:
    with Image.open(file) as opened:
        pixels = np.atleast_3d(np.asarray(opened.convert(mode)))
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())
