"""Arithmetic in float64, for the networks that decide which table codes a symbol.

Where scales come of floating-point networks, machines disagree about their last bits. In float64 these bits are 2**29
times finer than in float32, so a guard band can be wide beside what machines differ by, and list next to nothing.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """What was made of frozen parameters, kept for as long as they stay what they are.

    Nothing is kept of parameters that want a gradient: optimisers change those. Copies of a `Kept` are empty.
    """

    def __init__(self) -> None:
        self._kept: tuple[list[tuple[Tensor, int]], Made] | None = None  # what was seen, and what was made of it

    def of(self, parameters: tuple[Tensor, ...], make: Callable[[], Made]) -> Made:
        """The result of `make`, called again if a parameter has been replaced, moved or written to."""
        if any(p.requires_grad or p.is_inference() for p in parameters):
            return make()
        kept = self._kept
        if kept is None or len(kept[0]) != len(parameters) or not all(map(_same, kept[0], parameters)):
            # what is detached shares the storage, so no other tensor can come to lie at its address
            kept = [(p.detach(), p._version) for p in parameters], make()
            self._kept = kept
        return kept[1]

    def __reduce__(self) -> tuple[type["Kept[Any]"], tuple[()]]:
        return Kept, ()


def _same(seen: tuple[Tensor, int], now: Tensor) -> bool:
    known, version = seen
    return known.data_ptr() == now.data_ptr() and known.dtype == now.dtype and version == now._version


class PreciseConv(nn.Conv2d):
    """A convolution of stride 1, zeros outside, that is quick in float64 on the CPU as well.

    torch copies every window of a float64 map into a matrix; here each tap of the kernel is a product with the map as
    it lies, shifted. The same sums in another order.
    """

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(before, after, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B,before,h,w) -> (B,after,h,w)."""
        if x.dtype != torch.float64 or x.device.type != "cpu" or torch.is_grad_enabled():
            return super().forward(x)
        assert self.bias is not None
        return conv_by_taps(x, taps_of(self.weight), self.bias)


def make_precise(part: nn.Module) -> None:
    """Put a network into float64, kernels so that each of their taps lies in one piece of memory."""
    part.double()
    for module in part.modules():
        if isinstance(module, PreciseConv):
            apart = taps_of(module.weight).reshape(*module.kernel_size, *module.weight.shape[:2])
            module.weight.data = apart.permute(2, 3, 0, 1)  # the same values at the same indices


def taps_of(weight: Tensor) -> Tensor:
    """A kernel (out,in,k,k) -> a matrix for each of its taps, (k*k,out,in); no copy where they lie so already."""
    return weight.detach().permute(2, 3, 0, 1).flatten(0, 1).contiguous()


def conv_by_taps(x: Tensor, taps: Tensor, bias: Tensor) -> Tensor:
    """x (B,in,h,w), taps (k*k,out,in), k odd, bias (out,) -> (B,out,h,w); zeros outside. Without gradient."""
    batch, _, height, width = x.shape
    kernel = round(len(taps) ** 0.5)
    margin = kernel // 2
    row = width + 2 * margin
    padded = F.pad(x, (margin, margin, margin, margin + 1)).flatten(2)  # the last window ends in a row more
    sums = bias.detach()[None, :, None].repeat(batch, 1, height * row)
    for image, total in zip(padded, sums, strict=True):
        for k, tap in enumerate(taps):
            start = k // kernel * row + k % kernel
            total.addmm_(tap, image[:, start : start + height * row])
    return sums.view(batch, -1, height, row)[..., :width].contiguous()


def seen_by(x: Tensor, part: nn.Module) -> Tensor:
    """x as `part` wants it, where one of them is in float64; untouched otherwise."""
    like = next(part.parameters())
    return x.to(like) if torch.float64 in (x.dtype, like.dtype) else x
