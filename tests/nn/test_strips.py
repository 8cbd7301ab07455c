"""Large maps in strips: the same values as in one piece."""

import pytest
import torch
from torch import Tensor, nn

from regio.nn import strips as module
from regio.nn.attention import ResidualUnit, ShiftedWindowAttention, WindowAttentionModule
from regio.nn.regional import GridRegions, RegionAdaptiveTransform, ScaleAffine, made_filter, region_filter
from regio.nn.strips import by_strips, strips


@pytest.fixture
def small_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRIP", 300)
    monkeypatch.setattr("regio.nn.regional.STRIP", 300)


@pytest.mark.usefixtures("small_strips")
def test_strips_cover_each_row_once_in_whole_multiples() -> None:
    with torch.no_grad():
        found = list(strips(torch.zeros(1, 4, 30, 8), multiple=4))
    assert [(rows.start, rows.stop) for rows in found] == [(k, min(k + 8, 30)) for k in range(0, 30, 8)]
    assert list(strips(torch.zeros(1, 4, 30, 8))) == [slice(0, 30)]  # gradients are wanted


@pytest.mark.usefixtures("small_strips")
def test_a_map_may_be_replaced_by_the_result() -> None:
    x = torch.randn(2, 3, 40, 5)
    with torch.no_grad():
        expected, given = x.exp(), x.clone()
        assert torch.equal(by_strips(torch.exp, given), expected)
        assert torch.equal(given, x)
        assert by_strips(torch.exp, given, into=given) is given
    assert torch.equal(given, expected)


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize(
    "part",
    [ResidualUnit(8), ShiftedWindowAttention(8, 4, heads=2), WindowAttentionModule(8, 4, heads=2), ScaleAffine(8)],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("batch", [1, 2])
def test_parts_give_in_strips_what_they_give_in_one_piece(part: nn.Module, batch: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(batch, 8, 24, 12)
    whole = part(x)  # with gradients: one piece
    with torch.no_grad():
        in_strips: Tensor = part(x)
    assert (whole - in_strips).abs().max() < 1e-5


@pytest.mark.usefixtures("small_strips")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_made_filter_is_the_filter_by_made_kernels(layout: torch.memory_format, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    make = nn.Conv2d(5, 5 * 9, 3, padding=1, groups=5).to(dtype)
    x, hidden = (torch.randn(2, 5, 7, 9, dtype=dtype).contiguous(memory_format=layout) for _ in range(2))
    with torch.no_grad():
        assert (made_filter(x, hidden, make) - region_filter(x, make(hidden))).abs().max() < 1e-5


def test_a_transform_gives_the_same_with_and_without_gradients() -> None:
    torch.manual_seed(0)
    part, regions = RegionAdaptiveTransform(6), GridRegions(2)
    x, prototypes = torch.randn(2, 6, 9, 8), torch.randn(2, 6, 2, 2)
    with torch.no_grad():
        without = part(x, prototypes, regions)
    assert (part(x, prototypes, regions) - without).abs().max() < 1e-5
