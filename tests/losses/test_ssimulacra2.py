"""SSIMULACRA 2 as a loss gives the scores of the package, and gradients that lead to the original."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from regio.losses.ssimulacra2 import ssimulacra2, ssimulacra2_loss

PORTRAIT = Path(__file__).parents[2] / "docs" / "images" / "portrait.jpg"
SIZES = ((264, 270), (256, 256), (97, 61), (128, 40), (9, 33))  # of the small ones the package leaves scales out


def pair(number: int) -> tuple[Image.Image, Image.Image]:
    """A crop of a photograph or coloured noise, and a version of it: JPEG, WebP, blur, other colours or noise."""
    rng = np.random.default_rng(number)
    width, height = SIZES[number % len(SIZES)]
    with Image.open(PORTRAIT) as photo:
        left, top = int(rng.integers(photo.width - width + 1)), int(rng.integers(photo.height - height + 1))
        original = photo.convert("RGB").crop((left, top, left + width, top + height))
    if number % 7 == 3:
        original = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))
    kind, pixels = number // 5 % 5, np.asarray(original).astype(float)
    if kind < 2:
        file = io.BytesIO()
        original.save(file, ("JPEG", "WEBP")[kind], quality=int(rng.integers(3, 96)))
        return original, Image.open(file).convert("RGB")
    if kind == 2:
        return original, original.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 3))))
    changed = (
        pixels * rng.uniform(0.7, 1.2, 3) if kind == 3 else pixels + rng.normal(0, rng.uniform(1, 40), pixels.shape)
    )
    return original, Image.fromarray(changed.clip(0, 255).astype(np.uint8))


def tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255


def by_the_package(*pictures: Image.Image) -> float:
    package = pytest.importorskip("ssimulacra2")
    files = [io.BytesIO() for _ in pictures]
    for file, picture in zip(files, pictures, strict=True):
        picture.save(file, "PNG")
    return float(package.compute_ssimulacra2(*files))


@pytest.mark.parametrize(
    "number",
    [0, 8, 10, 17, 24, *(pytest.param(n, marks=pytest.mark.slow) for n in range(50) if n not in (0, 8, 10, 17, 24))],
)
def test_scores_are_those_of_the_package(number: int) -> None:
    original, version = pair(number)
    wanted = by_the_package(original, version)
    # what is added under the root of the score, 1e-7, takes 4e-4 points
    assert ssimulacra2(tensor(original).double(), tensor(version).double()).item() == pytest.approx(wanted, abs=1e-3)
    # float32 cancels in variances, most where a score is high
    assert ssimulacra2(tensor(original), tensor(version)).item() == pytest.approx(wanted, abs=0.05)


def test_equal_pictures_score_100_and_their_gradient_is_finite() -> None:
    x = tensor(pair(0)[0])
    x_hat = x.clone().requires_grad_()
    loss = ssimulacra2_loss(x, x_hat)
    loss.sum().backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert x_hat.grad is not None
    assert x_hat.grad.isfinite().all()


def test_samples_of_a_batch_have_scores_of_their_own() -> None:
    first, second = pair(0), pair(35)
    size = (96, 80)
    x, x_hat = (torch.cat([tensor(a.resize(size)), tensor(b.resize(size))]) for a, b in zip(first, second, strict=True))
    alone = torch.cat([ssimulacra2(x[n : n + 1], x_hat[n : n + 1]) for n in range(2)])
    assert torch.allclose(ssimulacra2(x, x_hat), alone, atol=1e-3)
    assert abs(float(alone[0] - alone[1])) > 1


def test_descent_raises_the_score() -> None:
    original, version = (tensor(picture) for picture in pair(1))
    x_hat = version.clone().requires_grad_()
    optimizer = torch.optim.Adam([x_hat], lr=2e-3)
    before = ssimulacra2(original, version).item()
    for _ in range(12):
        optimizer.zero_grad()
        ssimulacra2_loss(original, x_hat).sum().backward()
        optimizer.step()
    assert ssimulacra2(original, x_hat.detach()).item() > before + 5


def test_pictures_without_a_scale_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 pixels a side"):
        ssimulacra2(torch.zeros(1, 3, 7, 20), torch.zeros(1, 3, 7, 20))
