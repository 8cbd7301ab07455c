"""Terms by name: their weights, the arithmetic of the plain ones, and what a recipe knows of them."""

from pathlib import Path

import pytest
import torch

from regio.losses.resolutions import multi_resolution_l1
from regio.losses.terms import OF_FEATURES, PLAIN, Terms, spread_of
from regio.training.recipe import TERMS


def pictures(size: int = 192) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.rand(2, 3, size, size)
    return x, x + 0.1 * torch.randn_like(x)


def test_recipes_know_every_term() -> None:
    assert (*PLAIN, *OF_FEATURES) == TERMS


def test_the_total_is_the_weighted_sum_and_gradients_flow_through_every_term(toy_weights: Path) -> None:
    x, x_hat = pictures()
    importance = torch.zeros(2, 1, 192, 192)
    weights = {name: 0.5 + place for place, name in enumerate(TERMS)}
    judged = Terms(weights, spread=8.0, judges=toy_weights)(x, x_hat.requires_grad_(), importance)
    assert judged.parts.keys() == weights.keys()
    assert all(float(part) > 0 for part in judged.parts.values())
    expected = sum(weights[name] * float(part) for name, part in judged.parts.items())
    assert float(judged.total.mean().detach()) == pytest.approx(expected, rel=1e-5)
    for name in TERMS:
        x_hat.grad = None
        Terms({name: 1.0}, spread=8.0, judges=toy_weights)(x, x_hat, importance).total.sum().backward()
        assert x_hat.grad is not None
        assert float(x_hat.grad.abs().sum()) > 0, name


def test_terms_of_weight_0_need_no_weights_of_networks(tmp_path: Path) -> None:
    terms = Terms({"l1": 1.0, "lpips": 0.0}, judges=tmp_path)
    assert terms.network is None
    assert terms(*pictures(64)).parts.keys() == {"l1"}


def test_features_of_a_part_are_those_of_that_part(toy_weights: Path) -> None:
    x, x_hat = pictures(64)
    terms = Terms({"lpips": 1.0}, look=64, judges=toy_weights)
    assert torch.equal(terms(x, x_hat).total, Terms({"lpips": 1.0}, judges=toy_weights)(x, x_hat).total)
    terms.look = 48
    assert not torch.equal(terms(x, x_hat).total, terms(x, x_hat).total)  # another part each time


def test_wasserstein_without_importance_is_refused(toy_weights: Path) -> None:
    with pytest.raises(ValueError, match="importance"):
        Terms({"wasserstein": 1.0}, judges=toy_weights)(*pictures(64))


def test_sigma_is_0_where_importance_is_1_and_grows_in_octaves() -> None:
    importance = torch.tensor([1.0, 0.75, 0.5, 0.0])
    assert spread_of(importance, 16.0).tolist() == pytest.approx([0, 2, 4, 16])
    assert spread_of(importance, 0.5).tolist() == [0, 0, 0, 0]


def test_absolute_errors_at_every_resolution_count_alike() -> None:
    x = torch.zeros(1, 3, 32, 32)
    tone = torch.full_like(x, 0.25)  # the same at all five resolutions
    assert multi_resolution_l1(x, tone).item() == pytest.approx(0.25)
    checks = 0.25 * (1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2)).expand_as(x)  # gone at the second
    assert multi_resolution_l1(x, checks).item() == pytest.approx(0.25 / 5)
    assert multi_resolution_l1(x[..., :3, :3], tone[..., :3, :3]).item() == pytest.approx(0.25)  # two resolutions
