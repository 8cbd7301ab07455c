"""From a file to its picture, or a region of it, in the order of this page.

Opened            the file, parsed once
Decoding.picture  the region: checks, then asks the synthesis for it
Decoding.read     a tile: its rate map, then its symbols, which the network's walk turns into latents
windows           latents to pixels, window by window
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from regio.codec.devices import exact_arithmetic, here
from regio.codec.layout import Box, Layout, layout_of
from regio.codec.pixels import unpack_alpha
from regio.codec.roi import TileRates, rates_of_tile
from regio.codec.runtime import Runtime
from regio.codec.scale import means, pieces, under
from regio.codec.windows import Tile
from regio.entropy import StreamReader
from regio.errors import CorruptFile, UnsupportedFile
from regio.format import DEFAULT_LIMITS, Data, Kind, Limits, RgoFile, parse, read, verify_check
from regio.format.header import MAX_RATE
from regio.images import Picture, stored_in
from regio.models.base import Network
from regio.nn.regional import GridRegions


@dataclass(frozen=True)
class Opened:
    """A file in memory, and what its container says."""

    data: bytes
    file: RgoFile

    @classmethod
    def of(cls, data: Data, limits: Limits = DEFAULT_LIMITS) -> Opened:
        """Read and parse a file; raises as `regio.format.read` and `parse` do."""
        whole = read(data)
        return cls(whole, parse(whole, limits))


class Decoding:
    """The tiles of a file, by the codec that it needs. A file without an index is one tile."""

    def __init__(self, runtime: Runtime, opened: Opened) -> None:
        """MissingWeights for a file of other weights; UnsupportedFile where tiles do not fit the network."""
        self.runtime, self.file, self.data = runtime, opened.file, opened.data
        runtime.check_weights(self.file)
        self.index = self.file.tiles
        self.spans = self.file.spans
        side = None if self.index is None else self.index.log2_side
        try:
            self.layout: Layout = layout_of(runtime.net, *self.file.header.coded, side, runtime.tiling)
        except ValueError as error:
            raise UnsupportedFile(f"{runtime.name} cannot decode the file: {error}") from error

    @torch.inference_mode()
    def picture(self, region: Box, log2_reduced: int = 0) -> Picture:
        """The part of the picture in `region` (pixels), with the metadata of the whole. Raises as `Codec.decode`.

        log2_reduced: the picture is wanted at 1 / 2^this of its size, and `region` is in pixels of that.
        """
        header, file = self.file.header, self.file
        larger = header.log2_scale - log2_reduced
        self.check(under(region, larger, self.layout.picture))
        net = self.runtime.net
        pixels = np.empty((*region.size, 3), np.uint8)
        with exact_arithmetic():
            parts = pieces(net, self.layout, region, self.read, header.grid, header.grey, larger)
            for box, part in parts:
                pixels[box.seen_from(region)] = part
        alpha = file.body(Kind.ALPHA)
        opacity = None if alpha is None else unpack_alpha(alpha, header.height, header.width)
        rows, columns = region.times(1 << log2_reduced)
        return Picture(
            pixels,
            grey=header.grey,
            alpha=None
            if opacity is None
            else means(opacity[rows.start : rows.stop, columns.start : columns.stop], log2_reduced),
            **stored_in(file)._asdict(),
        )

    @torch.inference_mode()
    def verify(self) -> None:
        """Decode every tile; CorruptFile unless all symbols are those that were written."""
        self.check(self.layout.picture)
        for k in range(self.layout.count):
            self.read(k)

    def check(self, region: Box) -> None:
        """Compare a tiled file with its check, which needs no symbols; CorruptFile names a damaged tile."""
        if self.index is None or verify_check(self.data, self.index.symbol_crc):
            return
        for k in sorted(self.layout.tiles_in(self.layout.latents(region))):
            self.read(k)
        raise CorruptFile("the file fails its check: its header, its tile index or a tile elsewhere is damaged")

    @torch.inference_mode()
    def read(self, k: int) -> Tile:
        """The latents of tile k and their rates, checked.

        Where scales are floating-point, a mismatch on another device gets a second chance on the CPU, all in float64.
        """
        self.runtime.told(k, self.layout.count)
        where = f"{self.layout.name(k)}: " if self.layout.tiled else ""
        fault = ""
        rates, streams = self.rates(k)
        for net in self._attempts():
            reader = StreamReader(self.runtime.tables, [streams])
            if rates is not None:
                reader.readers[0].log(rates.levels)
            try:
                with exact_arithmetic():
                    rate = self.rate(net, rates)
                    decoded = net.code(None, reader, GridRegions(self.file.header.grid), rate, self.layout.tile(k).size)
            except CorruptFile as error:  # a wrong table leads here too, so it does not end the attempts
                fault = str(error)
                continue
            fault = ""
            if self._matches(k, reader.finish()[0]):
                return Tile(decoded.to(self.runtime.like), self.rate(self.runtime.net, rates))
        thing = "tile" if where else "file"
        damage = "damaged" if where else "damaged or truncated"  # a tile knows its length
        fault = fault or f"the decoded symbols fail the {thing}'s checksum: the {thing} is {damage}"
        raise CorruptFile(f"{where}{fault}{self._circumstances(thing)}")

    def rates(self, k: int) -> tuple[TileRates | None, bytes]:
        """The rate map of tile k, None where rates do not vary, and its streams."""
        return rates_of_tile(self.runtime.net, self.file, k, self.spans[k], self.layout.tile(k).size)

    def rate(self, net: Network, rates: TileRates | None) -> Tensor | None:
        """The rate as a network takes it: (1,), or (1,1,h,w) for a rate map; None where there is one rate."""
        if not net.rated:
            return None
        like, rest = next(net.parameters()), self.file.header.rate
        return like.new_tensor([rest / MAX_RATE]) if rates is None else rates.tensor(rest, like)

    @property
    def _guarded(self) -> bool:
        return not self.runtime.net.exact_levels

    def _attempts(self) -> Iterator[Network]:
        yield self.runtime.net
        if self._guarded and self.runtime.device.type != "cpu":  # there, the first attempt is as good as a second
            yield self._precise

    def _circumstances(self, thing: str) -> str:
        """What an error adds where arithmetic might be to blame: a file does not say where it was written."""
        if not self._guarded:
            return ""
        device = self.runtime.device
        again = "" if device.type == "cpu" else ", and again on the CPU in float64"
        return (
            f", or its writer's arithmetic was not that of docs/portability.md (tried here: {here(device)}{again}; "
            f"if a fresh copy of the {thing} fails too, ask where it was written)"
        )

    @cached_property
    def _precise(self) -> Network:
        return copy.deepcopy(self.runtime.net).cpu().double()

    def _matches(self, k: int, symbol_crc: int) -> bool:
        if self.index is None:
            return verify_check(self.data, symbol_crc)
        return self.index.tiles[k].check == symbol_crc
