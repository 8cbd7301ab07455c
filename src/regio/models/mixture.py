"""Coding a latent by Gaussian mixtures, with no context, in two passes, or position by position.

Symbols are counted from means that come of the hyper-latent alone, so an encoder knows them all at once. Context moves
probabilities only: levels, offsets and weights of the mixtures, which are exact. A serial decoder so repeats in whole
numbers what the encoder did in parallel. Departure from Cheng et al. 2020, whose context also moves the means that are
rounded from.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.entropy import Coder, Mixture, RateEstimator
from regio.models.context import symbols_of
from regio.nn.checkerboard import join, split
from regio.nn.exact_mixture import ExactMixtureNet, MixtureNet, companded

CONTEXTS = ("none", "checkerboard", "autoregressive")
_PART = 64  # channels whose mixtures are made at once in files: nine numbers a latent take memory
_Runner = MixtureNet | ExactMixtureNet


class MixtureCoder(nn.Module):
    """Latent (B,C,h,w), means and levels of the hyper-latent -> decoded latent.

    context: `none`; `checkerboard`, half the positions first, the others then knowing their neighbours (He et al.
    2021); or `autoregressive`, a masked convolution in raster order (Minnen et al. 2018), decoded one by one.
    """

    def __init__(self, latent: int, widths: tuple[int, ...], components: int, context: str, kernel: int) -> None:
        super().__init__()
        if context not in CONTEXTS:
            raise ValueError(f"context={context!r}; there are {', '.join(CONTEXTS)}")
        self.kind, self.kernel = context, kernel
        self.net = MixtureNet(latent, widths, components, known(context, kernel))

    def forward(self, y: Tensor | None, mean: Tensor, level: Tensor, coder: Coder) -> Tensor:
        """y (B,C,h,w), None when reading; mean (B,C,h,w); level (B,C,h,w), in float64 where exact -> (B,C,h,w)."""
        run = self.net.prepared() if level.dtype == torch.float64 else self.net
        if self.kind == "none":
            return _code(run, y, mean, level, None, coder)
        if self.kind == "checkerboard":
            return self._two_passes(run, y, mean, level, coder)
        return self._one_by_one(run, y, mean, level, coder)

    def _two_passes(self, run: _Runner, y: Tensor | None, mean: Tensor, level: Tensor, coder: Coder) -> Tensor:
        early, late = (None, None) if y is None else split(y)
        (mean_early, mean_late), (level_early, level_late) = split(mean), split(level)
        anchors = _code(run, early, mean_early, level_early, None, coder)
        symbols = symbols_of(anchors, mean_early).to(level)
        around = run.context(self._framed(join(symbols, torch.zeros_like(symbols)), run))
        others = _code(run, late, mean_late, level_late, split(around)[1], coder)
        return join(anchors, others)

    def _one_by_one(self, run: _Runner, y: Tensor | None, mean: Tensor, level: Tensor, coder: Coder) -> Tensor:
        if y is None:
            return self._read(run, mean, level, coder)
        symbols = torch.round((y - mean).detach().float()).to(level)
        around = run.context(self._framed(symbols, run))
        if isinstance(coder, RateEstimator):
            return _code(run, y, mean, level, around, coder)
        decoded = torch.empty_like(mean)
        for place in _raster(mean):
            here = y[place], mean[place], level[place], around[place]
            decoded[place] = _code(run, *here, coder)
        return decoded

    def _read(self, run: _Runner, mean: Tensor, level: Tensor, coder: Coder) -> Tensor:
        decoded, edge = torch.empty_like(mean), self.kernel // 2
        seen = self._framed(torch.zeros_like(level), run)
        for place in _raster(mean):
            row, column = place[2].start, place[3].start
            window = seen[:, :, row : row + self.kernel, column : column + self.kernel]
            found = _code(run, None, mean[place], level[place], run.context(window), coder)
            decoded[place] = found
            symbols = symbols_of(found, mean[place]).to(level)
            seen[:, :, row + edge, column + edge] = companded(symbols)[:, :, 0, 0]
        return decoded

    def _framed(self, symbols: Tensor, run: _Runner) -> Tensor:
        """The input of the context; the exact network needs padding."""
        edge = self.kernel // 2 if isinstance(run, ExactMixtureNet) else 0
        return F.pad(companded(symbols), (edge,) * 4)


def known(context: str, kernel: int) -> Tensor | None:
    """(k,k), 1 for neighbours that are decoded before a position: of the other colour, or before it in raster order."""
    if context == "none":
        return None
    at = torch.arange(kernel) - kernel // 2
    if context == "checkerboard":
        return ((at[:, None] + at) % 2 != 0).float()
    return (torch.arange(kernel**2) < kernel**2 // 2).float().view(kernel, kernel)


def _code(run: _Runner, y: Tensor | None, mean: Tensor, level: Tensor, around: Tensor | None, coder: Coder) -> Tensor:
    """One pass over some positions."""
    hidden, channels = run.hidden(level, around), mean.shape[1]
    step = _PART if isinstance(run, ExactMixtureNet) else channels
    done = []
    for start in range(0, channels, step):
        part = slice(start, min(start + step, channels))
        mixture = Mixture(*run.shapes(hidden, level, part))
        done.append(coder.mixture("y", None if y is None else y[:, part], mean[:, part], mixture))
    return torch.cat(done, dim=1)


def _raster(like: Tensor) -> list[tuple[slice, slice, slice, slice]]:
    """Each position of a map (B,C,h,w), in raster order."""
    every = slice(None)
    rows, columns = range(like.shape[2]), range(like.shape[3])
    return [(every, every, slice(row, row + 1), slice(column, column + 1)) for row in rows for column in columns]
