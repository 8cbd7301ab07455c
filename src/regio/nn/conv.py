"""Convolutions that halve or double a feature map."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.precise import PreciseConv
from regio.nn.strips import piecewise


class Pointwise(nn.Conv2d):
    """A 1x1 convolution that is quick on one thread as well: 1.1 to 2 times as fast, by processor.

    On one thread torch hands float32 convolutions of this size to another library than all others. It does not where a
    kernel has holes, of which this one has none, however wide: the same sums in another order.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B,before,h,w) -> (B,after,h,w)."""
        return pointwise(x, self.weight, self.bias)


def conv1x1(before: int, after: int, quick: bool = False) -> nn.Conv2d:
    """A 1x1 convolution; quick: a Pointwise, for networks of which no file's bytes would change."""
    return Pointwise(before, after) if quick else nn.Conv2d(before, after, 1)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x (B,in,h,w), weight (out,in,1,1), bias (out,) -> (B,out,h,w); see Pointwise."""
    known = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return F.conv2d(x, weight, bias, dilation=2 if known and x.dtype == torch.float32 and piecewise(x) else 1)


def halve(before: int, after: int, kernel: int = 5) -> nn.Conv2d:
    """Strided convolution: (B,before,H,W) -> (B,after,H/2,W/2), odd sides rounded up."""
    return nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2)


def double(before: int, after: int, kernel: int = 5) -> nn.ConvTranspose2d:
    """Strided transposed convolution: (B,before,h,w) -> (B,after,2h,2w)."""
    return nn.ConvTranspose2d(before, after, kernel, stride=2, padding=kernel // 2, output_padding=1)


def subpixel(before: int, after: int, kernel: int = 3) -> nn.Sequential:
    """Convolution to 4 * after channels, rearranged (Shi et al. 2016): (B,before,h,w) -> (B,after,2h,2w)."""
    return nn.Sequential(PreciseConv(before, 4 * after, kernel), nn.PixelShuffle(2))


def plain_stack(widths: tuple[int, ...], kernels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions of stride 1, zeros outside, from width to width, with GELU between them."""
    layers: list[nn.Module] = []
    for (a, b), kernel in zip(pairwise(widths), kernels, strict=True):
        layers += [nn.Conv2d(a, b, kernel, padding=kernel // 2), nn.GELU()]
    return nn.Sequential(*layers[:-1])


Layer = TypeVar("Layer", bound=nn.Module)


def zeroed(layer: Layer) -> Layer:
    """The same layer with weights and bias zero: what it adds, it learns to add."""
    for parameter in layer.parameters(recurse=False):
        nn.init.zeros_(parameter)
    return layer
