"""A file that is being decoded: its tiles one by one, its picture or a region of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from regio.codec.devices import exact_arithmetic, here
from regio.codec.layout import Box, Layout, layout_of
from regio.codec.pixels import to_pixels, unpack_alpha
from regio.codec.roi import TileRates, rates_of_tile
from regio.codec.windows import Tile, synthesise
from regio.entropy import StreamReader
from regio.errors import CorruptFile, UnsupportedFile
from regio.format import Kind, RgoFile, verify_check
from regio.format.header import MAX_RATE
from regio.images import Picture
from regio.nn.regional import GridRegions

if TYPE_CHECKING:
    from regio.codec.api import Codec


class Decoding:
    """The tiles of a file, by the codec that it needs. A file without an index is one tile."""

    def __init__(self, codec: Codec, file: RgoFile, data: bytes) -> None:
        self.codec, self.file, self.data = codec, file, data
        self.index = file.tiles
        self.spans = file.spans
        side = None if self.index is None else self.index.log2_side
        try:
            self.layout: Layout = layout_of(codec.net, file.header.width, file.header.height, side)
        except ValueError as error:
            raise UnsupportedFile(f"{codec.name} cannot decode the file: {error}") from error

    @torch.inference_mode()
    def picture(self, region: Box) -> Picture:
        """The part of the picture in `region` (pixels), with the metadata of the whole. Raises as `Codec.decode`."""
        header, file, (rows, columns) = self.file.header, self.file, region
        self.check(region)
        net = self.codec.net
        pixels = np.empty((*region.size, 3), np.uint8)
        with exact_arithmetic():
            for box, part in synthesise(net, self.layout, region, self.read, header.grid):
                pixels[box.seen_from(region)] = to_pixels(part, header.grey)
        alpha = file.body(Kind.ALPHA)
        opacity = None if alpha is None else unpack_alpha(alpha, header.height, header.width)
        return Picture(
            pixels,
            grey=header.grey,
            alpha=None if opacity is None else opacity[rows.start : rows.stop, columns.start : columns.stop],
            icc=file.body(Kind.ICC),
            exif=file.body(Kind.EXIF),
            xmp=file.body(Kind.XMP),
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
        where = f"{self.layout.name(k)}: " if self.layout.tiled else ""
        fault = ""
        rates, streams = self._rates(k)
        like = next(self.codec.net.parameters())
        for net in self._attempts():
            reader = StreamReader(self.codec.tables, [streams])
            if rates is not None:
                reader.readers[0].log(rates.levels)
            try:
                with exact_arithmetic():
                    rate = self._rate(net, rates)
                    decoded = net.code(None, reader, GridRegions(self.file.header.grid), rate, self.layout.tile(k).size)
            except CorruptFile as error:  # a wrong table leads here too, so it does not end the attempts
                fault = str(error)
                continue
            fault = ""
            if self._matches(k, reader.finish()[0]):
                known = type(decoded)(*(None if tensor is None else tensor.to(like) for tensor in decoded))
                return Tile(known, self._rate(self.codec.net, rates))
        thing = "tile" if where else "file"
        fault = fault or f"the decoded symbols fail the {thing}'s checksum: the {thing} is damaged"
        raise CorruptFile(f"{where}{fault}{self._circumstances(thing)}")

    @property
    def _guarded(self) -> bool:
        return getattr(self.codec.net.config, "exact_scales", True) is None  # a family without the field is exact

    def _attempts(self) -> Iterator[Any]:
        yield self.codec.net
        if self._guarded and self.codec.device.type != "cpu":  # there, the first attempt is as good as a second
            yield self._precise

    def _circumstances(self, thing: str) -> str:
        """What an error adds where arithmetic might be to blame: a file does not say where it was written."""
        if not self._guarded:
            return ""
        device = self.codec.device
        again = "" if device.type == "cpu" else ", and again on the CPU in float64"
        return (
            f", or its writer's arithmetic was not that of docs/portability.md (tried here: {here(device)}{again}; "
            f"if a fresh copy of the {thing} fails too, ask where it was written)"
        )

    @cached_property
    def _precise(self) -> Any:
        return copy.deepcopy(self.codec.net).cpu().double()

    def _matches(self, k: int, symbol_crc: int) -> bool:
        if self.index is None:
            return verify_check(self.data, symbol_crc)
        return self.index.tiles[k].check == symbol_crc

    def _rates(self, k: int) -> tuple[TileRates | None, bytes]:
        """The rate map of tile k, None where rates do not vary, and its streams."""
        return rates_of_tile(self.codec.net, self.file, k, self.spans[k], self.layout.tile(k).size)

    def _rate(self, net: Any, rates: TileRates | None) -> Tensor | None:
        if net.gain is None:
            return None
        like, rest = next(net.parameters()), self.file.header.rate
        return like.new_tensor([rest / MAX_RATE]) if rates is None else rates.tensor(rest, like)
