"""8-bit pixels and opacity, to tensors and bytes and back."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from regio.errors import BadImage, CorruptFile
from regio.images import Pixels, read_picture


def to_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """(H,W,3) uint8 -> (1,3,H,W) in [0,1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(2, 0, 1)[None].float() / 255


def pad(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Repeat the last row and column until (B,C,H,W) has this height and width."""
    return F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]), mode="replicate")


def to_pixels(x_hat: Tensor, grey: bool) -> Pixels:
    """(3,H,W) -> (H,W,3) uint8; a grey picture takes the mean of its planes."""
    if grey:
        x_hat = x_hat.mean(0, keepdim=True).expand(3, -1, -1)
    pixels: Pixels = x_hat.clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return pixels


def pack_alpha(alpha: Pixels) -> bytes:
    """One byte for a constant plane, otherwise a grey PNG."""
    if alpha.min() == alpha.max():
        return bytes([int(alpha.flat[0])])
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG", optimize=True)
    return out.getvalue()


def unpack_alpha(body: bytes, height: int, width: int) -> Pixels:
    """What `pack_alpha` made; CorruptFile where the PNG does not decode to the picture's size."""
    if len(body) == 1:
        return np.full((height, width), body[0], np.uint8)
    try:
        alpha = read_picture(body)
    except BadImage as error:
        raise CorruptFile(f"the alpha plane is damaged: {error}") from error
    if not alpha.grey or alpha.pixels.shape[:2] != (height, width):
        raise CorruptFile("the alpha plane is not a grey picture of the right size")
    return np.ascontiguousarray(alpha.pixels[..., 0])
