"""Where one of our files spends its bits: recorded during decoding, so it works for any file, with tiles or regions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from regio.codec import Codec
from regio.codec.decoding import Decoding, Opened
from regio.codec.devices import exact_arithmetic
from regio.entropy import StreamReader
from regio.entropy.coders import gaussian_bits
from regio.entropy.mixture import Mixture, mixture_bits
from regio.entropy.scales import level_to_scale
from regio.evaluation.marks import Mask
from regio.models.whole_context import PASSES, scatter
from regio.nn.checkerboard import join
from regio.nn.regional import GridRegions

BitMap = npt.NDArray[np.float64]


class Ledger:
    """A reader that notes what each place of `y` costs. Only `y` has places: the hyper-latent serves all of them."""

    exact = True

    def __init__(self, reader: StreamReader) -> None:
        self.reader = reader
        self.maps: list[Tensor] = []  # (1,C,h,w) each, in the order of decoding

    def factorized(self, *arguments: Any) -> Tensor:
        """See Coder."""
        return self.reader.factorized(*arguments)

    def positions(self, *arguments: Any) -> Tensor:
        """See Coder."""
        return self.reader.positions(*arguments)

    def gaussian(self, stream: str, values: Any, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder."""
        decoded = self.reader.gaussian(stream, values, mean, level, guard)
        self._note(
            stream, lambda: gaussian_bits((decoded - mean).float(), level_to_scale(level.float().to(mean.device)))
        )
        return decoded

    def mixture(self, stream: str, values: Any, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder."""
        decoded = self.reader.mixture(stream, values, mean, mixture)
        self._note(stream, lambda: mixture_bits((decoded - mean).float(), mixture, rounded=True))
        return decoded

    def _note(self, stream: str, bits: Any) -> None:
        if stream == "y":
            self.maps.append(bits().detach().cpu())

    def total(self, size: tuple[int, int]) -> BitMap | None:
        """Bits at each place (h,w) of y; None if the model codes something else than places."""
        whole = torch.zeros(size, dtype=torch.float64)
        waiting: Tensor | None = None
        quarters = 0
        for bits in self.maps:
            one = bits.sum(1, keepdim=True)
            if one.shape[2:] == size:
                whole += one[0, 0]
            elif (2 * one.shape[2], 2 * one.shape[3]) == size and quarters < PASSES:
                whole += scatter(bits, quarters).sum(1)[0]  # a pass of a quadtree
                quarters += 1
            elif (one.shape[2], 2 * one.shape[3]) != size:
                return None
            elif waiting is None:
                waiting = one
            else:  # two halves of a checkerboard
                whole += join(waiting, one)[0, 0]
                waiting = None
        return whole.numpy() if self.maps and waiting is None and quarters in (0, PASSES) else None


@torch.inference_mode()
def bit_map(codec: Codec, data: bytes) -> BitMap | None:
    """Bits that a file spends on each latent position (h,w) of `y`, each of codec.net.stride pixels a side.

    None if the model does not code places, or the file holds the picture without loss. Raises as `Codec.decode` does.
    """
    opened = Opened.of(data)
    if opened.file.lossless:
        return None
    decoding = Decoding(codec.runtime, opened)
    layout = decoding.layout
    parts: list[tuple[Any, BitMap]] = []
    for k in range(layout.count):
        streams, terms = decoding.terms(k)
        reader = StreamReader(codec.tables, [streams])
        if terms.rates is not None:
            reader.readers[0].log(terms.rates.levels)
        ledger, tile = Ledger(reader), layout.tile(k)
        with exact_arithmetic():
            rate = codec.runtime.rate(codec.net, terms.rest, terms.rates)
            codec.net.code(None, ledger, GridRegions(terms.grid), rate, terms.size)
        found = ledger.total(tile.size)
        if found is None:
            return None
        parts.append((tile, found))
    rows, columns = (max(tile[axis].stop for tile, _ in parts) for axis in (0, 1))
    whole = np.zeros((rows, columns))
    for tile, found in parts:
        whole[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] = found
    return whole


def share_inside(codec: Codec, data: bytes, mask: Mask) -> float:
    """Part of y's bits, 0..1, inside a region (H,W) of the picture; NaN if the model cannot tell.

    A position on the border counts with the part of its pixels that lie inside.
    """
    bits = bit_map(codec, data)
    if bits is None or not bits.sum():
        return math.nan
    stride = int(codec.net.stride)
    inside = np.zeros((bits.shape[0] * stride, bits.shape[1] * stride))
    inside[: mask.shape[0], : mask.shape[1]] = mask
    part = inside.reshape(bits.shape[0], stride, bits.shape[1], stride).mean((1, 3))
    return float((bits * part).sum() / bits.sum())
