"""Rate-aware rounding, against the definition written out."""

import numpy as np
import pytest

from regio.entropy.rounding import thrifty
from regio.entropy.tables import LEVELS, PRECISION, gaussian_tables


def cost(residual: float, symbol: int, index: int, distortion: float) -> float:
    table = gaussian_tables()[index]
    return distortion * (residual - symbol) ** 2 + PRECISION - float(np.log2(table.counts[table.reach + symbol]))


@pytest.mark.parametrize("distortion", [4.0, 12.0])
def test_no_symbol_is_dearer_than_its_neighbour_towards_zero_or_the_nearest(distortion: float) -> None:
    rng = np.random.default_rng(1)
    indices = rng.integers(10, LEVELS, 2000).astype(np.uint8)
    reach = np.array([table.reach for table in gaussian_tables()])[indices]
    residual = np.clip(rng.normal(0, 3, 2000), 1 - reach, reach - 1).astype(np.float32)
    symbols = thrifty(residual, indices, distortion).astype(int)
    for r, index, symbol in zip(residual.tolist(), indices.tolist(), symbols.tolist(), strict=True):
        nearest = int(np.rint(r))
        choices = {nearest, nearest - int(np.sign(nearest))}
        assert symbol in choices
        # 1e-4: thresholds are float32
        assert cost(r, symbol, index, distortion) <= min(cost(r, c, index, distortion) for c in choices) + 1e-4


def test_a_value_just_past_one_half_is_not_worth_a_dear_symbol() -> None:
    table = np.full(4, 12, np.uint8)  # scale 0.48: a one costs 3 bits more than a zero
    assert thrifty(np.array([0.55, -0.55, 0.95, 0.0], np.float32), table, 8.0).tolist() == [0, 0, 1, 0]


def test_large_symbols_are_rounded_to_the_nearest() -> None:
    residual = np.array([40.4, -40.6], np.float32)
    assert thrifty(residual, np.full(2, 50, np.uint8), 2.0).tolist() == [40, -41]
