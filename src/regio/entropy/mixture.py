"""Gaussian mixtures, coded in integers.

A symbol is coded by a mixture of its own, so there is no table to look up: its probabilities are made on the spot. They
are integers, and so is everything they are made from:

    level  ─ nearest whole number ─► one of 64 scales, as for single Gaussians
    offset ─ nearest 1/8 ──────────► where the component's mean lies beside the symbol 0
    logit  ─ nearest 1/8 ──────────► weight in 1/128 by a table of powers of two

Machines that agree on these integers agree on the file. Models compute them from decoded integers in fixed point
(`regio.nn.exact_mixture`), so all machines do, and no position needs a guard.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regio.entropy.priors import LIKELIHOOD_FLOOR
from regio.entropy.range_coder import RangeReader, RangeWriter, Symbols
from regio.entropy.scales import level_to_scale
from regio.entropy.tables import LEVELS, PRECISION, gaussian_scales, normal_cdf, reach_of

FINE = 8  # offsets and logits are multiples of 1/FINE
OFFSET_LIMIT = 16.0  # symbols
WEIGHTS = 128  # weights are multiples of 1/WEIGHTS
_CDF_BITS = 22  # of the cumulative distribution of one component
_ESCAPE = 1 << (PRECISION - 16)  # counts of the escape, at least: costs 2.2e-5 bits a symbol, as in `tables`
# entries of a table on either side of zero; wider mixtures are coded in bins of 2**n symbols
_REACHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
_CELLS = 1 << 16  # of the tables that are made at once
# 2**16 * 2**(-t / 8) for t = 0 ... 128, rounded: t = 0 ... 7 to the nearest, the rest are these halved, rounded down
_OCTAVE = (65536, 60097, 55109, 50535, 46341, 42495, 38968, 35734)
_POWERS = tuple(_OCTAVE[t % FINE] >> t // FINE for t in range(16 * FINE + 1))

Whole = NDArray[np.int32]
Places = NDArray[np.int64]


class Mixture(NamedTuple):
    """A mixture of K Gaussians for every value (B,C,h,w); real-valued, (B,K,C,h,w) each."""

    level: Tensor  # position on the table of scales
    offset: Tensor  # mean, counted from the predicted one
    logit: Tensor  # logarithm to base 2 of the weight, up to a constant


class Quantised(NamedTuple):
    """A mixture in whole numbers, of the same shape; files are coded by these."""

    level: Tensor  # 0 ... 63
    offset: Tensor  # in 1/FINE
    weight: Tensor  # in 1/WEIGHTS, sum WEIGHTS over the components (dim 1)


def quantise(mixture: Mixture) -> Quantised:
    """See module. Exact where the mixture is in float64 and holds multiples of 2**-20."""
    level, offset, logit = (torch.nan_to_num(part.detach()).double() for part in mixture)
    levels = (level + 0.5).floor_().clamp_(0, LEVELS - 1).int()
    offsets = (offset.clamp(-OFFSET_LIMIT, OFFSET_LIMIT) * FINE + 0.5).floor_().int()
    below = ((logit.amax(1, keepdim=True) - logit).clamp_(0, 16) * FINE + 0.5).floor_().int()
    mass = torch.tensor(_POWERS, dtype=torch.int32, device=level.device)[below.long()]
    weight = torch.div(mass * WEIGHTS, mass.sum(1, keepdim=True, dtype=torch.int32), rounding_mode="floor")
    rest = WEIGHTS - weight.sum(1, dtype=torch.int32)  # what the division left goes to the first of the heaviest
    for part, distance in zip(weight.unbind(1), below.unbind(1), strict=True):
        share = rest * (distance == 0)
        part += share
        rest -= share
    return Quantised(levels, offsets, weight)


def mixture_bits(residual: Tensor, mixture: Mixture, rounded: bool) -> Tensor:
    """Bits of the unit interval around residual (B,C,h,w), each likelihood at least 1e-9 -> (B,C,h,w).

    rounded: with the whole numbers that files are coded by, without gradients; else with the mixture as it is.
    """
    if rounded:
        whole = quantise(mixture)
        level, offset, weight = whole.level.float(), whole.offset.float() / FINE, whole.weight.float() / WEIGHTS
    else:
        level, offset = mixture.level.float().clamp_max(LEVELS - 1), mixture.offset.float()
        weight = torch.softmax(mixture.logit.float() * math.log(2), dim=1)
    inverse = math.sqrt(0.5) / level_to_scale(level)
    distance = (residual[:, None] - offset).abs()  # on the side where the error function does not saturate
    part = 0.5 * (torch.erfc((distance - 0.5) * inverse) - torch.erfc((distance + 0.5) * inverse))
    likelihood = (weight * part).sum(1)
    return -torch.log2(likelihood + (likelihood.clamp_min(LIKELIHOOD_FLOOR) - likelihood).detach())


def write_mixture(writer: RangeWriter, symbols: Symbols, whole: Quantised) -> None:
    """Write symbols (n,) of one picture by its mixtures (K,n); those of one width in order, by ascending width."""
    parts = _Parts(*(part.numpy() for part in whole))
    for group in _groups(parts):
        for positions in group.pieces():
            writer.rows(symbols[positions], _rows(parts, positions, group), group.lowest, group.shift)


def read_mixture(reader: RangeReader, whole: Quantised) -> Symbols:
    """Read symbols (n,) of one picture by its mixtures (K,n)."""
    parts = _Parts(*(part.numpy() for part in whole))
    symbols = np.empty(parts.level.shape[1], np.int32)
    for group in _groups(parts):
        for positions in group.pieces():
            symbols[positions] = reader.rows(_rows(parts, positions, group), group.lowest, group.shift)
    return symbols


class _Parts(NamedTuple):
    """A Quantised as arrays (K,n)."""

    level: Whole
    offset: Whole
    weight: Whole


class _Group(NamedTuple):
    """Positions whose tables have the same width."""

    positions: Places
    reach: int  # entries on either side of the middle one
    shift: int  # an entry stands for 2**shift symbols

    @property
    def lowest(self) -> int:
        """The first symbol of a table."""
        return -(self.reach << self.shift)

    def pieces(self) -> Iterator[Places]:
        """The positions, in pieces whose tables fit the cache."""
        size = max(1, _CELLS // (2 * self.reach + 2))
        for start in range(0, len(self.positions), size):
            yield self.positions[start : start + size]


def _groups(parts: _Parts) -> Iterator[_Group]:
    """Positions by table width; a table reaches 4.3 deviations beyond each component."""
    reaches = _fine_tables().reach[parts.level] + ((np.abs(parts.offset) + (FINE - 1)) >> 3)
    widest = np.where(parts.weight > 0, reaches, 1).max(axis=0)
    kinds = _kinds()[widest]
    order = np.argsort(kinds, kind="stable")
    start = 0
    for number, count in enumerate(np.bincount(kinds).tolist()):
        if count:
            shift, reach = divmod(number, len(_REACHES))
            yield _Group(order[start : start + count], _REACHES[reach], shift)
        start += count


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """For tables that are to reach 0, 1, 2 ... symbols far: the place in _REACHES of the next wider, + 13 a shift."""
    kinds = []
    for wanted in range(int(_fine_tables().reach[-1] + OFFSET_LIMIT) + 1):
        shift = 0
        while wanted > _REACHES[-1] << shift:
            shift += 1
        least = -(-wanted >> shift)
        kinds.append(len(_REACHES) * shift + next(k for k, reach in enumerate(_REACHES) if reach >= least))
    return np.array(kinds, np.uint8)


class _FineTables(NamedTuple):
    """Cumulative distributions of the 64 scales at multiples of 1/FINE, one after the other."""

    cdf: Whole  # * 2**_CDF_BITS
    middle: Whole  # (64,): where zero is
    half: Whole  # (64,): entries on either side of it
    reach: Whole  # (64,): symbols that a table of this scale spans on either side


@lru_cache(maxsize=1)
def _fine_tables() -> _FineTables:
    pieces, halves, reaches = [], [], []
    for scale in gaussian_scales():
        reach = reach_of(scale)
        half = FINE * reach + FINE // 2
        upper = normal_cdf(np.arange(half + 1, dtype=np.float64) / (FINE * scale))
        above = np.floor(upper * 2.0**_CDF_BITS + 0.5).astype(np.int32)
        pieces += [(1 << _CDF_BITS) - above[:0:-1], above]
        halves.append(half)
        reaches.append(reach)
    starts = np.cumsum([0, *(2 * half + 1 for half in halves[:-1])])
    middle = (starts + halves).astype(np.int32)
    return _FineTables(np.concatenate(pieces), middle, np.array(halves, np.int32), np.array(reaches, np.int32))


def _rows(parts: _Parts, positions: Places, group: _Group) -> NDArray[np.float64]:
    """Tables (m, 2 reach + 2) for some positions, escape last: counts less one, as `RangeWriter.rows` wants them.

    All is exact: sums of the components stay below 2**29, their products with the budget below 2**53.
    """
    fine = _fine_tables()
    chosen = [
        (fine.middle[level], fine.half[level], offset, weight)
        for level, offset, weight in zip(*(part[:, positions] for part in parts), strict=True)
    ]
    entries = 2 * group.reach + 1
    budget = ((1 << PRECISION) - entries - _ESCAPE) * 2.0 ** -(_CDF_BITS + WEIGHTS.bit_length() - 1)
    rows = np.empty((len(positions), entries + 1))
    rest = np.full(len(positions), float((1 << PRECISION) - entries - 1))
    before = None
    for entry in range(entries + 1):
        end = FINE * ((entry - group.reach) << group.shift) - FINE // 2  # the lower end of the entry, in 1/FINE
        total = np.zeros(len(positions), np.int32)
        for middle, half, offset, weight in chosen:
            at = np.minimum(np.maximum(end - offset, -half), half)
            at += middle
            total += fine.cdf[at] * weight
        if before is not None:
            column = np.floor((total - before) * budget)
            rows[:, entry - 1] = column
            rest -= column
        before = total
    rows[:, entries] = rest
    return rows
