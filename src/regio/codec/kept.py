"""The order in which patches are sent: one order over the whole picture, however it is cut into tiles.

For models that send only some of their patches (MCM). A file's rate says how many go; the first of this order do, so
that a busy tile sends more than a flat one, and what a low rate sends a higher one sends, too.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regio.codec.layout import Layout
from regio.codec.pixels import pad, to_tensor
from regio.images import Pixels
from regio.models.base import PatchRanker, Ranked
from regio.models.mcm_mask import covering, ranks, typicality
from regio.regions import importance

ROWS = 16  # of patches looked at together, a multiple of BLOCK: the whole picture as floats would be large


class Order:
    """The patches of a picture by their worth: texture, what catches the eye, and what a user points at.

    Patches beyond the picture, which only fill up its sides, come last.
    """

    def __init__(
        self, ranker: PatchRanker, pixels: Pixels, layout: Layout, weights: NDArray[np.float64] | None
    ) -> None:
        """weights (rows, columns) of the patches: what a user wants more of, 0 to 1."""
        self.ranker, self.layout = ranker, layout
        self.size = layout.rows.length, layout.columns.length
        objects = importance("salient", pixels).values if min(pixels.shape[:2]) >= layout.stride else None
        parts = [
            self._look(pixels, objects, slice(top, min(top + ROWS, self.size[0])))
            for top in range(0, self.size[0], ROWS)
        ]
        self.worth, self.typical = (torch.cat(planes) for planes in zip(*parts, strict=True))
        inside = -(-layout.height // layout.stride), -(-layout.width // layout.stride)
        self.weights = None if weights is None else torch.from_numpy(weights)
        self.inside = torch.zeros(self.size, dtype=torch.bool)
        self.inside[: inside[0], : inside[1]] = True
        self.places: dict[float, Tensor] = {}

    def _look(self, pixels: Pixels, objects: NDArray[np.uint8] | None, rows: slice) -> tuple[Tensor, Tensor]:
        """Some rows of patches -> their worth and how typical they are, (rows, columns) each."""
        stride = self.layout.stride
        part = slice(min(rows.start * stride, self.layout.height - 1), min(rows.stop * stride, self.layout.height))
        whole = (rows.stop - rows.start) * stride, self.size[1] * stride
        x = pad(to_tensor(pixels[part], torch.device("cpu")), whole)
        seen = None
        if objects is not None:
            plane = torch.from_numpy(objects[part].astype(np.float32))[None, None] / 255
            seen = pad(plane, whole)[:, 0]
        return self.ranker.worth(x, seen)[0].double(), typicality(x)[0].double()

    def of_tile(self, k: int, alpha: float | None) -> Ranked:
        """The order of the patches of tile k, among those of the whole picture.

        alpha: how much those that a user points at come forward (`MCM.preference`); None: no more than others.
        """
        key = 0.0 if alpha is None else alpha
        if key not in self.places:
            scores = self.worth
            if alpha is not None and self.weights is not None:
                scores = scores + self.ranker.preference(self.weights, alpha)
            scores = torch.where(self.inside, scores, scores.min() - 1)
            typical = torch.where(self.inside, self.typical, -torch.inf)
            scores = covering(scores[None], typical[None])[0]
            self.places[key] = ranks(torch.where(self.inside, scores, scores.min() - 1))
        rows, columns = (slice(*span) for span in self.layout.tile(k))
        part = self.places[key][rows, columns][None]
        return Ranked(part, int(self.inside.sum()))
