"""Convolutions that halve or double a feature map."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

from torch import nn

from regio.nn.precise import PreciseConv


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
