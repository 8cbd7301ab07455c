"""Averaged weights, the ones that are validated and exported."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from regio.models.base import Network


class MovingAverage:
    """Exponential moving average of all numbers of a model."""

    def __init__(self, live: Network) -> None:
        self.net = deepcopy(live)
        self.net.eval().requires_grad_(False)
        self._pairs = list(zip(_floats(self.net), _floats(live), strict=True))

    @torch.no_grad()
    def update(self, decay: float, step: int) -> None:
        """Update the average after `step` steps. Early on it forgets faster, so that fresh weights soon drop out."""
        kept = min(decay, (1 + step) / (10 + step))
        averages, live = zip(*self._pairs, strict=True)
        torch._foreach_lerp_(list(averages), list(live), 1 - kept)  # as torch.optim.swa_utils does


def _floats(net: nn.Module) -> list[Tensor]:
    return [v for v in net.state_dict().values() if v.is_floating_point()]
