"""Folders of pictures in memory, and random crops of them on the training device."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from regio.data.graphics import made_picture
from regio.data.importance import ImportanceSource
from regio.data.labels import ForeignIds, LabelSource
from regio.errors import BadImage, RegioError, UsageError
from regio.images import read_picture
from regio.names import PICTURES, readable, skipped

READERS = 8  # pictures decoded at once, where there are as many cores
log = logging.getLogger(__name__)


class Batch(NamedTuple):
    """Crops with their labels and importance, where requested."""

    x: Tensor  # (B,3,S,S) float32 in [0,1]
    regions: Tensor | None  # (B,S,S) int64, ids contiguous in each crop
    importance: Tensor | None = None  # (B,1,S,S) float32 in [0,1]


class Draw(NamedTuple):
    """The random numbers of one crop, each in [0,1)."""

    reduce: float
    top: float
    left: float
    flip: float
    upside_down: float = 1.0


def every_nth(count: int, held_back: int) -> list[int]:
    """Which of `count` pictures are held back: every n-th. UsageError when nothing is left to train on."""
    if held_back >= count:
        raise UsageError(f"held_back = {held_back} leaves nothing to train on: there are {count} usable pictures")
    return list(range(0, count, max(1, count // max(held_back, 1)))[:held_back])


@dataclass(frozen=True)
class PicturePack:
    """Decoded pictures as uint8 (3,H,W) on one device, with their labels and importance.

    Label maps (H,W) int16 and importance maps (h,w) uint8, of any size, where there are any.
    """

    names: list[str]
    pictures: list[Tensor]
    labels: list[Tensor | None]
    importance: list[Tensor | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.importance:
            self.importance.extend([None] * len(self.names))

    def split(self, held_back: int) -> tuple["PicturePack", "PicturePack"]:
        """(to train on, held back): every n-th picture by name is held back, so the split never depends on the machine.

        UsageError when nothing is left to train on.
        """
        held = every_nth(len(self.names), held_back)
        kept = set(held)
        return self.subset([i for i in range(len(self.names)) if i not in kept]), self.subset(held)

    def loaded(self, indices: Sequence[int]) -> tuple[list[int], "PicturePack"]:
        """Some of the pictures, and which: all of them here, where they are in memory."""
        return list(indices), self.subset(list(indices))

    def subset(self, indices: list[int]) -> "PicturePack":
        """Return some of the pictures, with what is known of them."""
        names, pictures = [self.names[i] for i in indices], [self.pictures[i] for i in indices]
        labels, importance = [self.labels[i] for i in indices], [self.importance[i] for i in indices]
        return PicturePack(names, pictures, labels, importance)

    def to(self, device: torch.device) -> "PicturePack":
        """The same pictures on another device."""
        labels, importance = (
            [None if m is None else m.to(device) for m in maps] for maps in (self.labels, self.importance)
        )
        return PicturePack(self.names, [p.to(device) for p in self.pictures], labels, importance)

    @property
    def labelled(self) -> int:
        """How many pictures have a label map."""
        return sum(m is not None for m in self.labels)

    @property
    def weighted(self) -> int:
        """How many pictures have an importance map."""
        return sum(m is not None for m in self.importance)

    def with_made(self, count: int, side: int) -> "PicturePack":
        """This pack and `count` pictures that code makes, `side` pixels a side; see `data.graphics`."""
        made = [made_picture(seed, side) for seed in range(count)]
        pictures = [torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous() for _, pixels in made]
        names = [name for name, _ in made]
        nothing = count * [None]  # nobody has labelled them
        return PicturePack(
            [*self.names, *names], [*self.pictures, *pictures], [*self.labels, *nothing], [*self.importance, *nothing]
        )

    def crops(
        self,
        count: int,
        size: int,
        generator: torch.Generator,
        downscale: float,
        labelled: bool = False,
        weighted: bool = False,
        vertical_flips: bool = False,
    ) -> Batch:
        """`count` random crops (B,3,S,S), flipped at random; a picture is chosen in proportion to its pixels.

        downscale: probability that a crop is taken larger, up to twice, and reduced. labelled: from pictures with label
        maps only, and with their labels; weighted: the same of importance maps. vertical_flips: upside down at random,
        too. Chance is drawn on the CPU, so that it is the same on every device.
        """
        pool = [
            i
            for i, (label, map_) in enumerate(zip(self.labels, self.importance, strict=True))
            if (label is not None or not labelled) and (map_ is not None or not weighted)
        ]
        areas = torch.tensor([float(self.pictures[i].shape[1] * self.pictures[i].shape[2]) for i in pool])
        chosen = torch.multinomial(areas, count, replacement=True, generator=generator).tolist()
        draws = [Draw(*values) for values in torch.rand(count, 4 + vertical_flips, generator=generator).tolist()]
        pairs = [self._crop(pool[i], size, d, downscale, labelled) for i, d in zip(chosen, draws, strict=True)]
        x = torch.stack([picture for picture, _ in pairs])
        maps = [self._importance(pool[i], size, d, downscale) for i, d in zip(chosen, draws, strict=True) if weighted]
        labels = torch.stack([m for _, m in pairs if m is not None]) if labelled else None
        return Batch(x, labels, torch.cat(maps) if weighted else None)

    def _crop(
        self, index: int, size: int, draw: Draw, downscale: float, labelled: bool
    ) -> tuple[Tensor, Tensor | None]:
        """One crop (3,S,S) float32 and its labels (S,S) int64."""
        picture, mask = self.pictures[index], self.labels[index] if labelled else None
        top, left, wide = self._place(index, size, draw, downscale)
        crop = picture[:, top : top + wide, left : left + wide].float() / 255
        if wide != size:
            crop = F.interpolate(crop[None], (size, size), mode="bilinear", antialias=True)[0]
        crop = crop.flip(_flipped(draw, 1))
        if mask is None:
            return crop, None
        cut = mask[top : top + wide, left : left + wide]
        if wide != size:  # nearest, not bilinear: labels are names, and names have no average
            at = torch.arange(size, device=mask.device) * wide // size
            cut = cut[at][:, at]
        cut = cut.flip(_flipped(draw, 0))
        return crop, torch.unique(cut, return_inverse=True)[1]

    def _place(self, index: int, size: int, draw: Draw, downscale: float) -> tuple[int, int, int]:
        """Top, left and side of the square that becomes a crop."""
        _, height, width = self.pictures[index].shape
        wide = size
        if draw.reduce < downscale:
            wide = min(round(size * (1 + draw.reduce / downscale)), height, width)
        return int(draw.top * (height - wide + 1)), int(draw.left * (width - wide + 1)), wide

    def _importance(self, index: int, size: int, draw: Draw, downscale: float) -> Tensor:
        """The importance (1,1,S,S) float32 of the same crop, in between the values of a coarse map."""
        values, (_, height, width) = self.importance[index], self.pictures[index].shape
        assert values is not None
        top, left, wide = self._place(index, size, draw, downscale)
        at = (torch.arange(size, device=values.device) + 0.5) * (wide / size)
        rows, columns = 2 * (top + at) / height - 1, 2 * (left + at) / width - 1
        if draw.flip < 0.5:
            columns = columns.flip(0)
        if draw.upside_down < 0.5:
            rows = rows.flip(0)
        places = torch.stack([columns.expand(size, -1), rows[:, None].expand(-1, size)], dim=2)
        coarse = values[None, None].float() / 255
        return F.grid_sample(coarse, places[None], padding_mode="border", align_corners=False)


def _flipped(draw: Draw, rows: int) -> list[int]:
    """The dimensions along which a crop is mirrored, the rows being dimension `rows`."""
    return [rows] * (draw.upside_down < 0.5) + [rows + 1] * (draw.flip < 0.5)


def load_pictures(
    folders: Sequence[Path],
    smallest: int,
    sources: Sequence[LabelSource] = (),
    limit: int | None = None,
    importance: ImportanceSource | None = None,
) -> PicturePack:
    """Decode every picture of the folders whose sides are at least `smallest`; unreadable ones are warned of.

    sources: where to look for label maps; the first that knows a picture is believed. limit: the first so many files.
    importance: where to look for importance maps.

    Pictures whose panoptic PNG has no id that the annotations list are skipped, and a warning counts them;
    UsageError when that leaves no picture.
    """
    where = ", ".join(map(str, folders))
    there, kinds = [f for folder in folders for f in folder.glob("*") if f.is_file()], readable()
    files = sorted(f for f in there if f.suffix.lower() in kinds)
    left = skipped(f.name for f in there if f.suffix.lower() in PICTURES - kinds)
    if not files:
        inner = any(f.is_dir() for folder in folders for f in folder.glob("*"))
        hint = "; data.workers reads folders within folders" if inner else ""
        raise UsageError(f"no pictures in {where}{'; ' * bool(left)}{left}{hint}")
    if left:
        log.warning("%s: %s", where, left)
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as readers:
        read = list(readers.map(lambda file: _read(file, smallest, sources, importance), files[:limit]))
    foreign = [entry for entry in read if isinstance(entry, ForeignIds)]
    found = [(file.name, *entry) for file, entry in zip(files, read, strict=False) if isinstance(entry, tuple)]
    if foreign:
        line = f"{len(foreign)} of {len(read)} pictures have panoptic PNGs without any listed id, such as {foreign[0]}"
        if not found:
            raise UsageError(line)
        log.warning("%s; these pictures are skipped", line)
    if not found:
        raise BadImage(f"no readable picture of at least {smallest} pixels a side in {where}")
    names, pictures, labels, weights = (list(column) for column in zip(*found, strict=True))
    return PicturePack(names, pictures, labels, weights)


def _read(
    file: Path, smallest: int, sources: Sequence[LabelSource], importance: ImportanceSource | None
) -> tuple[Tensor, Tensor | None, Tensor | None] | ForeignIds | None:
    """A picture (3,H,W) uint8, its labels (H,W) int16, its importance; None where there is nothing to train on.

    ForeignIds where one source has wrong labels for it and no other has right ones.
    """
    try:
        pixels = read_picture(file).pixels
    except (OSError, RegioError) as error:
        log.warning("%s is skipped: %s", file, error)
        return None
    if min(pixels.shape[:2]) < smallest:
        return None
    labels = _labels(file, pixels, sources)
    if isinstance(labels, ForeignIds):
        return labels
    weights = None if importance is None else importance.find(file, (pixels.shape[0], pixels.shape[1]))
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()), labels, weights


def _labels(file: Path, pixels: NDArray[np.uint8], sources: Sequence[LabelSource]) -> Tensor | ForeignIds | None:
    """The labels of the first source that has some; ForeignIds if one has wrong ones and none right ones."""
    foreign: ForeignIds | None = None
    for source in sources:
        try:
            labels = source.find(file, pixels)
        except ForeignIds as error:
            foreign = foreign or error
            continue
        if labels is not None:
            return labels
    return foreign
