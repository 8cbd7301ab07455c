"""PSNR over R, G and B together; infinity for equal pictures. A mean is of the pictures' decibels, as in the field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regio.evaluation.judges.base import Column, Judge

if TYPE_CHECKING:
    from regio.images import Pixels


class Psnr(Judge):
    """Asked of every picture. Where it is infinite, the picture is left out of all means (see `means`)."""

    name = "psnr"
    columns = (Column("psnr", "PSNR", ".2f", "PSNR (RGB), dB", unit="dB", fields=("psnr-rgb", "psnr"), always=True),)

    def score(self, reference: Pixels, decoded: Pixels) -> float:
        """See Judge."""
        from regio.evaluation.metrics import psnr

        return psnr(reference, decoded)
