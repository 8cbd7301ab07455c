"""Rows of a sweep without files: the network runs as in training, and its bits are estimated."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from regio.codec import Codec
from regio.codec.pixels import to_pixels, to_tensor
from regio.evaluation.contestants import Own
from regio.evaluation.judging import Original
from regio.evaluation.metrics import bpp
from regio.evaluation.sweep import Row, source_commit
from regio.images import Pixels
from regio.models.base import Reconstruction

HEADER_BYTES = 16  # that a file adds to its latents


def padded(codec: Codec, pixels: Pixels, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """(H,W,3) pixels -> x (1,3,H',W') in [0,1], labels (1,H',W'), both continued to the model's multiple."""
    height, width = pixels.shape[:2]
    multiple = int(codec.net.multiple)
    more = ((0, -height % multiple), (0, -width % multiple))
    x = to_tensor(np.pad(pixels, (*more, (0, 0)), mode="edge"), codec.device)
    regions = None
    if labels is not None:
        regions = torch.from_numpy(np.pad(labels.numpy().astype(np.int64), more, mode="edge"))[None].to(codec.device)
    return x, regions


def rate_of(x: Tensor, codec: Codec, quality: float) -> Tensor | None:
    """The rate input of a network for x (1,3,H,W): (1,), or None for a model with one rate."""
    return x.new_tensor([quality / 100]) if codec.net.rated else None


def estimated(own: Own, label: str, picture: str, original: Original, setting: float, made: Reconstruction) -> Row:
    """A row of what a network returned (x_hat, bits) for a picture; the codec's name gets the label, times are NaN."""
    height, width = original.pixels.shape[:2]
    size = math.ceil(float(sum(bits.double().sum() for bits in made.bits.values())) / 8) + HEADER_BYTES
    return Row(
        codec=f"{own.name} {label}".rstrip(),
        picture=picture,
        quality=float(setting),
        bytes=size,
        bpp=bpp(size, original.pixels),
        encode_seconds=math.nan,
        decode_seconds=math.nan,
        weights=own.weights,
        commit=source_commit(),
        device=own.device,
        judges="; ".join(original.judges),
        figures=original.figures(to_pixels(made.x_hat[0, :, :height, :width], grey=False)),
    )
