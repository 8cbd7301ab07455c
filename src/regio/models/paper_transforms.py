"""The transforms of the papers: four strided convolutions each way, with optional SAL and window attention.

[Liu2024] Liu et al. (SegPIC), ECCV 2024; [Zou2022] Zou et al., CVPR 2022, whose network is the baseline of [Liu2024].

    x ── Down ── Down ── [WAM] ──► y' (B,N,H/4,W/4) ── Down ── Down ── [WAM] ──► y (B,M,H/16,W/16)
    x̂ ◄── Up ── Up ── [WAM] ◄── y' ◄── Up ── Up ── [WAM] ◄── ŷ
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from regio.models.transforms import RAT_REACH, Transforms
from regio.nn.attention import WindowAttentionModule
from regio.nn.conv import double, halve, subpixel
from regio.nn.norm import GDN
from regio.nn.regional import ScaleAffine
from regio.nn.strips import by_strips

SHALLOW_STRIDE = 4
WINDOWS = (8, 4)  # of the attention at 1/4 and at 1/16
UNITS = 3  # 3x3 convolutions after each attention


class Down(nn.Module):
    """Strided convolution -> GDN -> SAL, each of the last two where wanted."""

    def __init__(self, conv: nn.Module, norm: GDN | None, affine: ScaleAffine | None) -> None:
        super().__init__()
        self.conv, self.norm, self.affine = conv, norm or nn.Identity(), affine or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """x (B,in,H,W) -> (B,out,H/2,W/2)."""
        y = self.conv(x)
        return by_strips(lambda part: self.affine(self.norm(part)), y, into=y)


class Up(nn.Module):
    """SAL on the input -> upsampling convolution -> GDN, the first and the last where wanted."""

    def __init__(self, affine: ScaleAffine | None, conv: nn.Module, norm: GDN | None) -> None:
        super().__init__()
        self.affine, self.conv, self.norm = affine or nn.Identity(), conv, norm or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """x (B,in,h,w) -> (B,out,2h,2w)."""
        y = self.conv(by_strips(self.affine, x))
        return by_strips(self.norm, y, into=y)


class Synthesis(nn.Sequential):
    """Layers one after the other; a model of one rate, so the rate is not looked at."""

    def forward(self, x: Tensor, rate: Tensor | None = None) -> Tensor:
        """x (B,C,h,w) -> (B,D,4h,4w)."""
        x = x.contiguous(memory_format=torch.channels_last)  # quicker by a tenth
        for layer in self:
            x = layer(x)
        return x


@dataclass(frozen=True, kw_only=True)
class StridedTransform:
    """Numbers of this skeleton.

    attention: a window attention module after every second stage of the analysis and before it in the synthesis.
    tail: channels of the last Up, which a 1x1 convolution turns into colours, as in the code of [Liu2024]; every
        stage is normalised then, by plain GDN also in the synthesis. 0 is the form of [Zou2022]: the last stage of
        either side is a bare convolution and the synthesis uses the inverse GDN.
    kernel: of the strided convolutions. subpixel: upsample by sub-pixel instead of transposed convolutions.
    sal_squeeze: divides the hidden width of SAL.
    """

    attention: bool = True
    tail: int = 32
    kernel: int = 5
    subpixel: bool = False
    sal_squeeze: int = 1
    pixel_bytes: ClassVar[int] = 1100

    def halo(self, rat: bool) -> int:
        """How many latents away something can lie that changes a pixel, or a pixel that changes a latent.

        Four convolutions, each on features of twice the scale, and the attention's windows; global averages aside.
        rat: whether region-adaptive transforms stand between.
        """
        strided = self.kernel // 2 * (1 + 1 / 2 + 1 / 4 + 1 / 8)
        attention = sum((w - 1 + UNITS) * scale for w, scale in zip(WINDOWS, (1 / 4, 1), strict=True))
        return math.ceil(strided + self.attention * attention + rat * RAT_REACH / 4)

    def build(self, shallow: int, latent: int, sal: bool, rate_points: int) -> Transforms:
        """Make the parts with N = shallow and M = latent channels. ValueError for rate points: they know one rate."""
        if rate_points:
            raise ValueError(f"rate_points={rate_points}: a strided transform knows one rate")
        n, m = shallow, latent
        return Transforms(
            nn.Sequential(self._down(3, n, sal), self._down(n, n, sal), *self._attention(n, WINDOWS[0])),
            nn.Sequential(self._down(n, n, sal), self._down(n, m, sal, last=True), *self._attention(m, WINDOWS[1])),
            Synthesis(*self._attention(m, WINDOWS[1]), self._up(m, n, sal), self._up(n, n, sal)),
            Synthesis(*self._attention(n, WINDOWS[0]), self._up(n, n, sal), *self._to_colours(n, sal)),
            shallow_stride=SHALLOW_STRIDE,
        )

    def _down(self, before: int, after: int, sal: bool, last: bool = False) -> Down:
        norm = None if last and not self.tail else GDN(after, quick=True)
        return Down(halve(before, after, self.kernel), norm, self._sal(after) if sal else None)

    def _up(self, before: int, after: int, sal: bool, last: bool = False) -> Up:
        conv = subpixel(before, after, self.kernel) if self.subpixel else double(before, after, self.kernel)
        norm = None if last else GDN(after, inverse=not self.tail, quick=True)
        return Up(self._sal(before) if sal else None, conv, norm)

    def _to_colours(self, before: int, sal: bool) -> list[nn.Module]:
        if not self.tail:
            return [self._up(before, 3, sal, last=True)]
        return [self._up(before, self.tail, sal), nn.Conv2d(self.tail, 3, 1)]

    def _sal(self, channels: int) -> ScaleAffine:
        return ScaleAffine(channels, hidden=channels // self.sal_squeeze, quick=True)

    def _attention(self, channels: int, window: int) -> list[nn.Module]:
        return [WindowAttentionModule(channels, window)] if self.attention else []
