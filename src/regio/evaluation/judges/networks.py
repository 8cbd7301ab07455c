"""Judges that are networks: LPIPS and DISTS."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from regio.evaluation.judges.base import Judge, Verdict

if TYPE_CHECKING:
    from torch import Tensor

    from regio.evaluation.marks import Mask
    from regio.images import Pixels
    from regio.losses.perceptual import Dists, Lpips


class NetworkJudge(Judge):
    """The network is loaded once; features of an original are kept while its versions are judged."""

    def __init__(self, network: Lpips | Dists) -> None:
        self.network = network
        self.description = network.description

    def prepare(self, original: Pixels, mask: Mask | None) -> Verdict:
        """See Judge; NaN for pictures too small for the network."""
        kept = features_of(self.network, original)

        def distance(decoded: Pixels) -> float:
            theirs = None if kept is None else features_of(self.network, decoded)
            return math.nan if kept is None or theirs is None else float(self.network.distance(kept, theirs))

        return lambda decoded: {self.columns[0].key: distance(decoded)}


def features_of(network: Lpips | Dists | None, pixels: Pixels) -> list[Tensor] | None:
    """The features of an (H,W,3) picture; None without a network, or if the picture is too small for it."""
    if network is None or min(pixels.shape[:2]) < network.smallest:
        return None
    import torch

    from regio.codec.pixels import to_tensor

    with torch.inference_mode():
        return network.features(to_tensor(pixels, network.device))
