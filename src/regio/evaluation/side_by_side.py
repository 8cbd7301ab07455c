"""One labelled picture that shows several versions of a photograph beside each other, whole and in crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from regio.evaluation.metrics import mse
from regio.images import Pixels

GAP = 12  # pixels between panels and around them
PAPER, INK, FRAME = (255, 255, 255), (20, 20, 20), (255, 60, 0)


@dataclass(frozen=True)
class Panel:
    """A version of the picture and what to write above it."""

    title: str
    lines: tuple[str, ...]
    pixels: Pixels  # (H,W,3)


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, pixels: Pixels) -> Pixels:
        """(H,W,3) -> (height,width,3)."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def busiest_window(reference: Pixels, versions: Sequence[Pixels], *, part: float = 0.28) -> Window:
    """The crop in which the versions differ most from the reference.

    The window is a square of `part` of the shorter side, on a grid of a quarter of itself.
    """
    height, width = reference.shape[:2]
    side = max(1, round(part * min(height, width)))
    step = max(1, side // 4)
    candidates = [
        Window(left, top, side, side)
        for top in range(0, height - side + 1, step)
        for left in range(0, width - side + 1, step)
    ]
    return max(candidates, key=lambda window: sum(mse(window.cut(reference), window.cut(one)) for one in versions))


def side_by_side(
    panels: Sequence[Panel], windows: Sequence[Window], *, width: int = 360, size: int = 15
) -> Image.Image:
    """Columns of panels: label, whole picture `width` pixels wide, and one enlarged crop per window.

    Crops are enlarged by repeating pixels, so that what is seen is the codec's, not the enlargement's. The windows are
    framed in the first panel. `size` is the height of the lettering in pixels.
    """
    height, original = panels[0].pixels.shape[:2]
    whole = (width, max(1, round(height * width / original)))
    bold, plain = ImageFont.load_default(size + 2), ImageFont.load_default(size)
    label = (size + 8) * (1 + max(len(panel.lines) for panel in panels))
    crops = [max(1, round(window.height * width / window.width)) for window in windows]
    total = (
        GAP + (width + GAP) * len(panels),
        GAP + label + whole[1] + sum(GAP + crop for crop in crops) + GAP,
    )
    sheet = Image.new("RGB", total, PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, panel in enumerate(panels):
        left, top = GAP + (width + GAP) * number, GAP
        draw.text((left, top), panel.title, fill=INK, font=bold)
        for line_number, line in enumerate(panel.lines, start=1):
            draw.text((left, top + (size + 8) * line_number), line, fill=INK, font=plain)
        top += label
        sheet.paste(_resized(panel.pixels, whole, Image.Resampling.LANCZOS), (left, top))
        if number == 0:
            for window in windows:
                scale = width / original
                corner = (left + window.left * scale, top + window.top * scale)
                draw.rectangle(
                    (*corner, corner[0] + window.width * scale, corner[1] + window.height * scale),
                    outline=FRAME,
                    width=2,
                )
        top += whole[1]
        for window, crop in zip(windows, crops, strict=True):
            cut = _resized(window.cut(panel.pixels), (width, crop), Image.Resampling.NEAREST)
            sheet.paste(cut, (left, top + GAP))
            top += GAP + crop
    return sheet


def _resized(pixels: Pixels, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels)).resize(size, how)
