"""What networks that judge keep of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from regio.images import Pixels

if TYPE_CHECKING:
    from torch import Tensor

    from regio.losses.perceptual import Dists, Lpips


def features_of(judge: Lpips | Dists | None, pixels: Pixels) -> list[Tensor] | None:
    """What a judge keeps of an (H,W,3) picture; None without one, or if the picture is too small for it."""
    if judge is None or min(pixels.shape[:2]) < judge.smallest:
        return None
    import torch

    scaled = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]  # (H,W,3) -> (1,3,H,W)
    with torch.inference_mode():
        return judge.features(scaled.to(judge.device))
