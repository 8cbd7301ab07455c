"""One generation's numbers as the beginning of the next."""

import math

import pytest
import torch

from regio.models import SegPIC, SegPICConfig
from regio.models.adoption import FIRST_LAMBDAS, LAMBDAS


def test_the_second_generation_begins_with_the_transforms_of_the_first() -> None:
    torch.manual_seed(1)
    first, second = SegPIC(SegPICConfig.preset("toy")), SegPIC(SegPICConfig.preset("toy-2"))
    known = second.adopted(first.state_dict())
    fresh = second.state_dict()
    fitting = {name for name, value in known.items() if name in fresh and fresh[name].shape == value.shape}
    assert {"g_a1.down.mix.weight", "g_s1.stage.units.0.out.weight", "h_a.0.weight", "gain.log_gain.points"} <= fitting
    assert torch.equal(known["g_a2.down.mix.weight"], first.state_dict()["g_a2.down.mix.weight"])
    afresh = ("context.", "z_context.nets.", "regional.shallow_coder", "regional.deep_coder", "regional.shallow_prior")
    assert not any(name.startswith(afresh) or ".steer." in name for name in fitting)


def test_tables_over_the_rate_are_read_where_lambda_is_the_same() -> None:
    first, second = SegPIC(SegPICConfig.preset("toy")), SegPIC(SegPICConfig.preset("toy-2"))
    points = len(first.gain.log_gain.points)  # type: ignore[union-attr]
    (low, high), (least, most) = (tuple(math.log(end) for end in ends) for ends in (FIRST_LAMBDAS, LAMBDAS))
    state = first.state_dict()
    of_lambda = torch.linspace(low, high, points)[:, None].expand(points, 12)  # a table that holds log lambda itself
    known = second.adopted(state | {"gain.log_gain.points": of_lambda})
    expected = torch.linspace(least, most, points)
    assert known["gain.log_gain.points"][:, 0].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert known["levels.rate_first.table.points"].shape == state["levels.rate_first.points"].shape


def test_numbers_of_the_second_generation_come_back_as_they_are() -> None:
    second = SegPIC(SegPICConfig.preset("toy-2"))
    state = second.state_dict()
    assert second.adopted(state) is state
