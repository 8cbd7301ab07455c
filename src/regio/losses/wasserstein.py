"""Wasserstein distortion [Qiu2024]: exact in important places, by the statistics of texture elsewhere.

    features f of a classifier ─► means and deviations over a window of σ pixels around each place
    distortion = mean over places of (mean − mean')² + (deviation − deviation')²

σ is a map: at 0 the window is one place and features must agree one by one; where it is large, any texture of the same
statistics is as good. The features are those of LPIPS, at unit length and weighted by its heads, so that with σ = 0
everywhere the distortion is LPIPS [Zhang2018].

Departures: [Balle2025] takes VGG-16 and plain features; our windows are pyramids of a binomial blur, as theirs.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.losses.perceptual import Lpips
from regio.losses.windows import filter_matrix

OCTAVES = 5  # of windows: up to 32 places of a layer
_LEAST = 1e-6  # of a variance of unit features, under the root


class Wasserstein(nn.Module):
    """Wasserstein distortion on the layers of an LPIPS network."""

    def __init__(self, network: Lpips) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, x_hat: Tensor, sigma: Tensor) -> Tensor:
        """Pictures (B,3,H,W) in [0,1], sigma (B,1,H,W) in pixels, 0 and more -> distortion (B,)."""
        with torch.no_grad():
            theirs = self.network.features(x)
        return self.distance(theirs, self.network.features(x_hat), sigma, x.shape[2])

    def distance(self, x: list[Tensor], x_hat: list[Tensor], sigma: Tensor, height: int) -> Tensor:
        """The network's `features` of two pictures, of that height in pixels -> distortion (B,)."""
        layers = zip(self.network.heads, x, x_hat, strict=True)
        return torch.stack([_layer(f, g, head, height, sigma) for head, f, g in layers]).sum(0)


def _layer(f: Tensor, g: Tensor, head: Tensor, height: int, sigma: Tensor) -> Tensor:
    """Features (B,C,h,w) twice, weights (1,C,1,1) -> (B,). height: of the pictures."""
    octave = _octaves(sigma, height / f.shape[2])
    deepest = min(math.ceil(float(octave.max())), OCTAVES, int(math.log2(min(f.shape[2:]))))
    total = _shared(octave, 0, deepest, (f - g).square() * head)
    one, other = _with_square(f), _with_square(g)
    for level in range(1, deepest + 1):
        one, other = _halved(one), _halved(other)
        unlike = sum((a - b).square() for a, b in zip(_statistics(one), _statistics(other), strict=True))
        total = total + _shared(octave, level, deepest, unlike * head)
    return total


def _with_square(f: Tensor) -> Tensor:
    """(B,C,h,w) -> (B,2,C,h,w)."""
    return torch.stack([f, f * f], dim=1)


def _statistics(moments: Tensor) -> tuple[Tensor, Tensor]:
    """First and second moments (B,2,C,h,w) -> means and deviations (B,C,h,w)."""
    mean, square = moments.unbind(1)
    return mean, ((square - mean * mean).clamp_min(0) + _LEAST).sqrt()


def _octaves(sigma: Tensor, stride: float) -> Tensor:
    """Pixels -> octaves of a layer's places; 0 from one place down."""
    return torch.log2((sigma / stride).clamp_min(1))


def _shared(octave: Tensor, level: int, deepest: int, unlike: Tensor) -> Tensor:
    """Differences (B,C,h,w) at a level -> their sum over channels, mean over places (B,).

    Each place counts by how near its octave (B,1,H,W) is to the level; between two levels both have a share.
    """
    share = (1 - (octave.clamp_max(deepest) - level).abs()).clamp_min(0)
    share = F.adaptive_avg_pool2d(share, (unlike.shape[2], unlike.shape[3]))
    return (share * unlike.sum(1, keepdim=True)).mean(dim=(1, 2, 3))


def _halved(moments: Tensor) -> Tensor:
    """(B,2,C,h,w) -> (B,2,C,h/2,w/2), by the binomial filter 1 3 3 1: windows overlap, or a grid would show."""
    down, across = (filter_matrix(size, (1.0, 3.0, 3.0, 1.0), moments, stride=2) for size in moments.shape[3:])
    return down @ moments @ across.T
