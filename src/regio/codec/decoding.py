"""From a file to its picture, or a region of it, in the order of this page.

Opened            the file, parsed once
Decoding.picture  the region: checks, then asks the synthesis for it
Decoding.read     a tile: its rate map, then its symbols, which the engine turns into latents
windows           latents to pixels, window by window

Whichever engine runs the networks; nothing here loads torch.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass

import numpy as np

from regio.codec import lossless
from regio.codec.alpha import unpack_alpha
from regio.codec.engine import Engine, Terms
from regio.codec.layout import Box, Layout, Span, layout_of
from regio.codec.memory import Budget, decoding_cost
from regio.codec.options import memory_of
from regio.codec.scale import means, pieces, reduced, under, whole_of
from regio.codec.tile_rates import rates_of_tile
from regio.codec.windows import Tile
from regio.errors import CorruptFile, UnsupportedFile, UsageError
from regio.format import DEFAULT_LIMITS, Data, Header, Kind, Limits, RgoFile, parse, read, verify_check
from regio.images import Picture, Pixels, stored_in

Region = tuple[int, int, int, int]  # x, y, width, height in pixels


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


def decoded(
    engine: Engine, opened: Opened, region: Region | None, smaller: int, max_memory: int | str | None
) -> Picture:
    """The picture of a file, or a region of it, within a limit of memory; raises as `Codec.decode`.

    smaller: the picture is wanted at 1 / 2^this of its size.
    """
    if opened.file.lossless:
        return stored(opened, region, smaller, max_memory)
    box = reduced(box_of(region, opened.file.header), smaller)
    decoding = Decoding(engine, opened)
    Budget.of(memory_of(max_memory)).check(decoding_cost(engine.facts, decoding.layout, box))
    return decoding.picture(box, smaller)


def stored(opened: Opened, region: Region | None, smaller: int, max_memory: int | str | None) -> Picture:
    """The same of a file that holds its picture without loss: no engine is needed."""
    file, header = opened.file, opened.file.header
    Budget.of(memory_of(max_memory)).check(lossless.decoding_cost(header))
    box = reduced(box_of(region, header), smaller)
    whole = box.times(1 << smaller).within(whole_of(header.width, header.height))
    return _with_the_rest(file, means(lossless.pixels_of(file, whole), smaller), box, smaller)


def verified(engine: Engine, opened: Opened, max_memory: int | str | None) -> None:
    """Decode every symbol of a file; raises as `Codec.decode`."""
    if opened.file.lossless:
        stored(opened, None, 0, max_memory)
        return
    decoding = Decoding(engine, opened)
    nothing = Box(Span(0, 0), Span(0, 0))  # no picture is made
    Budget.of(memory_of(max_memory)).check(decoding_cost(engine.facts, decoding.layout, nothing))
    decoding.verify()


class Decoding:
    """The tiles of a file, by the codec that it needs. A file without an index is one tile."""

    def __init__(self, engine: Engine, opened: Opened) -> None:
        """MissingWeights for a file of other weights; UnsupportedFile where tiles do not fit the network."""
        self.engine, self.file, self.data = engine, opened.file, opened.data
        engine.check_weights(self.file)
        self.index = self.file.tiles
        self.spans = self.file.spans
        side = None if self.index is None else self.index.log2_side
        try:
            self.layout: Layout = layout_of(engine.facts, *self.file.header.coded, side, engine.tiling)
        except ValueError as error:
            raise UnsupportedFile(f"{engine.name} cannot decode the file: {error}") from error

    def picture(self, region: Box, log2_reduced: int = 0) -> Picture:
        """The part of the picture in `region` (pixels), with the metadata of the whole. Raises as `Codec.decode`.

        log2_reduced: the picture is wanted at 1 / 2^this of its size, and `region` is in pixels of that.
        """
        header, file = self.file.header, self.file
        larger = header.log2_scale - log2_reduced
        self.check(under(region, larger, self.layout.picture))
        pixels = np.empty((*region.size, 3), np.uint8)
        with self.engine.working():
            parts = pieces(self.engine, self.layout, region, self.read, header.grid, header.grey, larger)
            for box, part in parts:
                pixels[box.seen_from(region)] = part
        return _with_the_rest(file, pixels, region, log2_reduced)

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

    def read(self, k: int) -> Tile:
        """The latents of tile k and their rates, checked; CorruptFile."""
        self.engine.told(k, self.layout.count)
        where = f"{self.layout.name(k)}: " if self.layout.tiled else ""
        fault = ""
        streams, terms = self.terms(k)
        for attempt in self.engine.readers():
            try:
                with self.engine.working():
                    found, symbol_crc = attempt(streams, terms)
            except CorruptFile as error:  # a wrong table leads here too, so it does not end the attempts
                fault = str(error)
                continue
            fault = ""
            if self._matches(k, symbol_crc):
                return found
        thing = "tile" if where else "file"
        fault = fault or f"the decoded symbols fail the {thing}'s checksum: the {thing} is damaged"
        raise CorruptFile(f"{where}{fault}{self.engine.circumstances(thing)}")

    def terms(self, k: int) -> tuple[bytes, Terms]:
        """The streams of tile k, and how they are coded; CorruptFile where its rate map is damaged."""
        header, size = self.file.header, self.layout.tile(k).size
        rates, streams = rates_of_tile(self.engine.facts, self.file, k, self.spans[k], size)
        return streams, Terms(header.rate, rates, header.grid, size)

    def _matches(self, k: int, symbol_crc: int) -> bool:
        if self.index is None:
            return verify_check(self.data, symbol_crc)
        return self.index.tiles[k].check == symbol_crc


def _with_the_rest(file: RgoFile, pixels: Pixels, region: Box, log2_reduced: int) -> Picture:
    """Pixels as a picture, with opacity and metadata; `region` is in pixels of the reduced size."""
    header, body = file.header, file.body(Kind.ALPHA)
    alpha = None
    if body is not None:
        rows, columns = region.times(1 << log2_reduced)
        opacity = unpack_alpha(body, header.height, header.width)
        alpha = means(opacity[rows.start : rows.stop, columns.start : columns.stop], log2_reduced)
    return Picture(pixels, grey=header.grey, alpha=alpha, **stored_in(file)._asdict())


def box_of(region: Region | None, picture: Header) -> Box:
    """A region as the user gave it -> rows and columns; UsageError unless it lies in the picture."""
    width, height = picture.width, picture.height
    if region is None:
        return whole_of(width, height)
    try:
        x, y, across, down = (operator.index(number) for number in region)
    except (TypeError, ValueError) as error:
        raise UsageError(f"region={region!r}: must be four whole numbers x, y, width, height") from error
    if x < 0 or y < 0 or across < 1 or down < 1 or x + across > width or y + down > height:
        raise UsageError(
            f"the region {x},{y},{across},{down} (x, y, width, height) is not inside the picture of {width} x {height}"
        )
    return Box(Span(y, y + down), Span(x, x + across))
