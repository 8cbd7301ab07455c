"""Kept patches on the map that the entropy model works on, and a coder that codes nothing else there.

packed   the K tokens row by row on a map of about sqrt(K) x sqrt(K), as in [Li2023]
grid     each token where its patch lies; the cells between them are empty and cost nothing (ours)
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from regio.entropy import Coder, FactorizedPrior, Mixture


def check_ids(keep: Tensor, batch: int, size: tuple[int, int]) -> None:
    """ValueError unless keep (B,K) numbers different patches of each picture."""
    if keep.dim() != 2 or len(keep) != batch or keep.dtype != torch.int64 or not keep.numel():
        raise ValueError(f"keep {tuple(keep.shape)} {keep.dtype}: must be int64 of shape ({batch},K)")
    ordered = keep.sort(dim=1).values
    if int(ordered[:, 0].min()) < 0 or int(ordered[:, -1].max()) >= size[0] * size[1]:
        raise ValueError(f"keep numbers patches outside 0 ... {size[0] * size[1] - 1}")
    if bool((ordered[:, 1:] == ordered[:, :-1]).any()):
        raise ValueError("keep numbers a patch twice")


def mask_of(ids: Tensor, size: tuple[int, int]) -> Tensor:
    """ids (B,K) -> bool (B,h,w)."""
    flat = torch.zeros(len(ids), size[0] * size[1], dtype=torch.bool, device=ids.device)
    return flat.scatter(1, ids, True).view(len(ids), *size)


@dataclass(frozen=True)
class Cells:
    """The places of the tokens of a batch: index (B,K) int64 of their cells on a map of `size` (r,c), raster order."""

    index: Tensor
    size: tuple[int, int]

    @classmethod
    def packed(cls, ids: Tensor, multiple: int) -> "Cells":
        """One after the other, in the order of `ids` (B,K), on a nearly square map whose sides are multiples."""
        batch, count = ids.shape
        rows = max(1, math.ceil(math.sqrt(count) / multiple - 1e-9)) * multiple
        columns = max(1, math.ceil(count / rows / multiple)) * multiple
        index = torch.arange(count, device=ids.device).expand(batch, count)
        return cls(index, (rows, columns))

    @property
    def full(self) -> bool:
        """Whether every cell is taken."""
        return self.index.shape[1] == self.size[0] * self.size[1]

    def spread(self, tokens: Tensor) -> Tensor:
        """Tokens (B,C,K) -> map (B,C,r,c), zero in empty cells."""
        batch, channels, _ = tokens.shape
        empty = tokens.new_zeros(batch, channels, self.size[0] * self.size[1])
        filled = empty.scatter(2, self.index[:, None].expand(-1, channels, -1), tokens)
        return filled.reshape(batch, channels, *self.size)

    def collect(self, plane: Tensor) -> Tensor:
        """Map (B,C,r,c) -> tokens (B,C,K)."""
        index = self.index.to(plane.device)
        return plane.flatten(2).gather(2, index[:, None].expand(-1, plane.shape[1], -1))

    def taken(self, factor: int) -> Tensor:
        """The cells of a map `factor` times coarser that hold any token, bool (B,r/factor,c/factor)."""
        ones = torch.ones(*self.index.shape, device=self.index.device)[:, None]
        return F.max_pool2d(self.spread(ones), factor)[:, 0] > 0


class CellCoder:
    """A coder for maps of which only some cells hold anything: hands only those on. It is a `Coder`."""

    def __init__(self, coder: Coder, cells: Cells) -> None:
        self.coder, self.cells = coder, cells

    @property
    def exact(self) -> bool:
        """See Coder."""
        return self.coder.exact

    def factorized(
        self,
        stream: str,
        values: Tensor | None,
        prior: FactorizedPrior,
        size: tuple[int, int],
        mask: Tensor | None = None,
    ) -> Tensor:
        """See Coder. A cell of the coarser map (B,C,r/t,c/t) is coded if a token lies in it; others are the median."""
        taken = self.cells.taken(self.cells.size[0] // size[0])
        if bool(taken.all()):
            return self.coder.factorized(stream, values, prior, size, mask)
        if not bool((taken == taken[:1]).all()):  # pictures with different cells side by side, as in training
            decoded = self.coder.factorized(stream, values, prior, size, taken)
            return torch.where(taken[:, None], decoded, prior.medians())
        cells = Cells(taken[0].flatten().nonzero()[:, 0].expand(len(taken), -1), size)
        inner = None if values is None else cells.collect(values)[:, :, None]
        decoded = self.coder.factorized(stream, inner, prior, (1, cells.index.shape[1]))[:, :, 0]
        medians = prior.medians()
        return cells.spread(decoded - medians[:, 0]) + medians

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder; empty cells are zero."""
        if self.cells.full:
            return self.coder.gaussian(stream, values, mean, level, guard)
        inner = None if values is None else self._row(values)
        return self.cells.spread(self.coder.gaussian(stream, inner, self._row(mean), self._row(level), guard)[:, :, 0])

    def mixture(self, stream: str, values: Tensor | None, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder; empty cells are zero."""
        if self.cells.full:
            return self.coder.mixture(stream, values, mean, mixture)
        inner = None if values is None else self._row(values)
        parts = Mixture(*(torch.stack([self._row(one) for one in part.unbind(1)], dim=1) for part in mixture))
        return self.cells.spread(self.coder.mixture(stream, inner, self._row(mean), parts)[:, :, 0])

    def _row(self, x: Tensor) -> Tensor:
        """The contents of the cells (B,C,1,K)."""
        return self.cells.collect(x)[:, :, None]

    def positions(self, stream: str, kept: Tensor | None, size: tuple[int, int], expected: int | None) -> Tensor:
        """See Coder."""
        return self.coder.positions(stream, kept, size, expected)
