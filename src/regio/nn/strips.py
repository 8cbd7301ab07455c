"""Large feature maps, a strip of rows at a time.

What works on each position by itself needs no second map as large as the first: it can take a few rows, and put the
result back before it takes the next. A strip stays in the processor's cache, and memory of its size is used over and
over, where each fresh map is pages that the operating system must first hand out. That is so on CPUs; elsewhere, and
where gradients are wanted, maps are taken in one piece.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

STRIP = 2**20  # numbers of a map in one strip, about


def piecewise(x: Tensor) -> bool:
    """Whether work on x is quicker in small pieces."""
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not torch.compiler.is_compiling()


def strips(x: Tensor, multiple: int = 1) -> Iterator[slice]:
    """Rows of x (B,C,H,W), from the top, a multiple of `multiple` at a time, or all of them in one."""
    height = x.shape[2]
    row = max(1, x.numel() // max(1, height))
    rows = max(1, STRIP // row // multiple) * multiple if piecewise(x) else height
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def by_strips(work: Callable[[Tensor], Tensor], x: Tensor, into: Tensor | None = None) -> Tensor:
    """`work` of x (B,C,H,W), which looks at each position by itself and keeps the shape -> (B,C,H,W).

    into: where the result may be put, a map like x that nobody needs any more (x itself, if so).
    """
    if not piecewise(x) or x.numel() <= STRIP:
        return work(x)
    out = torch.empty_like(x) if into is None else into
    for rows in strips(x):
        out[:, :, rows] = work(x[:, :, rows])
    return out
