"""LPIPS without its weights, for tests of what stands around it."""

from pathlib import Path

import torch

from regio.losses.perceptual import LAYERS, Lpips
from regio.losses.perceptual_weights import BACKBONES


def random_lpips(folder: Path) -> Lpips:
    """SqueezeNet and heads with the same random weights every time, written into a folder and read from there."""
    torch.manual_seed(0)
    torch.save(LAYERS["squeeze"]().state_dict(), folder / "lpips_squeeze_backbone.pth")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(BACKBONES["squeeze"].channels)}
    torch.save(heads, folder / "squeeze.pth")
    return Lpips("squeeze", weights=folder)
