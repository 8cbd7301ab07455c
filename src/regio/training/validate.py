"""Estimated rate and distortion on held-back pictures, for choices during training. Tables use real files instead."""

import torch
from torch.nn import functional as F

from regio.data.pictures import PicturePack
from regio.models.segpic import SegPIC

RATES = (0.05, 0.25, 0.5, 0.75, 0.95)
LARGEST = 384  # pixels a side that are looked at, from the centre


@torch.no_grad()
def validate(net: SegPIC, held: PicturePack) -> list[dict[str, float]]:
    """Mean bits per pixel and PSNR over the pictures at a few rates, and how the bits divide among streams."""
    device = next(net.parameters()).device
    points = []
    for rate in RATES if net.gain is not None else (0.5,):
        rows = []
        for picture in held.pictures:
            x = _centre(picture, net.multiple).to(device).float().div(255)[None]
            padded = F.pad(x, (0, -x.shape[3] % net.multiple, 0, -x.shape[2] % net.multiple), mode="replicate")
            out = net(padded, rate=x.new_tensor([rate]))
            shown = out.x_hat[..., : x.shape[2], : x.shape[3]].clamp(0, 1).mul(255).round() / 255
            mse = (shown - x).square().mean()
            area = x.shape[2] * x.shape[3]
            streams = {name: float(bits.sum()) / area for name, bits in out.bits.items()}
            rows.append({"bpp": sum(streams.values()), "psnr": float(-10 * torch.log10(mse)), **streams})
        points.append({"rate": rate, **{k: round(sum(r[k] for r in rows) / len(rows), 4) for k in rows[0]}})
    return points


def _centre(picture: torch.Tensor, multiple: int) -> torch.Tensor:
    _, height, width = picture.shape
    h, w = (min(side // multiple * multiple or side, LARGEST) for side in (height, width))
    top, left = (height - h) // 2, (width - w) // 2
    return picture[:, top : top + h, left : left + w]
