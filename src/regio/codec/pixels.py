"""8-bit pixels to tensors and back."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from regio.images import Pixels


def to_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """(H,W,3) uint8 -> (1,3,H,W) in [0,1]."""
    own = np.require(pixels, requirements=["C", "W"])  # torch warns of pixels that it could not write to
    return torch.from_numpy(own).to(device).permute(2, 0, 1)[None].float() / 255


def pad(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat the last row and column until (B,C,H,W) has this height and width."""
    return F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")


def to_pixels(x_hat: Tensor, grey: bool) -> Pixels:
    """(3,H,W) -> (H,W,3) uint8; a grey picture takes the mean of its planes."""
    if grey:
        x_hat = x_hat.mean(0, keepdim=True).expand(3, -1, -1)
    pixels: Pixels = x_hat.clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return pixels
