"""A picture after its analysis, which can be written at any rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from regio.codec.engine import Engine, Terms
from regio.codec.layout import Layout
from regio.codec.roi import Emphasis, Steps, alpha_between
from regio.codec.scale import pieces, whole_of
from regio.codec.windows import Tile as Synthesised
from regio.codec.windows import analysis_window
from regio.entropy.symbols import Written
from regio.format import Chunk, Header, Kind, RgoFile, Tile, TileIndex, pack
from regio.format.chunks import METADATA
from regio.images import Picture
from regio.models.facts import RegionSupport

if TYPE_CHECKING:
    from regio.codec.kept import Order


@dataclass
class Encoding:
    """A picture and its latents. The walk over them runs for each rate, the analysis once a tile.

    keep: hold the latents of all tiles, in half precision, for more than one rate; otherwise each tile's are made when
    they are asked for. A picture in one piece always keeps its own. Rates are those that `plan` makes of the number
    that a search tries; without a region of interest (`emphasis`), both of them are the same.
    """

    engine: Engine
    original: Picture
    """The picture at full size, with which the decoded one is compared."""
    picture: Picture
    """The picture as it is coded, smaller than the original where `log2_scale` is above 0."""
    log2_scale: int
    layout: Layout
    grid: int
    chunks: tuple[Chunk, ...]
    keep: bool
    where: str = ""
    """ " at scale 1/2" for messages, where the user chose it."""
    plan: Steps = field(default_factory=Steps)
    emphasis: Emphasis | None = None
    held: dict[int, Any] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Width times height of the original."""
        return self.original.width * self.original.height

    @property
    def metadata(self) -> int:
        """Bytes of metadata in every file."""
        return sum(chunk.size for chunk in self.chunks if chunk.kind in METADATA)

    @property
    def opacity(self) -> int:
        """Bytes of opacity in every file."""
        return sum(chunk.size for chunk in self.chunks if chunk.kind == Kind.ALPHA)

    @property
    def steps(self) -> tuple[int, int]:
        """The least and the greatest number that `at` takes."""
        return self.plan.ends

    def without_roi(self) -> Encoding:
        """The same picture, everything in it alike; latents are shared."""
        return replace(self, plan=Steps(), emphasis=None, files={})

    def terms(self, k: int, step: int) -> Terms:
        """The terms for coding tile k at a rate step."""
        facts = self.engine.facts
        rest, best = self.plan.at(step)
        rates = None
        if self.emphasis is not None and facts.rated and facts.region_support.in_file:
            ladder = self.emphasis.ladder(rest, best)
            rates = None if ladder is None else self.emphasis.rates(self.layout.tile(k), ladder)
        return Terms(rest, rates, self.grid, self.layout.tile(k).size)

    def analysed(self, k: int) -> Any:
        """The analysis of tile k, seen with its surroundings in the picture."""
        if k in self.held:
            return self.engine.restored(self.held[k])
        layout = self.layout
        seen, tile = layout.seen_by(k), layout.tile(k)
        rows, columns = seen.times(layout.stride).within(layout.picture)
        pixels = self.picture.pixels[rows.start : rows.stop, columns.start : columns.stop]
        size, window = seen.times(layout.stride).size, analysis_window(layout, k, self.grid)
        latents = self.engine.analyse(pixels, size, window, tile.seen_from(seen))
        if not layout.tiled:
            self.held[k] = latents
        elif self.keep:
            self.held[k] = self.engine.halved(latents)
            return self.engine.restored(self.held[k])
        return latents

    def latents(self, k: int, step: int) -> Any:
        """The latents of tile k at a rate step."""
        self.engine.told(k, self.layout.count)
        latents = self.analysed(k)
        rest, best = self.plan.at(step)
        alpha = None if rest == best else alpha_between(rest, best)
        if self.order is not None:
            return latents._replace(order=self.order.of_tile(k, alpha))
        scaled = self.emphasis is not None and self.engine.facts.region_support is RegionSupport.LATENTS
        if not scaled or alpha is None:
            return latents
        assert self.emphasis is not None
        rows, columns = (slice(*span) for span in self.layout.tile(k))
        return self.engine.emphasise(latents, self.emphasis.weights[rows, columns], alpha)

    @cached_property
    def order(self) -> Order | None:
        """The patches by their worth, for models that keep only some of them."""
        ranker = self.engine.patch_ranker
        if ranker is None:
            return None
        from regio.codec.kept import Order

        weights = None if self.emphasis is None else self.emphasis.weights
        return Order(ranker, self.picture.pixels, self.layout, weights)

    def at(self, step: int) -> bytes:
        """The file at a rate step, 0 to 4000."""
        if step not in self.files:
            self.files[step] = self._pack(step, [self._write(k, step) for k in range(self.layout.count)])
        return self.files[step]

    def bytes_at(self, step: int) -> int:
        """Size of the whole file at a rate step."""
        return len(self.at(step))

    def psnr(self, step: int, weights: NDArray[np.uint8] | None = None) -> float:
        """PSNR in dB of the decoded 8-bit picture at a rate step, over the pixels whose opacity is above 0.

        weights: (H,W), how much each pixel counts; all alike where there are none.
        """
        engine, original = self.engine, self.original
        if original.alpha is not None:
            visible = (original.alpha > 0).view(np.uint8)
            weights = visible if weights is None else weights * visible

        def tile(k: int) -> Synthesised:
            return engine.write(self.latents(k, step), self.terms(k, step))[0]

        whole = whole_of(original.width, original.height)
        total = 0
        with engine.working():
            for box, pixels in pieces(engine, self.layout, whole, tile, self.grid, original.grey, self.log2_scale):
                here = box.seen_from(whole)
                error = np.square(pixels.astype(np.int32) - original.pixels[here]).sum(-1)
                total += int((error if weights is None else error * weights[here]).sum(dtype=np.int64))
        counted = self.pixels if weights is None else max(1, int(weights.sum(dtype=np.int64)))
        return float(10 * np.log10(255**2 / max(total / (3 * counted), 1e-10)))

    def _write(self, k: int, step: int) -> Written:
        with self.engine.working():
            terms = self.terms(k, step)
            written = self.engine.write(self.latents(k, step), terms)[1]
        return written if terms.rates is None else written._replace(payload=terms.rates.pack() + written.payload)

    def _pack(self, step: int, tiles: list[Written]) -> bytes:
        engine, layout = self.engine, self.layout
        header = Header(
            model=engine.number,
            fingerprint=engine.fingerprint[:2],
            width=self.original.width,
            height=self.original.height,
            more=self.log2_scale > 0,
            log2_scale=self.log2_scale,
            rate=self.plan.at(step)[0],
            grid=self.grid,
            grey=self.picture.grey,
            varies=self.terms(0, step).rates is not None,
        )
        if layout.log2_side is None:
            return pack(RgoFile(header, self.chunks, tiles[0].payload), tiles[0].symbol_crc)
        index = TileIndex(layout.log2_side, tuple(Tile(len(tile.payload), tile.symbol_crc) for tile in tiles))
        payload = b"".join(tile.payload for tile in tiles)
        return pack(RgoFile(header, (*self.chunks, index.chunk()), payload), index.symbol_crc)
