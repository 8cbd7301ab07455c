"""A picture after its analysis, which can be written at any rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regio.codec.devices import exact_arithmetic
from regio.codec.kept import Order
from regio.codec.layout import Layout
from regio.codec.pixels import pad, to_tensor
from regio.codec.roi import Emphasis, Steps, TileRates, alpha_between
from regio.codec.runtime import Runtime
from regio.codec.scale import pieces, whole_of
from regio.codec.windows import Tile as Synthesised
from regio.codec.windows import analysis_regions
from regio.entropy import StreamWriter
from regio.entropy.coders import Coder, Written
from regio.format import Chunk, Header, Kind, RgoFile, Tile, TileIndex, pack
from regio.format.chunks import METADATA
from regio.format.header import MAX_RATE
from regio.images import Picture
from regio.models.base import Decoded, Latents, RegionSupport
from regio.nn.regional import GridRegions


@dataclass
class Encoding:
    """A picture and its latents. The walk over them runs for each rate, the analysis once a tile.

    keep: hold the latents of all tiles, in half precision, for more than one rate; otherwise each tile's are made when
    they are asked for. A picture in one piece always keeps its own. Rates are those that `plan` makes of the number
    that a search tries; without a region of interest (`emphasis`), both of them are the same.
    """

    runtime: Runtime
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
    analysed: dict[int, Latents] = field(default_factory=dict)
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

    def rates(self, k: int, step: int) -> tuple[Tensor | None, TileRates | None]:
        """The rate of tile k for the model, (1,) or a map of rates, and that map as the file has it."""
        net = self.runtime.net
        if not net.rated:
            return None, None
        rest, best = self.plan.at(step)
        like = self.runtime.like
        ladder = None if self.emphasis is None or not net.region_support.in_file else self.emphasis.ladder(rest, best)
        if self.emphasis is None or ladder is None:
            return like.new_tensor([rest / MAX_RATE]), None
        rates = self.emphasis.rates(self.layout.tile(k), ladder)
        return rates.tensor(rest, like), rates

    @torch.inference_mode()
    def latents(self, k: int) -> Latents:
        """What the analysis makes of tile k, seen with what surrounds it in the picture."""
        if k in self.analysed:
            return _cast(self.analysed[k], torch.float32)
        layout, net = self.layout, self.runtime.net
        seen, tile = layout.seen_by(k), layout.tile(k)
        rows, columns = seen.times(layout.stride).within(layout.picture)
        pixels = self.picture.pixels[rows.start : rows.stop, columns.start : columns.stop]
        x = pad(to_tensor(pixels, self.runtime.device), seen.times(layout.stride).size)
        with exact_arithmetic():
            around = net.analyse(x, analysis_regions(layout, k, self.grid))
        here = (..., *tile.seen_from(seen))
        worth = None if around.worth is None else around.worth[here].contiguous()
        latents = around._replace(y=around.y[here].contiguous(), worth=worth)
        if not layout.tiled:
            self.analysed[k] = latents
        elif self.keep:
            self.analysed[k] = _cast(latents, torch.float16)
            return _cast(self.analysed[k], torch.float32)
        return latents

    @torch.inference_mode()
    def walk(self, k: int, step: int, coder: Coder) -> Decoded:
        """Code tile k at a rate step -> what a reader gets."""
        self.runtime.told(k, self.layout.count)
        net, tile, latents = self.runtime.net, self.layout.tile(k), self.latents(k)
        rest, best = self.plan.at(step)
        if self.order is not None:
            latents = latents._replace(order=self.order.of_tile(k, None if rest == best else alpha_between(rest, best)))
        elif self.emphasis is not None and net.region_support is RegionSupport.LATENTS:
            latents = self.emphasis.latents(net, latents, tile, (rest, best))
        with exact_arithmetic():
            return net.code(latents, coder, GridRegions(self.grid), self.rates(k, step)[0], tile.size)

    @cached_property
    def order(self) -> Order | None:
        """The patches by their worth, for models that keep only some of them."""
        ranker = self.runtime.net.patch_ranker
        if ranker is None:
            return None
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

    @torch.inference_mode()
    def psnr(self, step: int, weights: NDArray[np.uint8] | None = None) -> float:
        """PSNR in dB of the decoded 8-bit picture at a rate step, over the pixels whose opacity is above 0.

        weights: (H,W), how much each pixel counts; all alike where there are none.
        """
        runtime, original = self.runtime, self.original
        if original.alpha is not None:
            visible = (original.alpha > 0).view(np.uint8)
            weights = visible if weights is None else weights * visible

        def tile(k: int) -> Synthesised:
            return Synthesised(self.walk(k, step, StreamWriter(runtime.tables)), self.rates(k, step)[0])

        whole = whole_of(original.width, original.height)
        total = 0
        with exact_arithmetic():
            for box, pixels in pieces(runtime.net, self.layout, whole, tile, self.grid, original.grey, self.log2_scale):
                here = box.seen_from(whole)
                error = np.square(pixels.astype(np.int32) - original.pixels[here]).sum(-1)
                total += int((error if weights is None else error * weights[here]).sum(dtype=np.int64))
        counted = self.pixels if weights is None else max(1, int(weights.sum(dtype=np.int64)))
        return float(10 * np.log10(255**2 / max(total / (3 * counted), 1e-10)))

    def _write(self, k: int, step: int) -> Written:
        writer = StreamWriter(self.runtime.tables)
        rates = self.rates(k, step)[1]
        if rates is not None:
            writer.writers[0].log(rates.levels)
        self.walk(k, step, writer)
        written = writer.finish()[0]
        return written if rates is None else written._replace(payload=rates.pack() + written.payload)

    def _pack(self, step: int, tiles: list[Written]) -> bytes:
        runtime, layout = self.runtime, self.layout
        header = Header(
            model=runtime.number,
            fingerprint=runtime.fingerprint[:2],
            width=self.original.width,
            height=self.original.height,
            more=self.log2_scale > 0,
            log2_scale=self.log2_scale,
            rate=self.plan.at(step)[0],
            grid=self.grid,
            grey=self.picture.grey,
            varies=self.rates(0, step)[1] is not None,
        )
        if layout.log2_side is None:
            return pack(RgoFile(header, self.chunks, tiles[0].payload), tiles[0].symbol_crc)
        index = TileIndex(layout.log2_side, tuple(Tile(len(tile.payload), tile.symbol_crc) for tile in tiles))
        payload = b"".join(tile.payload for tile in tiles)
        return pack(RgoFile(header, (*self.chunks, index.chunk()), payload), index.symbol_crc)


def _cast(latents: Latents, dtype: torch.dtype) -> Latents:
    """The same in another type."""

    def cast(part: torch.Tensor | None) -> torch.Tensor | None:
        return None if part is None else part.to(dtype)

    return latents._replace(y=latents.y.to(dtype), codes=cast(latents.codes), worth=cast(latents.worth))
