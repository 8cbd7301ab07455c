"""Arithmetic in float64, for the networks that decide which table codes a symbol.

Where scales come of floating-point networks, machines disagree about their last bits. In float64 these bits are 2**29
times finer than in float32, so a guard band can be wide beside what machines differ by, and list next to nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.winograd import conv_by_tiles, fits, to_tiles

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """A value made of frozen parameters, cached until a parameter changes.

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

    torch copies every window of a float64 map into a matrix. Here large maps are taken by tiles, with a quarter of the
    products (`nn/winograd.py`); in small ones each tap of the kernel is a product with the map as it lies, shifted.
    """

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(before, after, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B,before,h,w) -> (B,after,h,w)."""
        if x.dtype != torch.float64 or x.device.type != "cpu" or torch.is_grad_enabled():
            return super().forward(x)
        return Framed.around([x], self.kernel_size[0] // 2).passed(self).map.contiguous()


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


class PreciseStack(nn.Sequential):
    """Convolutions of stride 1, zeros outside, with GELU between; in float64 on the CPU, maps keep their margins.

    There the zeros around a map are laid once, and each convolution writes where the next one reads.
    """

    def forward(self, first: "Tensor | Seen", *rest: Tensor) -> Tensor:
        """Maps (B,C,h,w), one after the other by channels -> (B,out,h,w)."""
        x = first.x if isinstance(first, Seen) else first
        if x.dtype != torch.float64 or x.device.type != "cpu" or torch.is_grad_enabled():
            x = torch.cat((x, *rest), dim=1)
            for layer in self:
                x = layer(x)
            return x
        convs = [layer for layer in self if isinstance(layer, PreciseConv)]
        margin = max(conv.kernel_size[0] for conv in convs) // 2
        if isinstance(first, Seen) and rest and fits(x.shape[2], x.shape[3], convs[0].kernel_size[0]):
            framed = first.passed(convs[0], rest, margin)
        else:
            framed = Framed.around((x, *rest), margin).passed(convs[0])
        for conv in convs[1:]:
            framed.apply(F.gelu)
            framed = framed.passed(conv)
        return framed.map


class Seen:
    """A map x (B,C,h,w) that several stacks begin with: what their convolutions make of its tiles is made once."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self._tiles: list[Tensor] | None = None  # of each picture

    def by(self, part: nn.Module) -> "Tensor | Seen":
        """See `seen_by`."""
        x = seen_by(self.x, part)
        return self if x is self.x else x

    def passed(self, conv: PreciseConv, rest: Sequence[Tensor], margin: int) -> "Framed":
        """This map and others behind a layer, by tiles."""
        assert conv.bias is not None
        if self._tiles is None:
            self._tiles = Framed.around([self.x], 1).tiles()
        taps, bias = taps_of(conv.weight), conv.bias.detach()
        result = Framed(len(self.x), len(bias), (self.x.shape[2], self.x.shape[3]), margin, self.x)
        for mine, theirs, total in zip(self._tiles, Framed.around(rest, 1).tiles(), result.map, strict=True):
            conv_by_tiles([mine, theirs], taps, bias, total)
        result.clear()
        return result


class Framed:
    """A map (B,C,h,w) with a frame of zeros, in one piece of memory where a shift by a tap is a shift of the start."""

    def __init__(self, batch: int, channels: int, size: tuple[int, int], margin: int, like: Tensor) -> None:
        self.margin, self.size = margin, size
        self.row = size[1] + 2 * margin
        self.memory = like.new_empty(batch, channels, size[0] + 2 * margin + 1, self.row)  # windows end in a row more

    @classmethod
    def around(cls, parts: Sequence[Tensor], margin: int) -> "Framed":
        """Maps one after the other by channels, framed."""
        x = parts[0]
        framed = cls(len(x), sum(part.shape[1] for part in parts), (x.shape[2], x.shape[3]), margin, x)
        torch.cat(tuple(parts), dim=1, out=framed.map)
        framed.clear()
        return framed

    @property
    def map(self) -> Tensor:
        """(B,C,h,w), a view."""
        return self.widened(0)

    def widened(self, by: int) -> Tensor:
        """(B,C,h+2*by,w+2*by), a view: the map and as much of its frame."""
        (height, width), m = self.size, self.margin
        return self.memory[:, :, m - by : m + height + by, m - by : m + width + by]

    def clear(self) -> None:
        """Lay the zeros."""
        (height, width), m = self.size, self.margin
        for edge in (self.memory[:, :, :m], self.memory[:, :, m + height :]):
            edge.zero_()
        for edge in (self.memory[..., :m], self.memory[..., m + width :]):
            edge.zero_()

    def lines(self, shift: int = 0) -> Tensor:
        """(B,C,h*row): from the first position of the map on, with the frame's columns between, shifted."""
        start = self.margin * self.row + self.margin + shift
        return self.memory.flatten(2)[:, :, start : start + self.size[0] * self.row]

    def convolved(self, taps: Tensor, bias: Tensor) -> "Framed":
        """taps (k*k,out,C), k odd, bias (out,): the convolution of the map, a product of matrices for each tap.

        Exact where all numbers are whole and their sums small.
        """
        result = Framed(len(self.memory), taps.shape[1], self.size, self.margin, self.memory)
        kernel = round(len(taps) ** 0.5)
        sums = result.lines()
        sums.copy_(bias.detach()[:, None].expand(sums.shape))
        for k, tap in enumerate(taps):
            shift = (k // kernel - kernel // 2) * self.row + k % kernel - kernel // 2
            for total, seen in zip(sums, self.lines(shift), strict=True):
                total.addmm_(tap, seen)
        result.clear()
        return result

    def passed(self, conv: PreciseConv) -> "Framed":
        """The map behind a layer, by the quicker way; results differ in their last bits from those of the other."""
        assert conv.bias is not None
        taps, bias = taps_of(conv.weight), conv.bias.detach()
        if not fits(*self.size, conv.kernel_size[0]):
            return self.convolved(taps, bias)
        result = Framed(len(self.memory), len(bias), self.size, self.margin, self.memory)
        for seen, total in zip(self.tiles(), result.map, strict=True):
            conv_by_tiles([seen], taps, bias, total)
        result.clear()
        return result

    def tiles(self) -> list[Tensor]:
        """Transformed values (36,C,tiles) of each picture."""
        return [to_tiles(seen) for seen in self.widened(1)]

    def apply(self, activation: Callable[[Tensor], Tensor]) -> None:
        """Replace the map by a function of it that keeps zeros."""
        self.memory.copy_(activation(self.memory))


def conv_by_taps(x: Tensor, taps: Tensor, bias: Tensor) -> Tensor:
    """x (B,in,h,w), taps (k*k,out,in), k odd, bias (out,) -> (B,out,h,w); zeros outside. Without gradient."""
    return Framed.around([x], round(len(taps) ** 0.5) // 2).convolved(taps, bias).map.contiguous()


def seen_by(x: Tensor, part: nn.Module) -> Tensor:
    """x as `part` wants it, where one of them is in float64; untouched otherwise."""
    like = next(part.parameters())
    return x.to(like) if torch.float64 in (x.dtype, like.dtype) else x
