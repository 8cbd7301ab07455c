"""LPIPS v0.1 by one of three networks, 0 for equal pictures. `roi-xs` and `mcm-tiny` were trained on the first."""

from __future__ import annotations

from regio.evaluation.judges.base import Column, Setting, decibels
from regio.evaluation.judges.networks import NetworkJudge


def _curve(key: str, network: str) -> Column:
    axis, field = f"LPIPS ({network}), −10 log₁₀ l, dB", key.replace("_", "-")
    by = f"LPIPS ({network.partition('-')[0]}"
    return Column(key, "LPIPS", ".4f", axis, lambda one: decibels(1 - one), fields=(field,), of="lpips", by=by)


class LpipsJudge(NetworkJudge):
    """One column of the CSV whatever the network; a curve for each, as distances of two networks do not compare."""

    name = "lpips"
    about = "LPIPS by the network of --lpips (squeeze)"
    columns = (
        Column("lpips", "LPIPS", ".4f"),
        _curve("lpips_squeeze", "SqueezeNet"),
        _curve("lpips_alex", "AlexNet"),
        _curve("lpips_vgg", "VGG-16"),
    )

    @classmethod
    def make(cls, setting: Setting) -> LpipsJudge:
        """See Judge."""
        from regio.codec.devices import device_of
        from regio.losses.perceptual import Lpips

        return cls(Lpips(setting.lpips, weights=setting.weights).to(device_of(setting.device)))
