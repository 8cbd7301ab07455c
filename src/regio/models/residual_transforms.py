"""The transforms of the ROI codec's paper: residual blocks in four strided stages, attention at 1/4 and 1/16.

[ROI2022] "ROI image codec optimized for visual quality", Fig. 2 and 3; [Cheng2020] Cheng et al., CVPR 2020, whose
network it follows.

    x ── ½ ─ RB ── ½ ─ attention ─ RB ── ½ ──► (B,N,H/8,W/8) ── RB ─ ½ ─ attention ──► y (B,N,H/16,W/16)
    x̂ ◄── ×2 ─ RB ── ×2 ─ RB ─ attention ── ×2 ◄── (B,N,H/8,W/8) ◄── RB ─ ×2 ─ RB ─ attention ◄── ŷ

The paper gives parts and strides; depths that it leaves open are those of [Cheng2020]. ReLU instead of GDN, as
[ROI2022] says.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from regio.models.transforms import Transforms
from regio.nn.attention import ChannelSpatialAttention
from regio.nn.regional import Regions


class ResidualBlock(nn.Module):
    """x + ReLU(3x3(ReLU(3x3 x))); `stride` 2 halves, `up` doubles, and a 1x1 convolution then carries x along."""

    def __init__(self, before: int, after: int, stride: int = 1, up: bool = False) -> None:
        super().__init__()
        fine = 4 if up else 1
        self.up, self.stride = up, stride
        self.first = nn.Conv2d(before, after * fine, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        plain = before == after and stride == 1 and not up
        self.skip = nn.Identity() if plain else nn.Conv2d(before, after * fine, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,before,H,W) -> (B,after,H',W')."""
        # a strided 1x1 convolution of channels-last pictures ends the process: oneDNN's gradient of its weights does
        y, kept = self.first(x), self.skip(x[:, :, :: self.stride, :: self.stride])
        if self.up:
            y, kept = F.pixel_shuffle(y, 2), F.pixel_shuffle(kept, 2)
        result: Tensor = kept + F.relu(self.second(F.relu(y)))
        return result


class Chain(nn.ModuleList):
    """Layers one after the other; those with attention are told where they may look. The rate is not looked at."""

    def forward(self, x: Tensor, where: Regions) -> Tensor:
        """x (B,C,h,w) -> (B,D,h',w')."""
        for layer in self:
            x = layer(x, where.inner) if isinstance(layer, ChannelSpatialAttention) else layer(x)
        return x


@dataclass(frozen=True, kw_only=True)
class ResidualTransform:
    """Numbers of this skeleton: channels of all layers, residual blocks in each branch of an attention."""

    channels: int = 192
    attention_units: int = 3
    pixel_bytes: ClassVar[int] = 800

    def halo(self) -> int:
        """How many latents away something can lie that changes a pixel, or a pixel that changes a latent."""
        attention = 2 * self.attention_units + 3  # 3x3 convolutions of the mask branch, and a 7x7 one
        coarse = attention + 2 + 1  # at 1/16: a block, then half of one that doubles
        at_8, at_4, at_2, at_1 = 1 + 2 + 1, 1 + attention + 2 + 1, 1 + 2 + 1, 1
        return math.ceil(coarse + at_8 / 2 + at_4 / 4 + at_2 / 8 + at_1 / 16)

    def build(self, latent: int) -> Transforms:
        """The four parts; they take (x, where)."""
        n = self.channels

        def attention(channels: int) -> ChannelSpatialAttention:
            trunk, mask = (
                nn.Sequential(*(ResidualBlock(channels, channels) for _ in range(self.attention_units)))
                for _ in range(2)
            )
            return ChannelSpatialAttention(channels, trunk, mask)

        analysis = [ResidualBlock(3, n, 2), ResidualBlock(n, n), ResidualBlock(n, n, 2), attention(n)]
        analysis += [ResidualBlock(n, n), ResidualBlock(n, n, 2)]
        deep = [ResidualBlock(n, n), nn.Conv2d(n, latent, 3, stride=2, padding=1), attention(latent)]
        back = [attention(latent), ResidualBlock(latent, n), ResidualBlock(n, n, up=True), ResidualBlock(n, n)]
        synthesis = [ResidualBlock(n, n, up=True), attention(n), ResidualBlock(n, n), ResidualBlock(n, n, up=True)]
        synthesis += [ResidualBlock(n, n), nn.Conv2d(n, 12, 3, padding=1), nn.PixelShuffle(2)]
        return Transforms(Chain(analysis), Chain(deep), Chain(back), Chain(synthesis), shallow_stride=8)
