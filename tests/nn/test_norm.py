"""GDN against its formula, written out channel by channel."""

import pytest
import torch

from regio.nn.norm import GDN, lower_bound


def stored(layer: GDN) -> tuple[torch.Tensor, torch.Tensor]:
    """beta and gamma as the formula uses them."""
    return layer.beta.double() ** 2 - 2.0**-36, layer.gamma.double() ** 2 - 2.0**-36


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_divides_by_the_root_of_the_weighted_energy(inverse: bool) -> None:
    torch.manual_seed(1)
    layer = GDN(3, inverse).double()
    with torch.no_grad():
        layer.gamma.add_(0.3 * torch.rand(3, 3))
        layer.beta.add_(torch.rand(3))
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    beta, gamma = stored(layer)
    want = torch.empty_like(x)
    for c in range(3):
        energy = beta[c] + sum(gamma[c, k] * x[:, k] ** 2 for k in range(3))
        want[:, c] = x[:, c] * energy**0.5 if inverse else x[:, c] / energy**0.5
    torch.testing.assert_close(layer(x), want)


def test_fresh_gdn_has_beta_one_and_a_tenth_on_the_diagonal() -> None:
    beta, gamma = stored(GDN(4))
    torch.testing.assert_close(beta, torch.ones(4, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(gamma, 0.1 * torch.eye(4, dtype=torch.float64), atol=1e-6, rtol=0)


def test_parameters_below_their_floor_act_as_the_floor() -> None:
    layer = GDN(2)
    with torch.no_grad():
        layer.beta.fill_(-3.0)
        layer.gamma.fill_(-1.0)
    x = torch.ones(1, 2, 1, 1)
    torch.testing.assert_close(layer(x), torch.full_like(x, 1e-6**-0.5), rtol=1e-4, atol=0)


def test_lower_bound_lets_only_lifting_gradients_through_below_the_bound() -> None:
    x = torch.tensor([-1.0, -1.0, 2.0, 2.0], requires_grad=True)
    (lower_bound(x, 0.5) * torch.tensor([-3.0, 3.0, -3.0, 3.0])).sum().backward()
    assert lower_bound(x, 0.5).tolist() == [0.5, 0.5, 2.0, 2.0]
    assert x.grad is not None
    assert x.grad.tolist() == [-3.0, 0.0, -3.0, 3.0]
