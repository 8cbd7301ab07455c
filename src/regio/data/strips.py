"""Sample pictures to look at during training."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from regio.durable import replacing

GAP = 4  # grey pixels between pictures


def write_strips(path: Path, pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Write one PNG: a row for every pair of pictures (3,H,W) uint8 of equal size, left and right."""
    width = max(left.shape[2] for left, _ in pairs)
    rows = [_row(left, right, width) for left, right in pairs]
    whole = torch.cat(rows, dim=1)[:, : -GAP or None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        Image.fromarray(whole.permute(1, 2, 0).contiguous().numpy()).save(part, format="PNG")


def _row(left: Tensor, right: Tensor, width: int) -> Tensor:
    """-> (3,H+GAP,2*width+GAP)."""
    _, h, w = left.shape
    row = torch.full((3, h + GAP, 2 * width + GAP), 128, dtype=torch.uint8)
    row[:, :h, :w] = left
    row[:, :h, width + GAP : width + GAP + w] = right
    return row
