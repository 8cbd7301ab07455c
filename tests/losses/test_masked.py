"""The distortion of MCM against its terms taken one by one."""

import pytest
import torch
from pytorch_msssim import ssim

from regio.losses.masked import mixed_distortion


def test_every_term_counts_as_much_as_its_weight() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 32, 32)
    y = (x + 0.1 * torch.randn_like(x)).requires_grad_()
    l1 = (x - y).abs().mean(dim=(1, 2, 3))
    structure = 1 - ssim(x, y, data_range=1.0, size_average=False)

    def features(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).square().sum(dim=(1, 2, 3))

    want = 10 * l1 + 0.25 * structure + 0.1 * features(x, y)
    found = mixed_distortion(x, y, (10.0, 0.25, 0.1), features)
    assert torch.allclose(found, want, atol=1e-6)
    found.sum().backward()
    assert y.grad is not None
    assert bool(y.grad.isfinite().all())


def test_equal_pictures_cost_nothing() -> None:
    x = torch.rand(1, 3, 32, 32)
    assert float(mixed_distortion(x, x.clone(), (10.0, 0.25, 0.1))) == pytest.approx(0, abs=1e-6)
