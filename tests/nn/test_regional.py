"""The regional layers against slow versions written straight from their definitions."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from regio.nn.regional import (
    GridRegions,
    LabelRegions,
    PrototypeCoder,
    RegionAdaptiveTransform,
    Regions,
    ScaleAffine,
    region_filter,
)


def unfolded_filter(x: Tensor, kernels: Tensor, k: int) -> Tensor:
    """What region_filter must equal: build the k*k times larger input, multiply, sum."""
    batch, channels, height, width = x.shape
    taps = F.unfold(x, k, padding=k // 2).view(batch, channels, k * k, height, width)
    return (taps * kernels.view(batch, channels, k * k, height, width)).sum(2)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_region_filter_equals_unfold_and_multiply(k: int) -> None:
    torch.manual_seed(0)
    x, kernels = torch.randn(2, 3, 6, 7).double(), torch.randn(2, 3 * k * k, 6, 7).double()
    torch.testing.assert_close(region_filter(x, kernels), unfolded_filter(x, kernels, k))


def test_channels_last_features_and_kernels_give_the_same() -> None:
    torch.manual_seed(0)
    x, kernels = torch.randn(2, 3, 6, 7), torch.randn(2, 27, 6, 7)
    want = region_filter(x, kernels)
    last = torch.channels_last
    assert torch.equal(region_filter(x.contiguous(memory_format=last), kernels.contiguous(memory_format=last)), want)


def test_tap_zero_reads_the_pixel_above_to_the_left() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    kernels = torch.zeros(1, 9, 3, 4)
    kernels[:, 0] = 1
    assert region_filter(x, kernels).tolist() == [[[[0, 0, 0, 0], [0, 0, 1, 2], [0, 4, 5, 6]]]]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("wanted", [(True, True), (True, False), (False, True)])
def test_region_filter_has_the_right_gradients(k: int, wanted: tuple[bool, bool]) -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=wanted[0])
    kernels = torch.randn(2, 2 * k * k, 3, 4, dtype=torch.float64, requires_grad=wanted[1])
    assert torch.autograd.gradcheck(region_filter, (x, kernels))


def test_region_filter_keeps_only_its_two_inputs_for_the_backward_pass() -> None:
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    kernels = torch.randn(1, 36, 8, 8, requires_grad=True)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        region_filter(x, kernels)
    assert sorted(t.data_ptr() for t in kept) == sorted([x.data_ptr(), kernels.data_ptr()])


def test_region_filter_accumulates_half_precision_in_float32() -> None:
    torch.manual_seed(2)
    x, kernels = torch.randn(1, 4, 6, 6).bfloat16(), torch.randn(1, 36, 6, 6).bfloat16()
    exact = unfolded_filter(x.float(), kernels.float(), 3)
    assert torch.equal(region_filter(x, kernels), exact.bfloat16())  # a single rounding, at the end


@pytest.mark.parametrize(
    "shape", [(1, 18, 4, 4), (1, 16, 4, 4), (1, 8, 4, 4), (2, 36, 4, 4), (1, 36, 4, 5), (1, 3, 4, 4)]
)
def test_kernels_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not filter"):
        region_filter(torch.zeros(1, 4, 4, 4), torch.zeros(shape))


def test_grid_pools_the_mean_of_each_cell() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert GridRegions(2).pool(x).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


@pytest.mark.parametrize("size", [(8, 12), (7, 5), (3, 1)])
@pytest.mark.parametrize("grid", [1, 3, 4])
def test_grid_spreads_by_floor_of_position_times_grid_over_side(size: tuple[int, int], grid: int) -> None:
    prototypes = torch.randn(2, 3, grid, grid)
    got = GridRegions(grid).spread(prototypes, size)
    for row in range(size[0]):
        for column in range(size[1]):
            cell = prototypes[:, :, row * grid // size[0], column * grid // size[1]]
            assert torch.equal(got[:, :, row, column], cell)


def test_a_grid_without_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="grid=0"):
        GridRegions(0)


def test_labels_keep_the_top_left_pixel_of_each_block() -> None:
    labels = torch.arange(64).view(1, 8, 8)
    assert LabelRegions(labels).at((2, 2)).tolist() == [[[0, 4], [32, 36]]]


def test_label_pooling_and_spreading_follow_each_region() -> None:
    torch.manual_seed(3)
    labels = torch.randint(0, 5, (2, 12, 8))
    labels[0].clamp_(max=2)  # the first picture has fewer regions than the batch
    regions, features = LabelRegions(labels), torch.randn(2, 3, 6, 4)
    pooled = regions.pool(features)
    spread = regions.spread(pooled, (6, 4))
    assert regions.size == (5, 1)
    assert pooled.shape == (2, 3, 5, 1)
    for b in range(2):
        small = labels[b, ::2, ::2]
        for r in range(5):
            inside = features[b][:, small == r]
            torch.testing.assert_close(pooled[b, :, r, 0], inside.sum(1) / (inside.shape[1] + 0.0005))
        for row in range(6):
            for column in range(4):
                assert torch.equal(spread[b, :, row, column], pooled[b, :, small[row, column], 0])


def test_regions_beyond_a_pictures_highest_label_are_absent() -> None:
    labels = torch.zeros(2, 4, 4, dtype=torch.int64)
    labels[0, 2, 2] = 2  # id 1 has no pixel, but lies below the highest id
    labels[1, 1, 1] = 3  # lost at half size
    regions = LabelRegions(labels)
    assert regions.present((4, 4))[..., 0].tolist() == [[True, True, True, False], [True] * 4]
    assert regions.present((2, 2))[..., 0].tolist() == [[True, True, True, False], [True, False, False, False]]


@pytest.mark.parametrize("labels", [torch.zeros(4, 4).long(), torch.zeros(1, 4, 4), torch.full((1, 4, 4), -1)])
def test_what_is_no_label_map_is_refused(labels: Tensor) -> None:
    with pytest.raises(ValueError, match="labels must be"):
        LabelRegions(labels)


def test_pooling_labels_is_differentiable_and_precise_under_autocast() -> None:
    regions = LabelRegions(torch.zeros(1, 64, 64, dtype=torch.int64))
    features = torch.full((1, 1, 64, 64), 1.0, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        pooled = regions.pool(features)  # a bfloat16 sum would stop at 256
    assert pooled.item() == 1.0
    pooled.sum().backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad.float().sum().item(), 1.0, atol=1e-2, rtol=0)


def test_scale_affine_is_x_times_one_plus_s_plus_b() -> None:
    torch.manual_seed(4)
    layer, x = ScaleAffine(4, hidden=6), torch.randn(2, 4, 3, 3)
    for column in x.permute(0, 2, 3, 1).reshape(-1, 4):
        hidden = F.gelu(layer.inner.weight[:, :, 0, 0] @ column + layer.inner.bias)
        out = layer.outer.weight[:, :, 0, 0] @ hidden + layer.outer.bias
        want = column * (1 + out[:4]) + out[4:]
        torch.testing.assert_close(layer(column.view(1, 4, 1, 1)).flatten(), want)
    torch.testing.assert_close(ScaleAffine(4, zero_init=True)(x), x, atol=0, rtol=0)


def plain_transform(rat: RegionAdaptiveTransform, x: Tensor, spread: Tensor) -> Tensor:
    """RAT from the paper's figure, with the concatenation and the unfolded input that the module avoids."""
    f = rat.embed[2](F.leaky_relu(rat.embed[0](x), 0.1))
    fused = F.conv2d(torch.cat([f, spread], 1), torch.cat([rat.mix.weight, rat.steer.weight], 1), rat.mix.bias)
    hidden = F.leaky_relu(rat.kernels[1](F.leaky_relu(fused, 0.1)), 0.1)
    d = unfolded_filter(f, rat.kernels[3](hidden), 3)
    mean = d.mean((2, 3), keepdim=True)
    gate = torch.sigmoid(rat.gate[3](F.leaky_relu(rat.gate[1](mean), 0.1)))
    return x + rat.project(d * gate)


@pytest.mark.parametrize("regions", [GridRegions(2), LabelRegions(torch.arange(96).view(1, 8, 12) % 7)])
@pytest.mark.parametrize("inner", [None, 3])
def test_region_adaptive_transform_matches_the_figure(regions: Regions, inner: int | None) -> None:
    torch.manual_seed(5)
    rat = RegionAdaptiveTransform(6, prototype_channels=4, inner=inner)
    x, prototypes = torch.randn(1, 6, 4, 6), torch.randn(1, 4, *regions.size)
    want = plain_transform(rat, x, regions.spread(prototypes, (4, 6)))
    torch.testing.assert_close(rat(x, prototypes, regions), want)


def test_a_zero_initialised_transform_is_the_identity_and_still_learns() -> None:
    rat, x = RegionAdaptiveTransform(4, zero_init=True), torch.randn(1, 4, 5, 5)
    y = rat(x, torch.randn(1, 4, 2, 2), GridRegions(2))
    assert torch.equal(y, x)
    y.sum().backward()
    assert rat.project.weight.grad is not None
    assert rat.project.weight.grad.abs().sum() > 0


def test_region_adaptive_transform_trains_under_bfloat16_autocast() -> None:
    rat, x = RegionAdaptiveTransform(4), torch.randn(1, 4, 6, 6, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = rat(x, torch.randn(1, 4, 3, 3), GridRegions(3))
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in rat.parameters())


def test_prototype_coder_treats_every_region_alike_and_follows_its_channels() -> None:
    torch.manual_seed(6)
    coder = PrototypeCoder((6, 4, 3, 2), (2, 4, 5, 6))
    prototypes = torch.randn(1, 6, 2, 3)
    codes = coder.encode(prototypes)
    back = coder.decode(codes)
    assert codes.shape == (1, 2, 2, 3)
    assert back.shape == (1, 6, 2, 3)
    alone = coder.decode(coder.encode(prototypes[:, :, 1:, 2:]))
    torch.testing.assert_close(alone, back[:, :, 1:, 2:])
    divide, multiply = coder.analysis[1], coder.synthesis[1]
    assert (divide.inverse, multiply.inverse) == (False, True)
    assert [m.out_channels for m in PrototypeCoder((6, 4, 2)).synthesis if hasattr(m, "out_channels")] == [4, 6]
