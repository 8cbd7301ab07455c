"""DISTS [Ding2020]: structure and texture of VGG-16 features, 0 for equal pictures."""

from __future__ import annotations

from regio.evaluation.judges.base import Column, Setting
from regio.evaluation.judges.networks import NetworkJudge


class DistsJudge(NetworkJudge):
    """Structure and texture together."""

    name = "dists"
    about = "DISTS; weights from --lpips-weights, or downloaded"
    columns = (Column("dists", "DISTS", ".4f"),)

    @classmethod
    def make(cls, setting: Setting) -> DistsJudge:
        """See Judge."""
        from regio.codec.devices import device_of
        from regio.losses.perceptual import Dists

        return cls(Dists(weights=setting.weights).to(device_of(setting.device)))
