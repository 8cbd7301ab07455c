"""The integer tables: what they promise, and that every machine makes the same."""

import hashlib
import math

import numpy as np
import pytest
import torch
from toy_codec import code_of_page

from regio.entropy import FactorizedPrior, FactorizedTables, level_to_scale, scale_to_level
from regio.entropy.tables import LEVELS, SCALE_MAX, SCALE_MIN, gaussian_tables, integer_counts

# Of all counts as little-endian 32-bit numbers. A platform where this test fails would write files that others cannot
# read, and a release that changes it cannot read the files of any other.
TABLES_HASH = "f735b0cf8919e898e999032f1fc1641298f25e0a4b403dcf292cb12c969e562e"


def fresh_prior() -> FactorizedPrior:
    torch.manual_seed(0)
    return FactorizedPrior(8, 2.0)


def test_the_tables_are_the_same_to_the_last_count_everywhere() -> None:
    digest = hashlib.sha256()
    for table in gaussian_tables():
        digest.update(table.counts.astype("<i4").tobytes())
    assert digest.hexdigest() == TABLES_HASH


def test_the_tables_are_those_of_the_specification() -> None:
    specified = code_of_page()["gaussian_table"]
    for level, table in enumerate(gaussian_tables()):
        assert specified(level) == (-table.reach, table.counts.tolist())


def test_every_table_sums_to_two_to_the_24_and_leaves_no_symbol_out() -> None:
    assert len(gaussian_tables()) == LEVELS
    for table in gaussian_tables():
        assert len(table.counts) == 2 * table.reach + 2
        assert table.counts.sum() == 2**24
        assert table.counts.min() >= 1


def test_every_table_is_symmetric_and_falls_from_its_middle() -> None:
    for table in gaussian_tables():
        symbols = table.counts[:-1]
        assert (symbols == symbols[::-1]).all()
        assert (np.diff(symbols[table.reach + 1 :]) <= 0).all()
        # the middle takes what rounding leaves over, half a count for each symbol at most
        assert symbols[table.reach] >= symbols[table.reach + 1] - len(symbols) / 2


def test_tables_widen_with_their_level() -> None:
    reaches = [table.reach for table in gaussian_tables()]
    peaks = [table.counts.max() for table in gaussian_tables()]
    assert reaches == sorted(reaches)
    assert peaks == sorted(peaks, reverse=True)


def test_counts_are_the_integrals_of_the_normal_distribution() -> None:
    for level, table in enumerate(gaussian_tables()):
        scale = SCALE_MIN * (SCALE_MAX / SCALE_MIN) ** (level / (LEVELS - 1))
        for symbol in {0, 1, table.reach // 2, table.reach}:
            edges = ((symbol - 0.5) / scale, (symbol + 0.5) / scale)
            exact = 0.5 * (math.erfc(edges[0] / math.sqrt(2)) - math.erfc(edges[1] / math.sqrt(2)))
            # 1 for rounding; 2**-16 of everything goes to the escape, and the middle takes what rounding leaves over
            allowed = 1 + exact * 2**24 * 2**-15 + (len(table.counts) if symbol == 0 else 0)
            assert abs(table.counts[table.reach + symbol] - exact * 2**24) <= allowed


def test_levels_are_logarithmic_and_run_from_the_least_scale_to_the_greatest() -> None:
    ends = scale_to_level(torch.tensor([SCALE_MIN, SCALE_MAX], dtype=torch.float64))
    assert ends.tolist() == pytest.approx([0, LEVELS - 1], abs=1e-12)
    levels = torch.linspace(-3, 70, 50, dtype=torch.float64)
    assert torch.allclose(scale_to_level(level_to_scale(levels)), levels, atol=1e-12)


def test_the_remainder_of_rounding_goes_where_it_costs_least() -> None:
    assert integer_counts(np.array([0.25, 0.5, 0.25])).tolist() == [2**22, 2**23, 2**22]
    assert integer_counts(np.array([0.0, 1.0, 0.0])).tolist() == [1, 2**24 - 2, 1]
    thirds = integer_counts(np.full(3, 1 / 3))
    assert thirds.tolist() == [5592406, 5592405, 5592405]


def test_too_many_symbols_for_a_table_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        integer_counts(np.full(2**24 + 1, 2.0**-24))


def test_tables_of_a_learned_prior_are_those_of_its_likelihoods() -> None:
    torch.manual_seed(3)
    prior = FactorizedPrior(4, init_scale=3.0)
    tables = prior.tables()
    for channel in range(4):
        lowest, counts = tables.channel(channel)
        assert counts.sum() == 2**24
        symbols = torch.arange(lowest, lowest + len(counts) - 1).float()
        values = symbols + prior.medians().view(-1)[channel]
        likelihood = 2 ** -prior.bits(values.view(1, 1, 1, -1).expand(1, 4, 1, -1))[0, channel, 0]
        # float32 likelihoods; 2**-16 for escapes
        assert counts[:-1] / 2**24 == pytest.approx(likelihood.detach().numpy(), rel=1e-3, abs=1e-6)
        assert counts[-1] <= 2**24 * 2**-15  # hardly anything is left for escapes


def test_tables_survive_being_stored() -> None:
    tables = fresh_prior().tables()
    again = FactorizedTables.from_arrays(tables.arrays())
    for channel in range(len(tables.lengths)):
        assert again.channel(channel)[0] == tables.channel(channel)[0]
        assert (again.channel(channel)[1] == tables.channel(channel)[1]).all()


DAMAGE = {
    "a count of zero": ("counts", 0, 0, "inconsistent"),
    "a count too high": ("counts", 0, 2**24, "does not sum"),
    "a table of one entry": ("lengths", 0, 1, "inconsistent"),
    "a table of more entries than there are": ("lengths", 0, 10**6, "inconsistent"),
    "a negative length": ("lengths", 0, -1, "inconsistent"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_numbers_that_are_no_tables_are_refused(name: str) -> None:
    key, at, value, message = DAMAGE[name]
    arrays = {name: numbers.copy() for name, numbers in fresh_prior().tables().arrays().items()}
    arrays[key][at] = value
    with pytest.raises(ValueError, match=message):
        FactorizedTables.from_arrays(arrays)
