"""Layers in another form for export: the same numbers, by operations that every engine has.

Exact layers are one product of matrices, of the map and its shifted copies: nothing that an engine might compute by a
transform. Their weights and tables are rounded here, once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.gain import RateTable, rate_step
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
        k = self.kernel
        if k > 1:
            height, width = x.shape[2], x.shape[3]
            padded = F.pad(x, (k // 2,) * 4)
            x = torch.cat([padded[:, :, t // k :, t % k :][:, :, :height, :width] for t in range(k * k)], dim=1)
        return F.conv2d(x, self.weight, self.bias)


class RoundedRate(nn.Module):
    """A `WholeRate` whose table is rounded already."""

    whole: Tensor

    def __init__(self, rate: WholeRate) -> None:
        super().__init__()
        self.unit = rate.unit
        self.register_buffer("whole", rate.table.whole(rate.unit))

    def forward(self, rate: Tensor) -> Tensor:
        """Rates (B,1,h,w) -> (B,C,h,w) float32."""
        return RateTable.between(self.whole, rate_step(rate), self.unit).to(torch.float32)


def exchange(net: nn.Module) -> None:
    """Put them in, all through a network; it cannot be trained any more."""
    for name, layer in net.named_children():
        if isinstance(layer, WholeConv):
            setattr(net, name, UnfoldedConv(layer))
        elif isinstance(layer, WholeRate):
            setattr(net, name, RoundedRate(layer))
        else:
            exchange(layer)
