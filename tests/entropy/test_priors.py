"""The factorised prior: its likelihoods are a distribution, and its table says the same."""

import torch
from toy_codec import toy_net

from regio.entropy import FactorizedPrior


def test_likelihoods_of_all_symbols_sum_to_one() -> None:
    torch.manual_seed(0)
    prior = FactorizedPrior(3, init_scale=2.0)
    symbols = torch.arange(-400, 401).float().expand(1, 3, 1, -1) + prior.medians()
    total = (2 ** -prior.bits(symbols)).sum(dim=(0, 2, 3))
    assert torch.allclose(total, torch.ones(3), atol=1e-4)  # 801 likelihoods in float32, each at least 1e-9


def test_symbols_count_from_the_median() -> None:
    prior = FactorizedPrior(2)
    with torch.no_grad():
        prior.quantiles[:, 0, 1] = torch.tensor([0.25, -3.5])
    values = torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)
    assert prior.round(values).flatten().tolist() == [1.0, 4.0]  # round(0.75), round(4.5): halves to even


def test_a_learned_median_splits_its_density_in_halves() -> None:
    torch.manual_seed(0)
    prior = FactorizedPrior(2, init_scale=2.0)
    step = torch.optim.Adam([prior.quantiles], lr=0.05)
    for _ in range(600):
        step.zero_grad()
        prior.quantile_loss().backward()
        step.step()
    below = torch.sigmoid(prior._logits(prior.quantiles[:, :, 1:2])).flatten()
    assert torch.allclose(below, torch.full((2,), 0.5), atol=0.02)  # the last steps of Adam go to and fro


def test_the_loss_of_quantiles_moves_nothing_else() -> None:
    prior = FactorizedPrior(2)
    prior.quantile_loss().backward()
    moved = {name for name, parameter in prior.named_parameters() if parameter.grad is not None}
    assert moved == {"quantiles"}


def test_a_table_ends_where_hardly_anything_is_left_beyond_it() -> None:
    for prior in toy_net().priors().values():
        tables = prior.tables()
        for channel in range(len(tables.lengths)):
            lowest, counts = tables.channel(channel)
            assert lowest <= 0 <= lowest + len(counts) - 2  # the median has a symbol
            assert counts[-1] <= 2**24 * 2**-14
            assert counts.sum() == 2**24


def test_a_prior_far_too_wide_still_has_a_table() -> None:
    tables = FactorizedPrior(1, init_scale=1e5).tables()
    lowest, counts = tables.channel(0)
    assert (lowest, len(counts)) == (-1024, 2050)
    assert counts.sum() == 2**24
