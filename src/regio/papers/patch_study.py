"""Which patches MCM sends: the paper's four ways to choose them, at equal weights and rates (Table 2 of [Li2023]).

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from regio.codec import Codec
from regio.errors import UsageError
from regio.evaluation.estimates import estimated, padded
from regio.evaluation.judging import Judges
from regio.evaluation.sweep import Row
from regio.images import read_picture
from regio.models.mcm_mask import STRATEGIES, gumbel, log_chances, structure, texture, top


def strategies(
    codec: Codec, pictures: Mapping[str, Path], settings: Sequence[float], judges: Judges, *, seed: int = 0
) -> list[Row]:
    """Rows of each strategy at each setting; patches are drawn as in the paper, with a generator of that seed.

    Objects are what the judges' marks mark; without, no patch belongs to an object more than any other. Bytes are
    estimated. Raises UsageError for a codec that does not send patches.
    """
    net = codec.net
    ranker = net.patch_ranker
    if ranker is None:
        raise UsageError(f"{codec.name} does not choose patches")
    generator = torch.Generator().manual_seed(seed)
    rows: list[Row] = []
    for name, path in pictures.items():
        original = judges.look_at(name, read_picture(path).pixels)
        x, _ = padded(codec, original.pixels)
        textures, objects = texture(x), None
        if original.mask is not None:
            marked = torch.from_numpy(original.mask).to(x)[None]
            more = (0, x.shape[3] - marked.shape[2], 0, x.shape[2] - marked.shape[1])
            objects = structure(F.pad(marked, more))
        for setting in settings if net.rated else (0.0,):
            rate = None if not net.rated else x.new_tensor([setting / 100])
            count = ranker.budget(rate, textures[0].numel())
            for strategy in STRATEGIES:
                scores = gumbel(log_chances(strategy, textures, objects), generator)
                with torch.inference_mode():
                    made = net(x, keep=top(scores, count), rate=rate)
                rows.append(estimated(codec, strategy, name, original, setting, made))
    return rows
