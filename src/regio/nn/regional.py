"""Layers that treat regions of a picture differently (SegPIC, the region-adaptive transform, and its parts).

A *region* is a cell of an n x n grid or one label of a label map.  Each region gets one **prototype** vector, pooled
from the features; the region-adaptive transform spreads the prototypes back and lets them steer per-pixel kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from regio.nn.conv import conv1x1, zeroed
from regio.nn.norm import GDN
from regio.nn.precise import PreciseConv
from regio.nn.strips import STRIP, piecewise

SLOPE = 0.1  # of every LeakyReLU here
EMPTY_REGION = 0.0005  # added to the pixel count, so that a label without pixels has a zero prototype


class Regions(Protocol):
    """The region of each pixel, at any feature resolution."""

    @property
    def size(self) -> tuple[int, int]:
        """(r,s): how prototypes are laid out, r*s regions in all."""

    def pool(self, features: Tensor) -> Tensor:
        """features (B,C,h,w) -> prototypes (B,C,r,s), the mean of each region."""

    def spread(self, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """prototypes (B,C,r,s) -> (B,C,h,w), each pixel gets the vector of its region."""

    def inner(self, features: Tensor) -> Tensor:
        """features (B,C,h,w) -> the part that global averages are taken of: all but what surrounds a window."""


class GridRegions:
    """An n x n grid, the regions of a coded file; needs no side information but n."""

    def __init__(self, grid: int) -> None:
        if grid < 1:
            raise ValueError(f"grid={grid}: at least one region per side is needed")
        self.grid = grid

    @property
    def size(self) -> tuple[int, int]:
        """(n,n)."""
        return self.grid, self.grid

    def pool(self, features: Tensor) -> Tensor:
        """features (B,C,h,w) -> (B,C,n,n); bins overlap by one row or column where n does not divide the side."""
        return F.adaptive_avg_pool2d(features, self.grid)

    def spread(self, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """prototypes (B,C,n,n) -> (B,C,h,w), nearest: cell floor(position * n / side), in integers."""
        for dim, side in zip((2, 3), size, strict=True):
            if side % self.grid == 0:
                repeats = [-1] * 4
                repeats.insert(dim + 1, side // self.grid)
                prototypes = prototypes.unsqueeze(dim + 1).expand(repeats).flatten(dim, dim + 1)
            else:
                cell = torch.arange(side, device=prototypes.device) * self.grid // side
                prototypes = prototypes.index_select(dim, cell)
        return prototypes

    def inner(self, features: Tensor) -> Tensor:
        """All of the features (B,C,h,w)."""
        return features


class LabelRegions:
    """A label map per picture, for training and analysis; a file never carries one.

    labels (B,H,W) int64, ids 0..R-1, R taken over the batch.  At a feature size the map keeps the top-left pixel of
    each block (labels are names, and names have no average).  An id that lost its pixels has a zero prototype; as in
    the authors' code it still counts as present when the picture has a higher id at that resolution.

    Raises ValueError for another shape or dtype, or a negative id.
    """

    def __init__(self, labels: Tensor) -> None:
        if labels.dim() != 3 or labels.dtype != torch.int64:
            raise ValueError(f"labels must be (B,H,W) int64, not {tuple(labels.shape)} {labels.dtype}")
        if labels.numel() == 0 or int(labels.min()) < 0:
            raise ValueError("labels must be a non-empty map of ids from 0 up")
        self.labels = labels
        self.count = int(labels.max()) + 1

    @property
    def size(self) -> tuple[int, int]:
        """(R,1)."""
        return self.count, 1

    def at(self, size: tuple[int, int]) -> Tensor:
        """Labels at feature size (h,w) -> (B,h,w): the top-left pixel of each block."""
        _, height, width = self.labels.shape
        rows = torch.arange(size[0], device=self.labels.device) * height // size[0]
        columns = torch.arange(size[1], device=self.labels.device) * width // size[1]
        return self.labels.index_select(1, rows).index_select(2, columns)

    def pool(self, features: Tensor) -> Tensor:
        """features (B,C,h,w) -> (B,C,R,1), masked average pooling, Eq. for p_i in SegPIC: sum(y m_i) / sum(m_i)."""
        precise = torch.promote_types(features.dtype, torch.float32)
        names = torch.arange(self.count, device=features.device)
        member = (self.at(_side(features)).flatten(1)[..., None] == names).to(precise)  # (B,h*w,R)
        with torch.autocast(features.device.type, enabled=False):
            total = features.flatten(2).to(precise) @ member  # (B,C,h*w) @ (B,h*w,R) -> (B,C,R)
            mean = total / (member.sum(1, keepdim=True) + EMPTY_REGION)
        return mean.to(features.dtype)[..., None]

    def spread(self, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """prototypes (B,C,R,1) -> (B,C,h,w)."""
        where = self.at(size).flatten(1)[:, None].expand(-1, prototypes.shape[1], -1)  # (B,C,h*w)
        return prototypes.flatten(2).gather(2, where).reshape(*prototypes.shape[:2], *size)

    def inner(self, features: Tensor) -> Tensor:
        """All of the features (B,C,h,w)."""
        return features

    def present(self, size: tuple[int, int]) -> Tensor:
        """-> bool (B,R,1): ids up to the highest one of each picture at this size; the rest is batch padding."""
        highest = self.at(size).flatten(1).amax(1)  # (B,)
        names = torch.arange(self.count, device=self.labels.device)
        return (names <= highest[:, None])[..., None]


def _side(features: Tensor) -> tuple[int, int]:
    return features.shape[2], features.shape[3]


class _RegionFilter(torch.autograd.Function):
    """Shift, multiply, accumulate over the taps: forward and backward keep x and kernels, never k*k copies of x."""

    @staticmethod
    def forward(ctx, x: Tensor, kernels: Tensor, k: int) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x, kernels)
        ctx.k = k
        taps = _taps(kernels, k)
        exact = torch.promote_types(torch.promote_types(x.dtype, kernels.dtype), torch.float32)
        out = torch.zeros(x.shape, dtype=exact, device=x.device)
        for t, window in _windows(_padded(x, k), k):
            out.addcmul_(window, taps[:, :, t])
        return out.to(torch.promote_types(x.dtype, kernels.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # type: ignore[no-untyped-def]
        x, kernels = ctx.saved_tensors
        k, taps = ctx.k, _taps(kernels, ctx.k)
        to_x = to_kernels = None
        if ctx.needs_input_grad[0]:
            exact = torch.promote_types(grad.dtype, torch.float32)
            height, width = x.shape[2] + k // 2 * 2, x.shape[3] + k // 2 * 2
            summed = torch.zeros(*x.shape[:2], height, width, dtype=exact, device=x.device)
            for t, window in _windows(summed, k):
                window.addcmul_(grad, taps[:, :, t])
            inner = slice(k // 2, -(k // 2) or None)
            to_x = summed[:, :, inner, inner].to(x.dtype)
        if ctx.needs_input_grad[1]:
            to_kernels = torch.empty_like(kernels)
            out = _taps(to_kernels, k)
            for t, window in _windows(_padded(x, k), k):
                out[:, :, t] = grad * window
        return to_x, to_kernels, None


def _taps(kernels: Tensor, k: int) -> Tensor:
    """(B,C*k*k,H,W) -> view (B,C,k*k,H,W)."""
    batch, channels, height, width = kernels.shape
    return kernels.view(batch, channels // (k * k), k * k, height, width)


def _windows(padded: Tensor, k: int) -> list[tuple[int, Tensor]]:
    """The k*k views (B,C,H,W) of a padded map, each with its tap number, row-major."""
    height, width = padded.shape[2] - k + 1, padded.shape[3] - k + 1
    return [(t, padded[:, :, t // k : t // k + height, t % k : t % k + width]) for t in range(k * k)]


def region_filter(x: Tensor, kernels: Tensor) -> Tensor:
    """Filter every pixel of every channel with its own k x k kernel (DPSConv in SegPIC), zero padding.

    x (B,C,H,W), kernels (B,C*k*k,H,W) with k odd; channel c*k*k + j holds tap j (row-major) of channel c ->
    y[b,c,u,v] = sum_ij x[b,c,u+i-k//2,v+j-k//2] * kernels[b,c*k*k + i*k+j,u,v], (B,C,H,W).

    Departure from the authors' code, which unfolds x to k*k times its size: here the taps are accumulated one by one,
    in at least float32, and a backward pass of its own keeps only x and kernels.  Raises ValueError when the shapes do
    not fit.
    """
    taps = kernels.shape[1] // x.shape[1]
    k = math.isqrt(taps)
    fits = kernels.shape[1] == taps * x.shape[1] and k * k == taps and k % 2 == 1
    if not fits or kernels.shape[0] != x.shape[0] or _side(kernels) != _side(x):
        raise ValueError(f"kernels {tuple(kernels.shape)} do not filter features {tuple(x.shape)}")
    # taps lie k*k apart in channels-last memory: copying once is many times faster than reading so
    result: Tensor = _RegionFilter.apply(x.contiguous(), kernels.contiguous(), k)  # type: ignore[no-untyped-call]
    return result


def made_filter(x: Tensor, hidden: Tensor, make: nn.Conv2d) -> Tensor:
    """`region_filter(x, make(hidden))` without gradient, many times faster: a few channels at a time.

    x and hidden (B,C,H,W); make: depth-wise, to k*k kernels per channel -> (B,C,H,W). Kernels of a few channels stay in
    the processor's cache, and come of one matrix product; all of them would be k*k times as large as x.
    """
    assert make.bias is not None
    x, hidden = x.contiguous(), hidden.contiguous()
    taps, side = make.out_channels // make.in_channels, make.kernel_size[0]
    weight, bias = make.weight.view(-1, taps, side * side), make.bias.view(-1, taps, 1)
    out = torch.zeros_like(x)
    count = max(1, STRIP // (taps * len(x) * x[0, 0].numel()))
    for first in range(0, x.shape[1], count):
        some = slice(first, first + count)
        seen = torch.stack([window for _, window in _windows(_padded(hidden[:, some], side), side)], dim=2)
        kernels = (weight[some] @ seen.flatten(3)).add_(bias[some]).view(*seen.shape[:2], taps, *_side(x))
        k = math.isqrt(taps)
        for t, window in _windows(_padded(x[:, some], k), k):
            out[:, some].addcmul_(window, kernels[:, :, t])
    return out


def _padded(x: Tensor, k: int) -> Tensor:
    return F.pad(x, (k // 2,) * 4)


class ScaleAffine(nn.Module):
    """SAL, the scale affine layer of SegPIC: y = x (1 + s) + b, with s and b computed from x itself.

    Two 1x1 convolutions with GELU between; the output's first half is s, the second b.  Departure: the paper prints
    s x + b, the authors' code has (1 + s), which we follow.  `zero_init` makes the fresh layer the identity.

    bound: s and b stay within it, 0 for no bound. x multiplies what is computed from x, so on pictures unlike those of
    the training the output of an unbounded layer can grow a hundredfold. quick: see conv1x1.
    """

    def __init__(
        self,
        channels: int,
        hidden: int | None = None,
        zero_init: bool = False,
        bound: float = 0,
        quick: bool = False,
    ) -> None:
        super().__init__()
        self.bound = bound
        self.inner = conv1x1(channels, hidden or channels, quick)
        self.outer = conv1x1(hidden or channels, 2 * channels, quick)
        if zero_init:
            zeroed(self.outer)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,H,W) -> (B,C,H,W)."""
        found = self.outer(F.gelu(self.inner(x)))
        scale, bias = (found.clamp(-self.bound, self.bound) if self.bound else found).chunk(2, dim=1)
        y: Tensor = x * (1 + scale) + bias
        return y


class RegionAdaptiveTransform(nn.Module):
    """RAT of SegPIC: features filtered by kernels that the pixel's prototype helps to choose.

    ```
    x ── embed ──► f ───────────────► region_filter ── gate ── project ── + ──► y
    │              └── kernel net ────────┘                               │
    │   prototypes ── spread ──┘                                          │
    └─────────────────────────────────────────────────────────────────────┘
    ```
    embed (CTL) = two 1x1 convolutions; the kernel net (DKG) = 1x1 on [f, spread prototypes], 3x3, depth-wise 3x3 to one
    k x k kernel per channel and position; gate (CAG) = global mean, two 1x1, sigmoid.

    channels: of x; prototype_channels: of the prototypes (default: channels); inner: width between embed and project
    (default: channels, the paper's); kernel: odd k; zero_init: the fresh block is the identity; bound: what is added to
    x stays within it, 0 for no bound. Kernels are computed from x and applied to x: what is added grows with the square
    of x. quick: see conv1x1.

    Departure in form, not in value: a 1x1 convolution of a concatenation is a sum of two, so prototypes go through
    theirs (`steer`) before they are spread, at r*s instead of H*W positions.
    """

    def __init__(
        self,
        channels: int,
        prototype_channels: int | None = None,
        inner: int | None = None,
        kernel: int = 3,
        zero_init: bool = False,
        bound: float = 0,
        quick: bool = False,
    ) -> None:
        super().__init__()
        self.bound = bound
        width = inner or channels
        self.embed = nn.Sequential(conv1x1(channels, width, quick), nn.LeakyReLU(SLOPE), conv1x1(width, width, quick))
        self.mix = conv1x1(width, width, quick)
        self.steer = nn.Conv2d(prototype_channels or channels, width, 1, bias=False)
        self.kernels = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            PreciseConv(width, width, 3),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, kernel * kernel * width, 3, padding=1, groups=width),
        )
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 1),
            nn.Sigmoid(),
        )
        self.project = conv1x1(width, channels, quick)
        if zero_init:
            zeroed(self.project)

    def forward(self, x: Tensor, prototypes: Tensor, regions: Regions) -> Tensor:
        """x (B,C,H,W), prototypes (B,P,r,s) of these regions -> (B,C,H,W)."""
        f = self.embed(x)  # (B,inner,H,W)
        steering = regions.spread(self.steer(prototypes), _side(x))  # (B,inner,H,W)
        mixed = self.mix(f) + steering
        make = self.kernels[-1]
        assert isinstance(make, nn.Conv2d)
        d = made_filter(f, self.kernels[:-1](mixed), make) if piecewise(f) else region_filter(f, self.kernels(mixed))
        added: Tensor = self.project(d * self.gate(regions.inner(d)))
        return x + (added.clamp(-self.bound, self.bound) if self.bound else added)


class PrototypeCoder(nn.Module):
    """Analysis and synthesis of prototypes: 1x1 convolutions with GDN between, so each prototype is coded by itself.

    encode, decode: channel counts along each stack, e.g. (320,192,128,96) and (96,128,192,320); decode defaults to
    encode reversed.  The synthesis uses the inverse GDN.
    """

    def __init__(self, encode: Sequence[int], decode: Sequence[int] | None = None) -> None:
        super().__init__()
        self.analysis = _pointwise_stack(encode, inverse=False)
        self.synthesis = _pointwise_stack(tuple(encode)[::-1] if decode is None else decode, inverse=True)

    def encode(self, prototypes: Tensor) -> Tensor:
        """prototypes (B,P,r,s) -> codes (B,K,r,s), to be rounded."""
        codes: Tensor = self.analysis(prototypes)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """codes (B,K,r,s) -> decoded prototypes (B,P,r,s)."""
        prototypes: Tensor = self.synthesis(codes)
        return prototypes


def _pointwise_stack(channels: Sequence[int], inverse: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(channels):
        layers += [nn.Conv2d(before, after, 1), GDN(after, inverse)]
    return nn.Sequential(*layers[:-1])
