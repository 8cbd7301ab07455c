"""What a detector or segmenter sees in versions of a picture, drawn over each of them: Figure 11 of [Li2023].

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from regio.evaluation.columns import figure
from regio.evaluation.compare import Version
from regio.evaluation.judges.agreement import Detector, Labeller, mean_iou, nearest
from regio.evaluation.judges.instances import Instances, agreement_of
from regio.evaluation.side_by_side import Panel, side_by_side
from regio.images import Pixels

if TYPE_CHECKING:
    from regio.data.importance import CocoInstances

Labels = npt.NDArray[np.int64]  # (H,W)
Seen = Instances | Labels

WIDTH = 480  # pixels of a panel
LETTERS = 13  # pixels
TINT = 0.45  # share of an object's colour in its area
COLOURS = np.array(
    [
        *((230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180), (70, 240, 240)),
        *((240, 50, 230), (210, 245, 60), (170, 110, 40), (255, 225, 25)),
    ]
)


def objects_sheet(
    pixels: Pixels,
    versions: Sequence[Version],
    network: Labeller | Detector,
    people: Instances | None = None,
    names: Mapping[int, str] | None = None,
) -> Image.Image:
    """Original and versions beside each other, each with what the network sees in it, and first what people saw.

    A detector's objects get a box with class and score, and a tint; the labels of a segmenter get a tint. The lines
    above a panel give its rate and its agreement with the original, as `regio evaluate` measures it. names: of classes.
    """
    names = names or {}
    height, width = pixels.shape[:2]
    reference = _seen(network, pixels)
    panels = [] if people is None else [_panel("labelled by people", "COCO's annotations", pixels, people, names)]
    panels.append(_panel("original", f"{width} x {height} pixels", pixels, reference, names))
    for one in versions:
        found = _seen(network, one.pixels)
        rate = f"{one.size} bytes, {one.bpp:.3f} bpp" + ("" if one.fits else ", over the budget")
        panels.append(_panel(one.codec, rate, one.pixels, found, names, _agreement(reference, found)))
    return side_by_side(panels, [], width=WIDTH)


def _seen(network: Labeller | Detector, pixels: Pixels) -> Seen:
    return network.find(pixels) if isinstance(network, Detector) else network.labels(pixels)


def _agreement(reference: Seen, found: Seen) -> float:
    if isinstance(reference, Instances) and isinstance(found, Instances):
        return agreement_of(reference, found)
    assert isinstance(reference, np.ndarray)
    assert isinstance(found, np.ndarray)
    return mean_iou(reference, found)


def _panel(
    title: str, line: str, pixels: Pixels, found: Seen, names: Mapping[int, str], agreement: float | None = None
) -> Panel:
    same = "" if agreement is None else f", mean IoU with the original {figure(agreement, '.3f')}"
    if isinstance(found, Instances):
        return Panel(title, (line, f"objects: {len(found.labels)}{same}"), with_objects(pixels, found, names))
    return Panel(title, (line, f"labels: {len(np.unique(found))}{same}"), tinted(_wide(pixels), found))


def people_saw(coco: CocoInstances, name: str, pixels: Pixels) -> Instances | None:
    """The objects that COCO's annotations give for a picture; None if they do not list it."""
    if name not in coco.found:
        return None
    size = coco.sizes.get(name, (pixels.shape[0], pixels.shape[1]))
    found = [(label, mask > 0) for label, mask in coco.objects(name, size)]
    found = [(label, mask) for label, mask in found if mask.any()]
    masks = np.stack([mask for _, mask in found]) if found else np.zeros((0, *size), bool)
    labels = np.array([label for label, _ in found], np.int64)
    boxes = np.array([_extent(mask) for mask in masks], np.float64).reshape(-1, 4)
    return Instances(labels, boxes, masks, None, size)


def with_objects(pixels: Pixels, found: Instances, names: Mapping[int, str]) -> Pixels:
    """(H,W,3) -> (h,WIDTH,3) with areas, boxes, classes and scores; the surest object lies on top."""
    shown = _wide(pixels)
    height, width = shown.shape[:2]
    if found.masks is not None:
        for label, mask in zip(found.labels[::-1], found.masks[::-1], strict=True):
            shown = tinted(shown, np.where(mask, int(label) + 1, 0))
    image = Image.fromarray(shown)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(LETTERS)
    scale = np.array([width / found.size[1], height / found.size[0]] * 2)
    scores = [math.nan] * len(found.labels) if found.scores is None else found.scores
    for label, box, score in list(zip(found.labels, found.boxes, scores, strict=True))[::-1]:
        ink = _colour(int(label) + 1)
        left, top, right, bottom = (box * scale).clip(0, [width - 1, height - 1] * 2)
        draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=ink, width=2)
        text = names.get(int(label), f"class {label}") + ("" if math.isnan(score) else f" {score:.2f}")
        place = draw.textbbox((left, top), text, font=font)
        left, top = (max(0, min(left, width - place[2] + left)), min(top, height - place[3] + top))
        draw.rectangle(draw.textbbox((left, top), text, font=font), fill=ink)
        draw.text((left, top), text, fill=(0, 0, 0) if sum(ink) > 380 else (255, 255, 255), font=font)
    return np.asarray(image)


def tinted(pixels: Pixels, labels: Labels) -> Pixels:
    """(H,W,3) and labels (h,w) -> (H,W,3), every label but 0 in its colour."""
    labels = nearest(labels, (pixels.shape[0], pixels.shape[1]))
    colours = COLOURS[(labels - 1) % len(COLOURS)]
    mixed = (1 - TINT) * pixels + TINT * colours
    return np.where(labels[..., None] > 0, mixed, pixels).astype(np.uint8)


def _colour(label: int) -> tuple[int, int, int]:
    red, green, blue = COLOURS[(label - 1) % len(COLOURS)].tolist()
    return red, green, blue


def _wide(pixels: Pixels) -> Pixels:
    """At the width of a panel."""
    height = max(1, round(pixels.shape[0] * WIDTH / pixels.shape[1]))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize((WIDTH, height), Image.Resampling.LANCZOS))


def _extent(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what a mask (H,W) covers."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
