"""The low-resolution transforms of our small models: pixels -> 1/8 -> 1/16 and back.

    x ── 8×8 ──► (C,H/8,W/8) ── units, SAL ──► y' ── 2×2 ──► (M,H/16,W/16) ── units, SAL ──► y
    x̂ ◄── 8×8 ── SAL, units ── y' ◄── 2×2 ── SAL, units ◄── ŷ

Ours, instead of [Liu2024]'s strided 5×5 convolutions: the same signal path and the same SAL and RAT at 1/10 of
the work.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.models.base import LATER
from regio.models.transforms import RAT_REACH, Transforms
from regio.nn.conv import plain_stack, zeroed
from regio.nn.gain import RateAffine
from regio.nn.patch import BottleneckUnit, PatchDown, PatchUp, block_spread, block_transform
from regio.nn.regional import ScaleAffine

SHALLOW_BLOCK = 8
FEATURE_SCALE = 4.0  # pixels in [0,1] give coefficients well below one; layers like them near one


def _shallow_start() -> Tensor:
    return block_transform(SHALLOW_BLOCK, 3 * SHALLOW_BLOCK**2)


def _deep_start(latent: int) -> Tensor:
    """(latent, 4*192): what makes the two stages together a 16×16 block transform with `latent` coefficients."""
    images = F.pixel_shuffle(block_transform(2 * SHALLOW_BLOCK, latent)[:, :, None, None], 2 * SHALLOW_BLOCK)
    coefficients = torch.einsum("kc,nchw->nkhw", _shallow_start(), F.pixel_unshuffle(images, SHALLOW_BLOCK))
    return F.pixel_unshuffle(coefficients, 2).flatten(1)


class Stage(nn.Module):
    """Units at one resolution, with a scale affine layer (SAL) after them and the rate steering them.

    sal: the bound of that layer, 0 for none; None: without the layer.
    """

    def __init__(self, channels: int, units: int, sal: float | None, points: int, inner: int | None = None) -> None:
        super().__init__()
        self.rate = RateAffine(channels, points) if points else None
        self.units = nn.Sequential(*(BottleneckUnit(channels, inner) for _ in range(units)))
        self.sal = None if sal is None else ScaleAffine(channels, channels // 2, zero_init=True, bound=sal)

    def forward(self, x: Tensor, rate: Tensor | None) -> Tensor:
        """x (B,C,h,w) -> (B,C,h,w)."""
        if self.rate is not None and rate is not None:
            x = self.rate(x, rate)
        x = self.units(x)
        return x if self.sal is None else self.sal(x)


class PatchAnalysisShallow(nn.Module):
    """x (B,3,H,W) -> y' (B,192,H/8,W/8)."""

    def __init__(self, units: int, sal: float | None) -> None:
        super().__init__()
        self.down = PatchDown(SHALLOW_BLOCK, _shallow_start() * FEATURE_SCALE)
        self.stage = Stage(3 * SHALLOW_BLOCK**2, units, sal, points=0)

    def forward(self, x: Tensor) -> Tensor:
        """See class."""
        y: Tensor = self.stage(self.down(x - 0.5), None)
        return y


class PatchAnalysisDeep(nn.Module):
    """y' (B,192,H/8,W/8) -> y (B,M,H/16,W/16)."""

    def __init__(self, latent: int, units: int, inner: int, sal: float | None) -> None:
        super().__init__()
        self.down = PatchDown(2, _deep_start(latent))
        self.stage = Stage(latent, units, sal, points=0, inner=inner)

    def forward(self, x: Tensor) -> Tensor:
        """See class."""
        y: Tensor = self.stage(self.down(x), None)
        return y


class PatchSynthesisDeep(nn.Module):
    """ŷ (B,M,H/16,W/16) -> (B,192,H/8,W/8)."""

    def __init__(self, latent: int, units: int, inner: int, sal: float | None, points: int) -> None:
        super().__init__()
        self.stage = Stage(latent, units, sal, points, inner)
        self.up = PatchUp(2, _deep_start(latent))

    def forward(self, y: Tensor, rate: Tensor | None) -> Tensor:
        """See class."""
        x: Tensor = self.up(self.stage(y, rate))
        return x


class PatchSynthesisShallow(nn.Module):
    """(B,192,H/8,W/8) -> x̂ (B,3,H,W), not clamped."""

    def __init__(self, units: int, sal: float | None, points: int, head: int = 0) -> None:
        super().__init__()
        self.stage = Stage(3 * SHALLOW_BLOCK**2, units, sal, points)
        self.up = PatchUp(SHALLOW_BLOCK, _shallow_start() / FEATURE_SCALE)
        self.head = HalfHead(3 * SHALLOW_BLOCK**2, head) if head else None

    def forward(self, x: Tensor, rate: Tensor | None) -> Tensor:
        """See class."""
        x = self.stage(x, rate)
        picture: Tensor = self.up(x)
        if self.head is not None:
            picture = picture + self.head(x, picture)
        return picture + 0.5


class HalfHead(nn.Module):
    """What non-linear filters at half resolution add to the picture, across the borders of blocks; starts as zero."""

    features = 12

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.lift = nn.Conv2d(channels, 16 * self.features, 1)
        self.body = plain_stack((12 + self.features, width, width, 12), kernels=(3, 3, 3))
        zeroed(self.body[-1])

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        """x (B,C,H/8,W/8), picture (B,3,H,W) around zero -> (B,3,H,W)."""
        seen = torch.cat([F.pixel_unshuffle(picture, 2) * FEATURE_SCALE, F.pixel_shuffle(self.lift(x), 4)], dim=1)
        if not torch.is_grad_enabled():  # CPUs are three times as fast so with few channels and many positions
            seen = seen.contiguous(memory_format=torch.channels_last)
        added: Tensor = F.pixel_shuffle(self.body(seen), 2).contiguous()
        return added.float() / FEATURE_SCALE


@dataclass(frozen=True, kw_only=True)
class PatchTransform:
    """Numbers of this skeleton: units in the analysis at 1/8 and 1/16 and in the synthesis at 1/16 and 1/8."""

    units: tuple[int, int, int, int] = (2, 2, 2, 4)
    deep_inner: int = 128
    head: int = field(default=0, metadata=LATER)  # width of the filters at half resolution; 0: none
    sal_bound: float = field(default=0, metadata=LATER)  # what scale affine layers stay within; 0: no bound
    pixel_bytes: ClassVar[int] = 220

    def halo(self, rat: bool) -> int:
        """How many latents away something can lie that changes a pixel, or a pixel that changes a latent.

        A 3x3 convolution in each unit; global averages aside. rat: whether region-adaptive transforms stand between.
        """
        analysis = (self.units[0] + rat * RAT_REACH) / 2 + self.units[1]
        synthesis = self.units[2] + (rat * RAT_REACH + self.units[3]) / 2 + (0.5 if self.head else 0)
        return math.ceil(max(analysis, synthesis))

    def build(self, shallow: int, latent: int, sal: bool, rate_points: int) -> Transforms:
        """Make the parts with N = shallow and M = latent channels; shallow must be 192."""
        if shallow != 3 * SHALLOW_BLOCK**2:
            raise ValueError(f"shallow={shallow}: a patch transform has {3 * SHALLOW_BLOCK**2} channels at 1/8")
        bound = self.sal_bound if sal else None
        return Transforms(
            PatchAnalysisShallow(self.units[0], bound),
            PatchAnalysisDeep(latent, self.units[1], self.deep_inner, bound),
            PatchSynthesisDeep(latent, self.units[2], self.deep_inner, bound, rate_points),
            PatchSynthesisShallow(self.units[3], bound, rate_points, self.head),
            shallow_stride=SHALLOW_BLOCK,
            spread=block_spread(2 * SHALLOW_BLOCK, latent) * FEATURE_SCALE,
        )
