"""Which patches MCM sends: the paper's four ways to choose them, at equal weights and rates (Table 2 of [Li2023]).

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from regio.errors import UsageError
from regio.evaluation.contestants import Own
from regio.evaluation.estimates import estimated, padded, rate_of
from regio.evaluation.judging import Judges
from regio.evaluation.marks import Mask
from regio.evaluation.sweep import Row
from regio.images import read_picture
from regio.models.mcm_mask import STRATEGIES, gumbel, log_chances, structure, texture, top


def strategies(
    own: Own, pictures: Mapping[str, Path], qualities: Sequence[float], judges: Judges, *, seed: int = 0
) -> list[Row]:
    """Rows of each strategy at each setting; patches are drawn as in the paper, with a generator of that seed.

    A codec that is named after a strategy is measured with that one alone: so stand models that were trained with
    different strategies beside each other. Objects are what the judges' marks mark; without, no patch belongs to an
    object more than any other. Bytes are estimated. Raises UsageError for a codec that does not send patches.
    """
    ways = [name for name in STRATEGIES if name == own.name] or list(STRATEGIES)
    generator = torch.Generator().manual_seed(seed)
    rows: list[Row] = []
    for name, path in pictures.items():
        original = judges.look_at(name, read_picture(path).pixels)
        for setting in own.settings_for(qualities):
            member, quality = own.at(setting)
            codec, net = member.codec, member.codec.net
            if net.patch_ranker is None:
                raise UsageError(f"{codec.name} does not choose patches")
            x, _ = padded(codec, original.pixels)
            textures, objects = texture(x), objects_of(x, original.mask)
            rate = rate_of(x, codec, quality)
            count = net.patch_ranker.budget(rate, textures[0].numel())
            for strategy in ways:
                scores = gumbel(log_chances(strategy, textures, objects), generator)
                with torch.inference_mode():
                    made = net(x, keep=top(scores, count), rate=rate)
                rows.append(estimated(own, strategy, name, original, setting, made))
    return rows


def objects_of(x: Tensor, mask: Mask | None) -> Tensor | None:
    """Structure (1,h,w) of the patches of x (1,3,H',W') that a marked region (H,W) lies in; None without a region."""
    if mask is None:
        return None
    marked = torch.from_numpy(mask).to(x)[None]
    return structure(F.pad(marked, (0, x.shape[3] - marked.shape[2], 0, x.shape[2] - marked.shape[1])))
