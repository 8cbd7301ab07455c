"""DA-Mask [Li2023]: chooses the patches to send, by their texture and by the structure that they belong to.

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", section 3.2.

    x ──── grey, Laplacian ──► texture t (per patch) ──┐
    object map ──► structure s (per patch) ────────────┴─► c = t s ──► log p ──► Gumbel top-K ──► kept patches

Everything works on patches of 16x16 pixels. No learning; the same functions serve training and files.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

PATCH = 16
GREY = (0.299, 0.587, 0.114)
STRUCTURE_FLOOR = 0.1  # what a patch without any object counts, objects counting up to 255; the published code's
Strategy = Literal["da-mask", "texture", "structure", "random"]
STRATEGIES: tuple[Strategy, ...] = ("da-mask", "texture", "structure", "random")  # the rows of the paper's ablation


def texture(x: Tensor) -> Tensor:
    """x (B,3,H,W) in [0,1], sides multiples of 16 -> mean absolute Laplacian of each patch (B,H/16,W/16), 0 to 255.

    Eq. 4-6, as the published code computes it: kernel rows [2 0 2], [0 -8 0], [2 0 2] on 8-bit grey, each patch by
    itself with its edge reflected, absolute values cut at 255, their mean (the paper: their sum). Departure: that is
    not rounded to two decimals.
    """
    batch, _, height, width = x.shape
    rows, columns = height // PATCH, width // PATCH
    pixels = x.detach().float().mul(255).round().clamp(0, 255)
    grey = (pixels * pixels.new_tensor(GREY).view(1, 3, 1, 1)).sum(1).round()
    patches = grey.reshape(batch, rows, PATCH, columns, PATCH).permute(0, 1, 3, 2, 4).reshape(-1, 1, PATCH, PATCH)
    padded = F.pad(patches, (1, 1, 1, 1), mode="reflect")
    corners = padded[..., :-2, :-2] + padded[..., :-2, 2:] + padded[..., 2:, :-2] + padded[..., 2:, 2:]
    edges = (2 * corners - 8 * patches).abs().clamp_max(255)
    return edges.mean(dim=(1, 2, 3)).reshape(batch, rows, columns)


def structure(objects: Tensor) -> Tensor:
    """Object map (B,H,W) in [0,1], any object = 1 -> mean in each patch on 0 to 255, plus 0.1, (B,H/16,W/16).

    Eq. 7; the floor of 0.1 is the published code's, so that no patch is impossible.
    """
    return F.avg_pool2d(objects.detach().float()[:, None], PATCH)[:, 0] * 255 + STRUCTURE_FLOOR


def log_chances(
    strategy: Strategy, textures: Tensor, structures: Tensor | None, normalise: str = "proportion"
) -> Tensor:
    """Scores (B,h,w) -> logarithms of the chances of all patches of a picture (B,h,w), Eq. 8 and 9.

    structures None: no patch belongs to an object more than any other. normalise: "proportion", chances are in
    proportion to the capacity c = t s, as in the published code; "softmax" of c, Eq. 9 as printed.
    """
    ones = torch.ones_like(textures)
    objects = ones if structures is None else structures
    capacity = {"da-mask": textures * objects, "texture": textures, "structure": objects, "random": ones}[strategy]
    if normalise == "softmax":
        return capacity.flatten(1).log_softmax(1).view_as(capacity)
    weight = capacity.clamp_min(1e-6)
    return torch.log(weight / weight.sum(dim=(1, 2), keepdim=True))


def gumbel(chances: Tensor, generator: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
    """Log-chances (B,h,w) -> scores (B,h,w) whose K highest are K draws without replacement (Gumbel top-K).

    Temperature 0: no chance at all, the most likely patches come first.
    """
    if temperature == 0:
        return chances
    uniform = torch.rand(chances.shape, generator=generator, dtype=torch.float64, device="cpu").to(chances.device)
    noise = -torch.log(-torch.log(uniform.clamp(1e-12, 1 - 1e-12)))
    return chances + temperature * noise.to(chances.dtype)


def top(scores: Tensor, count: int) -> Tensor:
    """Scores (B,h,w) -> the `count` best patches of each picture (B,count) int64, in raster order."""
    best = scores.flatten(1).topk(count, dim=1).indices
    return best.sort(dim=1).values


BLOCK = 4  # patches a side, of which one is sent in any case


def typicality(x: Tensor) -> Tensor:
    """x (B,3,H,W), sides multiples of 16 -> (B,H/16,W/16): how near each patch's mean colour is to that of its block.

    A block is BLOCK x BLOCK patches, fewer at the edges. Zero is nearest, others are negative.
    """
    colours = F.avg_pool2d(x.detach().float(), PATCH)
    pads = (0, -colours.shape[3] % BLOCK, 0, -colours.shape[2] % BLOCK)
    wide = F.pad(colours, pads)
    share = F.avg_pool2d(F.pad(torch.ones_like(colours), pads), BLOCK)
    means = (F.avg_pool2d(wide, BLOCK) / share).repeat_interleave(BLOCK, 2).repeat_interleave(BLOCK, 3)
    return -(wide - means).square().sum(1)[:, : colours.shape[2], : colours.shape[3]]


def covering(scores: Tensor, typical: Tensor) -> Tensor:
    """Scores (B,h,w) -> the same with the most typical patch of every block above all others (ours).

    Capacity alone sends nothing of a sky until all else is sent, and what is painted there then has no colour to go by.
    One patch in sixteen gives every place a neighbour that is known; being typical, it takes few bits and stands for
    what lies around it.
    """
    batch, height, width = scores.shape
    padded = F.pad(typical, (0, -width % BLOCK, 0, -height % BLOCK), value=float("-inf"))
    cut = padded.reshape(batch, padded.shape[1] // BLOCK, BLOCK, -1, BLOCK).permute(0, 1, 3, 2, 4).flatten(3)
    best = F.one_hot(cut.argmax(3), BLOCK * BLOCK).to(scores.dtype)
    lead = best.reshape(*cut.shape[:3], BLOCK, BLOCK).permute(0, 1, 3, 2, 4).reshape(padded.shape)[:, :height, :width]
    spread = scores.amax(dim=(1, 2), keepdim=True) - scores.amin(dim=(1, 2), keepdim=True)
    raised: Tensor = scores + lead * (spread + 1)
    return raised


def ranks(scores: Tensor) -> Tensor:
    """Scores (h,w) -> the place of each patch in their order (h,w) int64, 0 the best; ties in raster order."""
    order = torch.sort(scores.flatten(), descending=True, stable=True).indices
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    return place.view_as(scores)
