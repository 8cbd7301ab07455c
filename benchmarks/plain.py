"""Our way of computing the paper's network, and the plain way, with the same weights: how long each takes.

    python benchmarks/plain.py PICTURE [--preset segpic] [--crop SIDE] [--threads 1] [--repeats 5]

The plain way is eager float32 PyTorch as one writes it down from the paper: each region-adaptive transform spreads the
prototypes over all positions, joins them to the features, unfolds the features to nine times their size, and multiplies
these by the kernels; attention multiplies, adds, takes the softmax and multiplies, for all windows at once; each layer
is one call. Its levels are float32, so its files decode where they were made and
perhaps elsewhere. Container and range coder are ours on both sides.

Printed: seconds to encode and to decode, medians of runs in turn, and how many times faster we are. Processor time is
that of all threads together; where other programs are at work it says more than the clock on the wall.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from types import MethodType
from typing import Any

import torch
from environments import random_weights
from torch import Tensor, nn
from torch.nn import functional as F

from regio.codec import Codec
from regio.evaluation.columns import columns
from regio.images import Pixels, read_picture
from regio.models.paper_transforms import Down, Up
from regio.models.segpic import PRESETS
from regio.nn.attention import ResidualUnit, ShiftedWindowAttention, WindowAttentionModule
from regio.nn.conv import Pointwise
from regio.nn.norm import BETA_FLOOR, GDN
from regio.nn.regional import RegionAdaptiveTransform, Regions
from regio.weights import store


def unfolding(self: RegionAdaptiveTransform, x: Tensor, prototypes: Tensor, regions: Regions) -> Tensor:
    """The forward pass of a region-adaptive transform, as the paper draws it."""
    f = self.embed(x)
    size = (x.shape[2], x.shape[3])
    seen = torch.cat([f, regions.spread(prototypes, size)], dim=1)
    mixed = F.conv2d(seen, torch.cat([self.mix.weight, self.steer.weight], dim=1), self.mix.bias)
    kernels = self.kernels(mixed)  # (B,C*k*k,H,W)
    taps = kernels.shape[1] // f.shape[1]
    side = round(taps**0.5)
    windows = F.unfold(f, side, padding=side // 2).view(len(f), f.shape[1], taps, *size)
    d = (windows * kernels.view(len(f), f.shape[1], taps, *size)).sum(2)
    y: Tensor = x + self.project(d * self.gate(regions.inner(d)))
    return y


def attending(self: ShiftedWindowAttention, x: Tensor) -> Tensor:
    """The forward pass of a window attention: all windows at once, logits, softmax, sum."""
    batch, channels, height, width = x.shape
    w, shift = self.window, self.window // 2
    rows, columns = height // w, width // w
    tokens = x.roll((-shift, -shift), (2, 3)).view(batch, channels, rows, w, columns, w).permute(0, 2, 4, 3, 5, 1)
    tokens = tokens.reshape(batch * rows * columns, w * w, channels)
    q, k, v = self.qkv(tokens).view(*tokens.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
    logits = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + self.bias[self.position].permute(2, 0, 1)
    wrapped = self.wrapped(rows, columns, last=True, device=x.device)[:, None].repeat(batch, 1, 1, 1)
    seen = (logits + wrapped).softmax(-1) @ v
    mixed = self.mix(seen.transpose(1, 2).flatten(2)).view(batch, rows, columns, w, w, channels)
    return x + mixed.permute(0, 5, 1, 3, 2, 4).reshape(x.shape).roll((shift, shift), (2, 3))


def gating(self: WindowAttentionModule, x: Tensor) -> Tensor:
    """The forward pass of a window attention module."""
    y: Tensor = x + self.trunk(x) * torch.sigmoid(self.gate(self.attention(x)))
    return y


def convolving(self: nn.Conv2d, x: Tensor) -> Tensor:
    """The forward pass of a convolution, as torch has it."""
    return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


def normalising(self: GDN, x: Tensor) -> Tensor:
    """The forward pass of a divisive normalisation."""
    beta = self.beta.clamp(min=BETA_FLOOR**0.5).square()
    energy = F.conv2d(x * x, self.gamma.square()[:, :, None, None], beta)
    return x * (torch.sqrt(energy) if self.inverse else torch.rsqrt(energy))


PLAIN: dict[type[nn.Module], Callable[..., Tensor]] = {
    RegionAdaptiveTransform: unfolding,
    ShiftedWindowAttention: attending,
    WindowAttentionModule: gating,
    Pointwise: convolving,
    GDN: normalising,
    ResidualUnit: lambda self, x: F.gelu(x + self.branch(x)),
    Down: lambda self, x: self.affine(self.norm(self.conv(x))),
    Up: lambda self, x: self.norm(self.conv(self.affine(x))),
}


def plain_codec(ours: Codec, weights: store.Weights) -> Codec:
    """A codec with the same weights that computes the plain way. weights: as they were loaded, in float32."""
    codec = copy.copy(ours)
    codec.runtime = replace(ours.runtime, net=weights.net.float())
    for module in codec.net.modules():
        if type(module) in PLAIN:
            module.forward = MethodType(PLAIN[type(module)], module)  # type: ignore[method-assign]
    return codec


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Processor time and time on the clock."""
    start = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - start[0], time.perf_counter() - start[1]


def in_turn(codecs: dict[str, Codec], pixels: Pixels, repeats: int) -> dict[str, list[float]]:
    """Medians by codec: processor time and time on the clock of encoding, the same of decoding.

    The codecs take turns, so that what else the machine does meets both; the first turn does not count.
    """
    files = {name: codec.encode(pixels) for name, codec in codecs.items()}
    spent: dict[str, list[tuple[float, ...]]] = {name: [] for name in codecs}
    for _ in range(repeats + 1):
        for name, codec in codecs.items():
            encoding, decoding = partial(codec.encode, pixels), partial(codec.decode, files[name])
            spent[name].append((*seconds(encoding), *seconds(decoding)))
    return {name: [median(column) for column in zip(*turns[1:], strict=True)] for name, turns in spent.items()}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The paper's network, computed our way and the plain way.")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--preset", default="segpic", choices=PRESETS)
    parser.add_argument("--crop", type=int, help="use the top left corner of so many rows and columns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = str(random_weights(options.preset, Path(folder)))
        ours = Codec(store.load(path), "cpu")
        plain = plain_codec(ours, store.load(path))
    pixels = read_picture(options.picture).pixels[: options.crop, : options.crop]
    times = in_turn({"ours": ours, "plain": plain}, pixels, options.repeats)
    rows = [[name, *(f"{value:.3f}" for value in found)] for name, found in times.items()]
    ratios = [slow / fast for fast, slow in zip(times["ours"], times["plain"], strict=True)]
    rows.append(["times faster", *(f"{ratio:.2f}" for ratio in ratios)])
    print(columns(["seconds", "encode, processor", "clock", "decode, processor", "clock"], rows))
    print(f"\n{options.preset}, {pixels.shape[1]} x {pixels.shape[0]} pixels, {options.threads} threads")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
