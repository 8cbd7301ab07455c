"""Integer probability tables, the same on every machine.

A table holds positive integer counts that sum to 2**24, one per symbol; the last symbol is the escape. Gaussian tables
are computed here with float64 additions, multiplications, divisions and comparisons only: IEEE 754 fixes the result of
each, so every machine derives the same integers. Tables of learned priors come out of a network and are therefore
computed once, when weights are exported, and travel with the weights.

Scales are addressed by their *level*, the position on the table of 64 log-spaced scales from 0.11 to 256 (spec of
[Liu2024], section "entropy model"): level 0 is 0.11, level 63 is 256.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRECISION = 24  # bits of a probability; what the range coder works with
LEVELS = 64
SCALE_MIN = 0.11
SCALE_MAX = 256.0
LEVEL_STEP = math.log(SCALE_MAX / SCALE_MIN) / (LEVELS - 1)
# exp(LEVEL_STEP), written out because exp may differ in its last bit
_SCALE_RATIO = float.fromhex("0x1.2185b3f1454aap+0")
_ESCAPE_SHARE = 2.0**-16  # a floor for escapes: costs 2.2e-5 bits a symbol, and outliers cost 16 bits, not 24
_TAIL_SIGMAS = 4.3  # symbols further out than this (2e-5 of a Gaussian) are escapes

Counts = NDArray[np.int64]


def with_escape(inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symbol probabilities (n,) -> (n + 1,); the last is for all other symbols, at least 2**-16."""
    total = math.fsum(inside.tolist())  # correctly rounded, so independent of the order numpy would sum in
    escape = max(1.0 - total, _ESCAPE_SHARE)
    return np.append(inside * ((1.0 - escape) / total), escape)


def integer_counts(pmf: NDArray[np.float64]) -> Counts:
    """Probabilities (n,) that sum to about 1, escape last -> positive counts (n,) that sum to 2**24 exactly.

    The remainder of rounding goes to the most likely symbol, where it costs least.
    """
    counts = np.maximum(1, np.floor(pmf * 2.0**PRECISION + 0.5)).astype(np.int64)
    counts[np.argmax(pmf)] += 2**PRECISION - counts.sum()
    if counts.min() < 1:
        raise ValueError(f"{len(pmf)} symbols do not fit into a table of 2**{PRECISION} counts")
    return counts


@dataclass(frozen=True)
class GaussianTable:
    """Counts of the symbols -reach ... reach and, last, the escape."""

    reach: int
    counts: Counts


def gaussian_scales() -> list[float]:
    """The 64 standard deviations, by level."""
    scales = [SCALE_MIN]
    while len(scales) < LEVELS:
        scales.append(scales[-1] * _SCALE_RATIO)
    return scales


def reach_of(scale: float) -> int:
    """The number of symbols on each side of zero in a table of this standard deviation."""
    return max(1, math.ceil(_TAIL_SIGMAS * scale))


@lru_cache(maxsize=1)
def gaussian_tables() -> tuple[GaussianTable, ...]:
    """The 64 tables of N(0, scale**2) rounded to integers, by level."""
    reaches = [reach_of(scale) for scale in gaussian_scales()]
    edges = [
        (np.arange(-reach, reach + 2, dtype=np.float64) - 0.5) / scale
        for reach, scale in zip(reaches, gaussian_scales(), strict=True)
    ]
    ends = np.cumsum([len(one) for one in edges])[:-1]
    below = np.split(normal_cdf(np.concatenate(edges)), ends)  # of all tables at once, many times faster
    counts = [integer_counts(with_escape(np.diff(one))) for one in below]
    return tuple(GaussianTable(reach, one) for reach, one in zip(reaches, counts, strict=True))


def normal_cdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phi(x) from basic operations only: 1/2 + phi(x) * sum_n x**(2n+1) / (2n+1)!!, stable as no term is negative."""
    magnitude = np.minimum(np.abs(x), 9.0)
    square = magnitude * magnitude
    term = magnitude.copy()
    total = magnitude.copy()
    for n in range(1, 220):
        term = term * square / (2 * n + 1)
        total = total + term
    upper = 0.5 + np.minimum(_exp_minus(square * 0.5) * 0.3989422804014327 * total, 0.5)
    return np.where(x < 0, 1.0 - upper, upper)


def _exp_minus(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-t) for 0 <= t <= 64 from basic operations only: a Taylor sum at t / 256, squared eight times."""
    small = t / 256.0
    total = np.ones_like(t)
    for n in range(18, 0, -1):
        total = 1.0 + total * small / n
    for _ in range(8):
        total = total * total
    return 1.0 / total


@dataclass(frozen=True)
class FactorizedTables:
    """Tables of a factorised prior, one per channel: channel c codes the symbols lowest[c] ... and, last, the escape.

    Symbols count from the channel's median. `counts` holds all tables one after the other, `lengths[c]` of them each.
    """

    lowest: NDArray[np.int32]
    lengths: NDArray[np.int32]
    counts: NDArray[np.int32]

    def channel(self, c: int) -> tuple[int, Counts]:
        """Lowest symbol and counts of channel c."""
        start = int(self.lengths[:c].sum())
        return int(self.lowest[c]), self.counts[start : start + int(self.lengths[c])].astype(np.int64)

    def arrays(self) -> dict[str, NDArray[np.int32]]:
        """The arrays that are stored beside the weights."""
        return {"lowest": self.lowest, "lengths": self.lengths, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "FactorizedTables":
        """The inverse of `arrays`; raises ValueError where the numbers are not tables."""
        if any(one.ndim != 1 or one.dtype.kind not in "iu" for one in arrays.values()):
            raise ValueError("the tables of a factorised prior are not lists of whole numbers")
        lowest, lengths, counts = (arrays[k].astype(np.int32) for k in ("lowest", "lengths", "counts"))
        if lowest.shape != lengths.shape or lengths.min() < 2 or int(lengths.sum()) != counts.size or counts.min() < 1:
            raise ValueError("the tables of a factorised prior are inconsistent")
        sums = np.add.reduceat(counts.astype(np.int64), np.cumsum(lengths) - lengths)
        if (sums != 2**PRECISION).any():
            raise ValueError(f"a table of a factorised prior does not sum to 2**{PRECISION}")
        return cls(lowest, lengths, counts)
