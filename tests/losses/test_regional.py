"""Distortion that knows where people look, Eq. 2 to 5 of the ROI codec."""

import pytest
import torch
from torch import nn

from regio.losses.regional import BackgroundDistortion, colour_distortion, on_latents, roi_distortion, smooth


def dice(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_a_border_ramps_over_the_box() -> None:
    mask = torch.zeros(1, 1, 5, 200)
    mask[..., 100:] = 1
    soft = smooth(mask)[0, 0, 2]
    assert soft[100].item() == pytest.approx(26 / 51)  # a box of 51 around it, 26 columns of it inside
    assert soft[99].item() == pytest.approx(25 / 51)
    assert (soft[:75].max(), soft[125:].min()) == (0, 1)
    torch.testing.assert_close(soft[75:126].diff(), torch.full((50,), 1 / 51))


def test_smoothing_keeps_what_is_flat_and_never_leaves_the_range() -> None:
    torch.testing.assert_close(smooth(torch.full((1, 1, 60, 70), 0.3)), torch.full((1, 1, 60, 70), 0.3))
    soft = smooth((dice(1, 1, 90, 80) > 0.7).float())
    assert soft.min() >= 0
    assert soft.max() <= 1
    box = (dice(1, 1, 90, 80) > 0.7).float()[0, 0, 20:71, 10:61].mean()
    torch.testing.assert_close(soft[0, 0, 45, 35], box)


def test_the_mask_is_pooled_to_the_latents() -> None:
    mask = torch.zeros(1, 1, 32, 48)
    mask[..., :16, 16:40] = 1
    assert on_latents(mask)[0, 0].tolist() == [[0, 1, 0.5], [0, 0, 0]]


def test_an_error_counts_where_the_mask_says() -> None:
    x, x_hat = torch.zeros(2, 3, 4, 8), torch.zeros(2, 3, 4, 8)
    x_hat[0, :, :, :4] = 0.5
    x_hat[1, :, :, 4:] = 0.5
    mask = torch.zeros(2, 1, 4, 8)
    mask[..., :4] = 1
    assert roi_distortion(x, x_hat, mask).tolist() == [0.125, 0]


def test_the_background_is_judged_by_structure_and_by_a_network() -> None:
    class Distance(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (x - y).abs().mean(dim=(1, 2, 3))

    x = dice(2, 3, 32, 32)
    alone, both = BackgroundDistortion(None), BackgroundDistortion(Distance(), 0.5)
    assert both(x, x)[0].abs().max() < 1e-5
    blurred = x.mean(dim=(2, 3), keepdim=True).expand_as(x)
    structure, _ = alone(x, blurred)
    total, distance = both(x, blurred)
    torch.testing.assert_close(total, structure + 0.5 * distance)
    assert structure.min() > 0.5


def test_the_network_may_look_at_a_part() -> None:
    class Seen(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            assert x.shape == y.shape == (1, 3, 16, 16)
            return x.mean(dim=(1, 2, 3))

    torch.manual_seed(0)
    x, judged = dice(1, 3, 32, 48), BackgroundDistortion(Seen(), 1.0, look=16)
    assert len({float(judged(x, x)[1]) for _ in range(8)}) > 1


def test_the_tone_of_large_areas_counts_and_texture_does_not() -> None:
    x, texture = dice(2, 3, 64, 48), torch.ones(2, 3, 64, 48)
    texture[..., ::2] = -1
    assert colour_distortion(x, x + 0.1).tolist() == pytest.approx([0.01, 0.01], rel=1e-4)
    assert colour_distortion(x, x + 0.1 * texture).tolist() == pytest.approx([0, 0], abs=1e-10)


def test_d_roi_may_be_an_absolute_error() -> None:
    x, x_hat = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    x_hat[..., 0] = 10 / 255
    mask = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    on_bytes = 255**2 * roi_distortion(x, x_hat, mask, "l1")
    torch.testing.assert_close(on_bytes, torch.tensor([2.5]))  # 10 at one place of four
    torch.testing.assert_close(255**2 * roi_distortion(x, x_hat, mask), torch.tensor([25.0]))
