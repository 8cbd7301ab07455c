"""DISTS [Ding2020]: structure and texture of VGG-16 features, 0 for equal pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from regio.evaluation.judges.base import Column, Figures, Judge, Setting, Verdict

if TYPE_CHECKING:
    from regio.images import Pixels
    from regio.losses.perceptual import Dists


class DistsJudge(Judge):
    """The network is loaded once; features of an original are kept while its versions are judged."""

    name = "dists"
    about = "DISTS; weights from --lpips-weights, else fetched"
    columns = (Column("dists", "DISTS", ".4f"),)

    def __init__(self, network: Dists) -> None:
        self.network = network

    @classmethod
    def make(cls, setting: Setting) -> DistsJudge:
        """See Judge."""
        from regio.codec.devices import device_of
        from regio.losses.perceptual import Dists

        return cls(Dists(weights=setting.weights).to(device_of(setting.device)))

    @property
    def description(self) -> str:
        """See Judge."""
        return self.network.description

    def prepare(self, original: Pixels) -> Verdict:
        """See Judge."""
        from regio.evaluation.features import features_of

        kept = features_of(self.network, original)

        def verdict(decoded: Pixels) -> Figures:
            theirs = None if kept is None else features_of(self.network, decoded)
            if kept is None or theirs is None:
                return {"dists": math.nan}
            return {"dists": float(self.network.distance(kept, theirs))}

        return verdict
