"""A checkerboard over latents: one half is coded first, the other half then sees its neighbours (He et al. 2021).

A o A o        A A        o o
o A o A  ──►   A A   and  o o      A: anchors, coded first; o: others, each between four anchors
"""

import torch
from torch import Tensor


def split(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (B,C,h,w), w even -> anchors and others, (B,C,h,w/2) each, every row pushed together."""
    pairs = x.reshape(*x.shape[:3], -1, 2)  # (B,C,h,w/2,2)
    even_rows = _even_rows(x)
    first, second = pairs[..., 0], pairs[..., 1]
    return torch.where(even_rows, first, second), torch.where(even_rows, second, first)


def join(anchors: Tensor, others: Tensor) -> Tensor:
    """The way back: (B,C,h,w/2) twice -> (B,C,h,w)."""
    even_rows = _even_rows(anchors)
    first, second = torch.where(even_rows, anchors, others), torch.where(even_rows, others, anchors)
    return torch.stack([first, second], dim=-1).flatten(3)


def _even_rows(x: Tensor) -> Tensor:
    """-> bool (h,1)."""
    return torch.arange(x.shape[2], device=x.device)[:, None] % 2 == 0
