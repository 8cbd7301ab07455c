"""PSNR inside and outside of a picture's marked region. Asked of every picture; those without one have no figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regio.evaluation.judges.base import Column, Judge, Verdict

if TYPE_CHECKING:
    from regio.evaluation.marks import Mask
    from regio.images import Pixels


class Regions(Judge):
    """Its description is empty: the region's hash comes from `Marks.identity`, as it differs from picture to picture.

    `roi_share` is measured on the file, not on the decoded picture: `sweep.measure` asks the codec for it.
    """

    name = "regions"
    columns = (
        Column("roi_psnr", "ROI", ".2f", "PSNR inside the region, dB", unit="dB", fields=("roi-psnr-rgb",)),
        Column(
            "background_psnr", "rest", ".2f", "PSNR outside the region, dB", unit="dB", fields=("background-psnr-rgb",)
        ),
        Column("roi_share", "ROI share", ".3f", fields=("roi-share",)),
    )  # fmt: skip

    def prepare(self, original: Pixels, mask: Mask | None) -> Verdict:
        """See Judge."""
        from regio.evaluation.metrics import masked_psnr

        parts = {} if mask is None else {"roi_psnr": mask, "background_psnr": ~mask}
        return lambda decoded: {key: masked_psnr(original, decoded, part) for key, part in parts.items()}
