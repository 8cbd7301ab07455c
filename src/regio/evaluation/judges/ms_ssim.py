"""MS-SSIM, mean over R, G and B; none for pictures too small for its five scales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regio.evaluation.judges.base import Column, Judge, decibels

if TYPE_CHECKING:
    from regio.images import Pixels


class MsSsim(Judge):
    """Asked of every picture."""

    name = "ms_ssim"
    columns = (
        Column(
            "ms_ssim", "MS-SSIM", ".4f", "MS-SSIM (RGB), −10 log₁₀(1 − m), dB", decibels,
            fields=("ms-ssim-rgb", "ms-ssim"), always=True,
        ),
    )  # fmt: skip

    def score(self, reference: Pixels, decoded: Pixels) -> float:
        """See Judge."""
        from regio.evaluation.metrics import ms_ssim

        return ms_ssim(reference, decoded)
