"""Which patches MCM sends: the paper's four ways to choose them, at equal rates (Table 2, Figures 12 and 13 of
[Li2023]).

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from regio.errors import UsageError
from regio.evaluation.contestants import Own
from regio.evaluation.estimates import estimated, padded, rate_of
from regio.evaluation.judging import Judges, Original
from regio.evaluation.marks import Mask
from regio.evaluation.plots import written
from regio.evaluation.sweep import Row
from regio.images import Pixels, read_picture
from regio.models.base import Reconstruction
from regio.models.mcm_mask import PATCH, STRATEGIES, gumbel, log_chances, structure, texture, top


class Drawn(NamedTuple):
    """The output of a network for the patches that a strategy drew."""

    strategy: str
    setting: float
    keep: Tensor  # (1,K) patches sent, in raster order
    patches: tuple[int, int]  # rows and columns of them in the padded picture
    made: Reconstruction


def drawn(own: Own, original: Original, qualities: Sequence[float], generator: torch.Generator) -> Iterator[Drawn]:
    """Each strategy at each setting, patches drawn as in the paper.

    A codec that is named after a strategy is measured with that one alone: so stand models that were trained with
    different strategies beside each other. Objects are what is marked; without, no patch belongs to an object more than
    any other. Raises UsageError for a codec that does not send patches.
    """
    ways = [name for name in STRATEGIES if name == own.name] or list(STRATEGIES)
    for setting in own.settings_for(qualities):
        member, quality = own.at(setting)
        net = member.codec.net
        if net.patch_ranker is None:
            raise UsageError(f"{member.codec.name} does not choose patches")
        x, _ = padded(member.codec, original.pixels)
        textures, objects = texture(x), objects_of(x, original.mask)
        rate = rate_of(x, member.codec, quality)
        rows, columns = textures.shape[1:]
        count = net.patch_ranker.budget(rate, rows * columns)
        for strategy in ways:
            keep = top(gumbel(log_chances(strategy, textures, objects), generator), count)
            with torch.inference_mode():
                yield Drawn(strategy, setting, keep, (rows, columns), net(x, keep=keep, rate=rate))


def strategies(own: Own, pictures: Mapping[str, Path], qualities: Sequence[float], judges: Judges) -> list[Row]:
    """Rows of each strategy at each setting, see `drawn`; bytes are estimated.

    A codec that is named after its strategy keeps its name, of others the strategy is added.
    """
    generator = torch.Generator().manual_seed(0)
    rows: list[Row] = []
    for name, path in pictures.items():
        original = judges.look_at(name, read_picture(path).pixels)
        rows += [_row(own, name, original, one) for one in drawn(own, original, qualities, generator)]
    return rows


def _row(own: Own, picture: str, original: Original, one: Drawn) -> Row:
    label = "" if one.strategy == own.name else one.strategy
    return estimated(own, label, picture, original, one.setting, one.made)


def mask_figure(own: Own, original: Original, qualities: Sequence[float], path: Path) -> list[Row]:
    """Draw Figures 12 and 13 of [Li2023] for one picture, and return the rows of what is drawn.

    For each setting two lines, the patches that are sent and the decoded picture; a column for each strategy.
    """
    from matplotlib.figure import Figure

    height, width = original.pixels.shape[:2]
    shown = list(drawn(own, original, qualities, torch.Generator().manual_seed(0)))
    rows = [_row(own, "", original, one) for one in shown]
    settings, columns = own.settings_for(qualities), list(dict.fromkeys(one.strategy for one in shown))
    drawing = Figure(figsize=(3 * len(columns), 2 * 3 * len(settings) * height / width), layout="constrained")
    axes = drawing.subplots(2 * len(settings), len(columns), squeeze=False)
    for one, row in zip(shown, rows, strict=True):
        line, column = 2 * settings.index(one.setting), columns.index(one.strategy)
        decoded = one.made.x_hat[0, :, :height, :width].clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        axes[line, 0].set_ylabel(f"setting {one.setting:g}")
        axes[line, column].imshow(sent_only(original.pixels, one.keep, one.patches))
        axes[line, column].set_title(f"{one.strategy}: {one.keep.shape[1]} of {math.prod(one.patches)}", fontsize=9)
        axes[line + 1, column].imshow(decoded)
        axes[line + 1, column].set_title(f"{row.bpp:.4f} bpp, {row.figures['psnr']:.2f} dB", fontsize=9)
    written(drawing, path, ticks=False)
    return rows


def sent_only(pixels: Pixels, keep: Tensor, patches: tuple[int, int]) -> Pixels:
    """(H,W,3), ids (1,K) of patches and their rows and columns -> the picture, grey where nothing is sent."""
    sent = np.zeros(math.prod(patches), bool)
    sent[keep[0].cpu().numpy()] = True
    places = sent.reshape(patches).repeat(PATCH, 0).repeat(PATCH, 1)[: pixels.shape[0], : pixels.shape[1]]
    return np.where(places[..., None], pixels, np.uint8(128))


def objects_of(x: Tensor, mask: Mask | None) -> Tensor | None:
    """Structure (1,h,w) of the patches of x (1,3,H',W') that a marked region (H,W) lies in; None without a region."""
    if mask is None:
        return None
    marked = torch.from_numpy(mask).to(x)[None]
    return structure(F.pad(marked, (0, x.shape[3] - marked.shape[2], 0, x.shape[2] - marked.shape[1])))
