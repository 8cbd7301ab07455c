"""Attention for convolutional codecs: in windows, after Zou et al., "The devil is in the details" (CVPR 2022), and by
channel and place, as the ROI codec has it (after Woo et al., "CBAM", ECCV 2018)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regio.nn.conv import Pointwise, pointwise
from regio.nn.strips import strips

WRAPPED = -100.0  # logit of a pair that only the cyclic shift brought together


class ResidualUnit(nn.Module):
    """GELU(x + branch(x)), branch = 1x1 C -> C/2, GELU, 3x3, GELU, 1x1 C/2 -> C."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            Pointwise(channels, half),
            nn.GELU(),
            nn.Conv2d(half, half, 3, padding=1),
            nn.GELU(),
            Pointwise(half, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,H,W) -> (B,C,H,W)."""
        height, conv = x.shape[2], self.branch[2]
        assert isinstance(conv, nn.Conv2d)
        parts = []
        for rows in strips(x):
            above, below = int(rows.start > 0), int(rows.stop < height)  # rows that the 3x3 convolution sees beside it
            hidden = self.branch[:2](x[:, :, rows.start - above : rows.stop + below])
            hidden = F.pad(hidden, (1, 1, 1 - above, 1 - below))
            hidden = F.conv2d(hidden, conv.weight, conv.bias)
            parts.append(F.gelu(x[:, :, rows] + self.branch[3:](hidden)))
        return torch.cat(parts, dim=2)


class ShiftedWindowAttention(nn.Module):
    """x + attention inside windows shifted by half their side (Swin, Liu et al. 2021), no norm and no MLP.

    The map is rolled up and left by window // 2; pairs that only the roll brought together get -100 on their logit.
    Logits carry a learned bias per head and relative position.  Sides must be multiples of the window.
    """

    position: Tensor

    def __init__(self, channels: int, window: int, heads: int = 8) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"channels={channels} do not split into {heads} equal heads")
        self.window, self.heads = window, heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.mix = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("position", relative_position(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,H,W) -> (B,C,H,W).  Raises ValueError unless H and W are multiples of the window."""
        height, width = x.shape[2:]
        w, shift = self.window, self.window // 2
        if height % w or width % w:
            raise ValueError(f"a {height}x{width} map does not divide into {w}x{w} windows")
        bias = self.bias[self.position].permute(2, 0, 1).contiguous()  # (heads,ww,ww)
        rolled = torch.arange(height, device=x.device).roll(-shift)
        y = torch.empty_like(x)
        for rows in strips(x, w):
            part = x.index_select(2, rolled[rows]).roll(-shift, 3)
            seen = self._attend(part, bias, last=rows.stop == height)
            y = y.index_copy_(2, rolled[rows], (part + seen).roll(shift, 3))
        return y

    def _attend(self, x: Tensor, bias: Tensor, last: bool) -> Tensor:
        """Rolled features (B,C,H,W) of whole windows -> (B,C,H,W). last: with the lowest windows of the map."""
        batch, channels, height, width = x.shape
        w, rows, columns = self.window, height // self.window, width // self.window
        tokens = x.reshape(batch, channels, rows, w, columns, w).permute(0, 2, 4, 3, 5, 1)
        heads = _linear(tokens.reshape(-1, w * w, channels), self.qkv)
        heads = heads.reshape(-1, w * w, 3, self.heads, channels // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B*windows,heads,ww,d)
        logits = bias + self.wrapped(rows, columns, last, x.device)[:, None].to(bias.dtype)  # (windows,heads,ww,ww)
        logits = logits.to(q.dtype).expand(batch, *logits.shape).flatten(0, 1)
        seen = F.scaled_dot_product_attention(q, k, v, logits)
        mixed = _linear(seen.transpose(1, 2).flatten(2), self.mix)  # (B*windows,ww,C)
        mixed = mixed.reshape(batch, rows, columns, w, w, channels).permute(0, 5, 1, 3, 2, 4)
        result: Tensor = mixed.reshape(batch, channels, height, width)
        return result

    def wrapped(self, rows: int, columns: int, last: bool, device: torch.device) -> Tensor:
        """-> (rows*columns, ww, ww): -100 between pixels of one window that lie apart in the unrolled map, else 0."""
        w = self.window
        down = (_zones(rows, w, device) * last)[:, None, :, None]  # (rows,1,w,1)
        across = _zones(columns, w, device)[None, :, None, :]  # (1,columns,1,w)
        zone = (2 * down + across).reshape(rows * columns, w * w)
        return WRAPPED * (zone[:, :, None] != zone[:, None, :])


def _linear(tokens: Tensor, layer: nn.Linear) -> Tensor:
    """Tokens (N,L,C) -> (N,L,D), by `pointwise`: they lie in memory as the pixels of a map with channels last do."""
    return pointwise(tokens.permute(2, 0, 1)[None], layer.weight[:, :, None, None], layer.bias)[0].permute(1, 2, 0)


def _zones(windows: int, window: int, device: torch.device) -> Tensor:
    """(windows,window): 1 for the rows (or columns) that the roll carried around, all in the last window; else 0."""
    at = torch.arange(windows * window, device=device)
    return (at >= windows * window - window // 2).to(torch.int64).view(windows, window)


def relative_position(window: int) -> Tensor:
    """(ww,ww) int64: row of the bias table for each pair of positions in a window, (dy + w-1) (2w-1) + dx + w-1."""
    at = torch.arange(window)
    apart = at[:, None] - at[None, :] + window - 1  # (w,w)
    dy, dx = apart[:, None, :, None], apart[None, :, None, :]  # of pairs ((y,x),(y',x'))
    return (dy * (2 * window - 1) + dx).reshape(window * window, window * window)


class WindowAttentionModule(nn.Module):
    """WAM: x + a(x) * sigmoid(b(x)).

    a = three residual units; b = shifted window attention, three residual units, 1x1 convolution.
    """

    def __init__(self, channels: int, window: int, heads: int = 8) -> None:
        super().__init__()
        self.trunk = nn.Sequential(*(ResidualUnit(channels) for _ in range(3)))
        self.attention = ShiftedWindowAttention(channels, window, heads)
        self.gate = nn.Sequential(*(ResidualUnit(channels) for _ in range(3)), Pointwise(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,H,W) -> (B,C,H,W), sides multiples of the window."""
        trunk, gate = self.trunk(x), self.gate[:3](self.attention(x))
        parts = [
            x[:, :, rows] + trunk[:, :, rows] * torch.sigmoid(self.gate[3](gate[:, :, rows])) for rows in strips(x)
        ]
        return torch.cat(parts, dim=2)


class ChannelGate(nn.Module):
    """The weight of each channel: sigmoid of a small network of its mean plus the same of its maximum (CBAM)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        inner = max(1, channels // squeeze)
        self.mlp = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """x (B,C,h,w); seen (B,C,h',w'), the part of it that is looked at -> (B,C,h,w)."""
        mean, highest = seen.mean((2, 3), keepdim=True), seen.amax((2, 3), keepdim=True)
        y: Tensor = x * torch.sigmoid(self.mlp(mean) + self.mlp(highest))
        return y


class SpatialGate(nn.Module):
    """The weight of each place: sigmoid of a 7x7 convolution of the mean and the maximum over channels (CBAM)."""

    reach = 3

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 2 * self.reach + 1, padding=self.reach)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,h,w) -> (B,C,h,w)."""
        y: Tensor = x * torch.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)))
        return y


class ChannelSpatialAttention(nn.Module):
    """x + trunk(x) * sigmoid(1x1(spatial gate(channel gate(mask(x))))), the channel-spatial attention of [ROI2022].

    [ROI2022] "ROI image codec optimized for visual quality", Fig. 3: residual blocks in the trunk and in the mask
    branch, no batch normalisation. The order of the gates is that of CBAM, which [ROI2022] cites.

    trunk, mask: modules (B,C,h,w) -> (B,C,h,w). zero_init: the trunk counts nothing at first, and learns to (ours).
    """

    def __init__(
        self, channels: int, trunk: nn.Module, mask: nn.Module, squeeze: int = 8, zero_init: bool = False
    ) -> None:
        super().__init__()
        self.trunk, self.mask = trunk, mask
        self.channel, self.spatial = ChannelGate(channels, squeeze), SpatialGate()
        self.out = nn.Conv2d(channels, channels, 1)
        self.strength = nn.Parameter(torch.zeros(channels, 1, 1)) if zero_init else None

    def forward(self, x: Tensor, inner: Callable[[Tensor], Tensor]) -> Tensor:
        """x (B,C,h,w) -> (B,C,h,w). inner: cuts out of features what the channel gate looks at (`Regions.inner`)."""
        mask = self.mask(x)
        weighted: Tensor = self.trunk(x) * torch.sigmoid(self.out(self.spatial(self.channel(mask, inner(mask)))))
        return x + (weighted if self.strength is None else weighted * self.strength)
