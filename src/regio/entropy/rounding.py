"""Rounding that looks at the rate: an encoder's choice, invisible to decoders.

Rounding to the nearest symbol is best for distortion alone. A symbol nearer to zero is cheaper, and where a value lies
only just past the half-way point the bits saved are worth more than the error added. This is the dead zone and the
rate-distortion optimised quantisation of video encoders, for a Gaussian whose scale is known per position.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from regio.entropy.guard import Indices
from regio.entropy.tables import PRECISION, gaussian_tables

LARGEST = 16  # symbols beyond are rounded to the nearest: there the tables are flat and nothing is to be saved


def thrifty(residual: NDArray[np.float32], indices: Indices, distortion: float) -> NDArray[np.float32]:
    """residual (n,), tables (n,) -> symbols (n,), whole numbers: each the nearest or the next one towards zero.

    distortion: bits that one squared quantisation step of error is worth; the smaller, the wider the dead zone.
    """
    nearest = np.rint(residual)
    size = np.abs(nearest)
    least = _thresholds(distortion)[indices, np.minimum(size, LARGEST).astype(np.intp)]
    lowered = (size > 0) & (size <= LARGEST) & (np.abs(residual) < least)
    return np.where(lowered, nearest - np.sign(nearest), nearest).astype(np.float32)


@lru_cache(maxsize=4)
def _thresholds(distortion: float) -> NDArray[np.float32]:
    """(64, LARGEST + 1): the least magnitude at which symbol k, rather than k - 1, pays in each table.

    distortion * (r - k)**2 + bits(k) < distortion * (r - k + 1)**2 + bits(k - 1), solved for r.
    """
    least = np.zeros((len(gaussian_tables()), LARGEST + 1), np.float32)
    for row, table in zip(least, gaussian_tables(), strict=True):
        bits = PRECISION - np.log2(table.counts[table.reach : 2 * table.reach + 1])  # of 0, 1 ... reach
        for k in range(1, LARGEST + 1):
            dearer = bits[k] - bits[k - 1] if k <= table.reach else PRECISION / 2  # past the reach: an escape
            row[k] = k - 0.5 + dearer / (2 * distortion)
    return least
