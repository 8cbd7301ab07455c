"""Blocks of the low-resolution skeleton: straight from pixels to 1/8 size and on to 1/16.

Practical codecs put almost all their work where pixels are few. The linear path through these blocks starts as an
orthonormal block transform (a DCT, then Haar), so a fresh codec is already a transform coder and training starts there.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.conv import zeroed


def dct_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II (size, size), row = frequency."""
    k, n = torch.arange(size, dtype=torch.float64)[:, None], torch.arange(size, dtype=torch.float64)[None]
    basis = torch.cos(math.pi * (2 * n + 1) * k / (2 * size)) * math.sqrt(2 / size)
    basis[0] *= math.sqrt(0.5)
    return basis


def _colour_matrix() -> Tensor:
    """Orthonormal (3,3): a grey axis and two colour axes (red-blue, green against both)."""
    rows = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]], dtype=torch.float64)
    return F.normalize(rows, dim=1)


def block_transform(block: int, channels: int) -> Tensor:
    """(channels, 3*block*block): the `channels` lowest frequencies of a colour DCT, over `pixel_unshuffle` features."""
    dct, colour = dct_matrix(block), _colour_matrix()
    full = torch.einsum("ac,uy,vx->auvcyx", colour, dct, dct).reshape(3 * block * block, -1)
    return full[torch.argsort(_radius(block), stable=True)[:channels]].float()


def block_spread(block: int, channels: int) -> Tensor:
    """(channels,): about how large the coefficients of `block_transform` are on photographs with pixels in [0,1].

    Standard deviation 3 f**-1.5 with f the frequency, fitted to 30 photographs at block 16; only a start for training.
    """
    return 3 * torch.sort(_radius(block), stable=True)[0][:channels].float() ** -1.5


def _radius(block: int) -> Tensor:
    """(3*block*block,): frequencies; colour counts as three times its frequency, about where its energy puts it."""
    freq = torch.arange(block, dtype=torch.float64) + 0.5
    radius = torch.sqrt(freq[:, None] ** 2 + freq[None] ** 2)
    return torch.stack([radius, 3 * radius, 3 * radius]).flatten()


class PatchDown(nn.Module):
    """Pixel-unshuffle by `block`, then a 1x1 convolution in float32 that starts as `start` (out, in*block*block)."""

    def __init__(self, block: int, start: Tensor) -> None:
        super().__init__()
        self.block = block
        self.mix = nn.Conv2d(start.shape[1], start.shape[0], 1)
        _set(self.mix, start)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,H,W) -> (B,out,H/block,W/block)."""
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = self.mix(F.pixel_unshuffle(x.float(), self.block))
        return y


class PatchUp(nn.Module):
    """The way back: a 1x1 convolution that starts as `start` transposed, then pixel-shuffle by `block`."""

    def __init__(self, block: int, start: Tensor) -> None:
        super().__init__()
        self.block = block
        self.mix = nn.Conv2d(start.shape[0], start.shape[1], 1)
        _set(self.mix, start.T)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,in,h,w) -> (B,C,h*block,w*block)."""
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = F.pixel_shuffle(self.mix(x.float()), self.block)
        return y


class BottleneckUnit(nn.Module):
    """x + 1x1(GELU(3x3(GELU(1x1 x)))), half as wide inside; starts as the identity.

    A dense 3x3 at half width is faster on CPUs than a depth-wise one at full width, though it counts more
    multiply-accumulates.
    """

    def __init__(self, channels: int, inner: int | None = None) -> None:
        super().__init__()
        width = inner or channels // 2
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 1), nn.GELU(), nn.Conv2d(width, width, 3, padding=1), nn.GELU()
        )
        self.out = zeroed(nn.Conv2d(width, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,h,w) -> (B,C,h,w)."""
        y: Tensor = x + self.out(self.body(x))
        return y


@torch.no_grad()
def _set(conv: nn.Conv2d, matrix: Tensor) -> None:
    zeroed(conv).weight.copy_(matrix[:, :, None, None])
