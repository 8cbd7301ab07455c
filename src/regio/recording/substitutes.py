"""Layers in another form for export: the same results, by operations that every engine has.

Exact layers are one product of matrices, of the map and its shifted copies: nothing that an engine might compute by a
transform. Their weights and tables are rounded here, once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.gain import RATE_STEPS
from regio.nn.whole import WholeConv, WholeRate, whole_weights


class UnfoldedConv(nn.Module):
    """A `WholeConv`: shifted copies of the map, one after the other by channels, times one matrix."""

    def __init__(self, conv: WholeConv) -> None:
        super().__init__()
        assert conv.bias is not None
        weight, bias = whole_weights(conv.weight, conv.bias, conv.unit)
        self.kernel = conv.kernel_size[0]
        by_tap = weight.permute(0, 2, 3, 1).flatten(1)
        self.weight = nn.Parameter(by_tap[:, :, None, None].contiguous(), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """x (B,in,h,w) -> (B,out,h,w)."""
        edge = self.kernel // 2
        if edge:
            padded = F.pad(x, (edge,) * 4)
            rows = [padded[:, :, k : (k - 2 * edge) or None] for k in range(self.kernel)]
            x = torch.cat([row[..., k : (k - 2 * edge) or None] for row in rows for k in range(self.kernel)], dim=1)
        return F.conv2d(x, self.weight, self.bias)


class RoundedRate(nn.Module):
    """A `WholeRate` whose table is rounded already; whole numbers far below 2**53, divided and rounded down in float64.

    The quotient of two of them that is no whole number is further from one than float64 rounds.
    """

    table: Tensor

    def __init__(self, rate: WholeRate) -> None:
        super().__init__()
        self.unit = rate.unit
        table = torch.round(rate.table.points.detach().double() / rate.unit)
        self.register_buffer("table", table.float())  # whole numbers that float32 holds
        self.span = RATE_STEPS // (len(table) - 1)

    def forward(self, rate: Tensor) -> Tensor:
        """Rates (B,1,h,w) -> (B,C,h,w) float32."""
        step = torch.round(rate[:, 0].double() * RATE_STEPS)
        below = torch.floor(step / self.span).clamp(0, len(self.table) - 2)
        part = (step - below * self.span)[..., None]
        low, high = (F.embedding((below + k).long(), self.table).double() for k in range(2))
        mixed = torch.floor((low * (self.span - part) + high * part) / self.span) * self.unit
        return mixed.permute(0, 3, 1, 2).float()


def exchange(net: nn.Module) -> None:
    """Put them in, all through a network; it cannot be trained any more."""
    for name, layer in net.named_children():
        if isinstance(layer, WholeConv):
            setattr(net, name, UnfoldedConv(layer))
        elif isinstance(layer, WholeRate):
            setattr(net, name, RoundedRate(layer))
        else:
            exchange(layer)
