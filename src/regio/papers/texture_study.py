"""Are patches with much texture hard to code? The reason for MCM's masks, section 3.2 of [Li2023].

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from regio.codec.pixels import to_tensor
from regio.errors import UsageError
from regio.evaluation.contestants import Contestant
from regio.evaluation.judges.networks import features_of
from regio.evaluation.metrics import bpp
from regio.evaluation.plots import written
from regio.images import Pixels, read_picture
from regio.losses.perceptual import Lpips
from regio.models.mcm_mask import PATCH, texture

Values = npt.NDArray[np.float64]
PARTS = 10  # of equal size, by rising texture, in the drawing


class Patches(NamedTuple):
    """Every patch of 16 x 16 pixels of the pictures, coded by one codec at one setting."""

    codec: str
    setting: float
    bpp: float  # mean over the pictures
    textures: Values  # (n,)
    distances: Values  # (n,) LPIPS

    @property
    def correlation(self) -> float:
        """Spearman's: of the ranks, as neither scale is a length."""
        from scipy.stats import spearmanr  # type: ignore[import-untyped]

        return float(spearmanr(self.textures, self.distances).statistic)

    def by_texture(self, parts: int) -> Values:
        """Mean LPIPS of the patches, from those with the least texture to those with the most -> (parts,)."""
        order = np.argsort(self.textures, kind="stable")
        return np.array([self.distances[part].mean() for part in np.array_split(order, parts)])


def patches_of(one: Contestant, setting: float, pictures: Mapping[str, Path], network: Lpips) -> Patches:
    """Code the pictures, and measure every patch that lies wholly inside. Raises UsageError if there are too few."""
    textures, distances, rates = [], [], []
    for path in pictures.values():
        pixels = read_picture(path).pixels
        data = one.encode(pixels, setting)
        height, width = (side // PATCH * PATCH for side in pixels.shape[:2])
        reference, decoded = pixels[:height, :width], one.decode(data)[:height, :width]
        places = patch_lpips(network, reference, decoded)
        if places is None:
            continue
        textures.append(texture(to_tensor(reference, torch.device("cpu"))).flatten().double().numpy())
        distances.append(places.flatten())
        rates.append(bpp(len(data), pixels))
    if not textures or sum(map(len, textures)) < PARTS:
        raise UsageError(f"the pictures give too few patches of {PATCH} x {PATCH} pixels")
    return Patches(one.name, setting, float(np.mean(rates)), np.concatenate(textures), np.concatenate(distances))


def patch_lpips(network: Lpips, reference: Pixels, decoded: Pixels) -> Values | None:
    """LPIPS of each patch (h,w) of two (16h,16w,3) pictures; None if they are too small for the network.

    The network looks at whole pictures. The distance at each place of a layer is spread over the pixels that lie there,
    and a patch gets the mean of its pixels, summed over the layers.
    """
    before, after = features_of(network, reference), features_of(network, decoded)
    if before is None or after is None:
        return None
    total = torch.zeros(())
    with torch.inference_mode():
        for head, f, g in zip(network.heads, before, after, strict=True):
            places = ((f - g).square() * head).sum(dim=1, keepdim=True)  # (1,1,h,w)
            pixels = F.interpolate(places, size=reference.shape[:2], mode="nearest")
            total = total.to(places) + F.avg_pool2d(pixels, PATCH)
    found: Values = total[0, 0].double().cpu().numpy()
    return found


def texture_figure(found: Sequence[Patches], path: Path) -> None:
    """Draw mean LPIPS over texture: patches in ten parts of equal size, a line for each codec and setting."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(8, 5.5), layout="constrained")
    axes = drawing.subplots()
    for one in found:
        label = f"{one.codec} at {one.setting:g}: {one.bpp:.3f} bpp, ρ = {one.correlation:.2f}"
        axes.plot(np.arange(1, PARTS + 1), one.by_texture(PARTS), marker="o", markersize=4, label=label)
    axes.set_xlabel("tenth of the patches, by rising texture")
    axes.set_ylabel("mean LPIPS")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    written(drawing, path)
