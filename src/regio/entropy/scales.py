"""Standard deviations and their levels, as tensors; see `regio.entropy.tables`."""

import torch
from torch import Tensor

from regio.entropy.tables import LEVEL_STEP, SCALE_MIN


def scale_to_level(scale: Tensor) -> Tensor:
    """Standard deviations (any shape, > 0) -> levels, real-valued."""
    return torch.log(scale / SCALE_MIN) / LEVEL_STEP


def level_to_scale(level: Tensor) -> Tensor:
    """Levels (any shape, real) -> standard deviations."""
    return SCALE_MIN * torch.exp(level * LEVEL_STEP)
