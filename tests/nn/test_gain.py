"""Layers that know the rate."""

import pytest
import torch

from regio.format.header import MAX_RATE
from regio.nn.gain import RATE_STEPS, GainUnit, RateAffine, RateTable, rate_step

UNIT = 2.0**-12


def test_networks_know_the_rate_steps_of_files() -> None:
    assert RATE_STEPS == MAX_RATE == 4000


def test_a_rate_of_the_file_is_the_same_whole_step_in_any_precision() -> None:
    steps = torch.arange(RATE_STEPS + 1)
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(rate_step(steps.to(dtype) / RATE_STEPS), steps)


def test_a_table_passes_through_its_points_and_is_straight_between_them() -> None:
    table = RateTable(torch.tensor([[0.0, 1.0], [4.0, 1.0], [4.0, -1.0]]))
    values = table(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))[:, :, 0, 0]
    assert values.tolist() == [[0, 1], [2, 1], [4, 1], [4, 0], [4, -1]]


def test_the_exact_table_is_the_trained_one_up_to_its_unit() -> None:
    torch.manual_seed(0)
    table = RateTable(torch.randn(9, 5) * 3)
    steps = torch.arange(0, RATE_STEPS + 1, 37)
    exact = table.exact(steps, UNIT)
    assert torch.equal(exact / UNIT, torch.round(exact / UNIT))
    # half a unit from rounding points, up to one from rounding down between them
    assert (exact - table(steps / RATE_STEPS)).abs().max() <= 1.5 * UNIT + 1e-5


def test_the_exact_table_rounds_down_between_points_below_zero_too() -> None:
    table = RateTable(torch.tensor([[-1.0], [0.0]]) * UNIT)
    assert (table.exact(torch.tensor([0, 1, 3999, 4000]), UNIT) / UNIT).flatten().tolist() == [-1, -1, -1, 0]


@pytest.mark.parametrize("points", [torch.zeros(1, 3), torch.zeros(8, 3), torch.zeros(3)])
def test_points_that_do_not_divide_the_steps_are_refused(points: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="must divide 4000"):
        RateTable(points)


def test_gains_between_two_points_are_their_geometric_mean() -> None:
    gain = GainUnit(torch.tensor([[-1.0], [3.0]]))
    y = torch.ones(3, 1, 2, 2)
    scaled = gain.scale(y, torch.tensor([0.0, 0.5, 1.0]))
    assert scaled[:, 0, 0, 0].tolist() == [0.5, 2.0, 8.0]


def test_fresh_gains_undo_each_other() -> None:
    gain = GainUnit(torch.tensor([[-1.6, 0.2], [2.3, 0.1], [2.5, 0.0]]))
    y, rate = torch.randn(4, 2, 3, 3), torch.tensor([0.0, 0.3, 0.77, 1.0])
    assert torch.allclose(gain.unscale(gain.scale(y, rate), rate), y, atol=1e-6)


def test_each_picture_of_a_batch_has_its_own_rate() -> None:
    gain = GainUnit(torch.tensor([[0.0], [1.0]]))
    y = torch.randn(2, 1, 2, 2)
    together = gain.scale(y, torch.tensor([0.25, 1.0]))
    assert torch.equal(together[1:], gain.scale(y[1:], torch.tensor([1.0])))


def test_a_fresh_affine_is_the_identity_and_learns() -> None:
    affine = RateAffine(3, points=5)
    x, rate = torch.randn(2, 3, 4, 4), torch.tensor([0.2, 0.9])
    out = affine(x, rate)
    assert torch.equal(out, x)
    out.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in affine.parameters())


def test_a_rate_map_steers_each_place_as_a_picture_of_that_rate_is_steered() -> None:
    torch.manual_seed(1)
    unit, affine = GainUnit(torch.randn(5, 3)), RateAffine(3, points=5)
    torch.nn.init.normal_(affine.scale.points)
    torch.nn.init.normal_(affine.shift.points)
    y, rates = torch.randn(1, 3, 4, 8), torch.tensor([[0.1, 0.9]])[None, None]
    for layer in (unit.scale, unit.unscale, affine):
        whole = layer(y, rates)
        for half, rate in ((slice(0, 4), 0.1), (slice(4, 8), 0.9)):
            assert torch.equal(whole[..., half], layer(y[..., half], torch.tensor([rate])))


def test_a_map_of_exact_steps_is_exact_everywhere() -> None:
    table = RateTable(torch.randn(9, 5) * 3)
    steps = torch.tensor([[0, 17], [2001, 4000]])
    found = table.exact(steps[None, None], UNIT)
    for row in range(2):
        for column in range(2):
            assert torch.equal(found[0, :, row, column], table.exact(steps[row, column, None], UNIT)[0, :, 0, 0])
