"""Windows as networks see them: their regions, and the synthesis of one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from regio.codec.windows import Window
from regio.models.base import Decoded, Network


class WindowRegions:
    """The regions of a window: each tile in it has a grid x grid map of its own. Fulfils `Regions`."""

    def __init__(self, window: Window) -> None:
        self.rows, self.columns, self.grid = window
        self.size = window.prototypes  # (r,s)

    def inner(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) of the window -> (B,C,h',w') of its inner part."""
        rows, columns = self.rows.crop(features.shape[2]), self.columns.crop(features.shape[3])
        return features[:, :, rows, columns]

    def pool(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) -> prototypes (B,C,n,n) of the one tile that is the inner part."""
        return F.adaptive_avg_pool2d(self.inner(features), self.grid)

    def spread(self, prototypes: Tensor, size: tuple[int, int]) -> Tensor:
        """Prototypes (B,C,r,s) -> (B,C,h,w)."""
        for dim, strip in ((2, self.rows), (3, self.columns)):
            cells = torch.tensor(strip.cells(size[dim - 2], self.grid), device=prototypes.device)
            prototypes = prototypes.index_select(dim, cells)
        return prototypes


class NetworkSynthesis:
    """Fulfils `Synthesis` by a network. half: convolutions and matrix products in bfloat16, with sums in float32."""

    def __init__(self, net: Network, half: bool = False) -> None:
        self.net, self.half = net, half

    @property
    def everything(self) -> bool:
        """On a GPU a convolution may go by way of a transform of many positions, which all touch a pixel's last bit."""
        return next(self.net.parameters()).is_cuda or not self.net.local

    def pixels(self, decoded: Decoded, window: Window, rate: Tensor | None) -> Tensor:
        """See Synthesis."""
        if not self.half:
            return self.net.synthesise(decoded, WindowRegions(window), rate)[0]
        with torch.autocast(decoded.y_hat.device.type, torch.bfloat16):
            return self.net.synthesise(decoded, WindowRegions(window), rate)[0].float()
