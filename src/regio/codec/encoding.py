"""A picture after its analysis, which can be written at any rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from regio.codec.devices import exact_arithmetic
from regio.codec.layout import Layout
from regio.codec.pixels import pad, to_pixels, to_tensor
from regio.codec.windows import analysis_regions, synthesise
from regio.entropy import StreamWriter
from regio.entropy.coders import Coder, Written
from regio.format import Chunk, Header, RgoFile, Tile, TileIndex, pack
from regio.format.header import MAX_RATE
from regio.images import Picture
from regio.models.segpic import Decoded, Latents
from regio.nn.regional import GridRegions

if TYPE_CHECKING:
    from regio.codec.api import Codec


@dataclass
class Job:
    """A picture and its latents. The walk over them runs anew for each rate, the analysis once a tile.

    keep: hold the latents of all tiles, in half precision, for more than one rate; otherwise each tile's are made when
    they are asked for. A picture in one piece always keeps its own.
    """

    codec: Codec
    picture: Picture
    layout: Layout
    grid: int
    chunks: tuple[Chunk, ...]
    keep: bool
    analysed: dict[int, Latents] = field(default_factory=dict)
    files: dict[int, bytes] = field(default_factory=dict)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.layout.width * self.layout.height

    def rate(self, step: int) -> Tensor | None:
        """Rate step -> the model's rate (1,)."""
        net = self.codec.net
        return None if net.gain is None else next(net.parameters()).new_tensor([step / MAX_RATE])

    @torch.inference_mode()
    def latents(self, k: int) -> Latents:
        """What the analysis makes of tile k, seen with what surrounds it in the picture."""
        if k in self.analysed:
            return _cast(self.analysed[k], torch.float32)
        layout, net = self.layout, self.codec.net
        seen, tile = layout.seen_by(k), layout.tile(k)
        rows, columns = seen.times(layout.stride).within(layout.picture)
        pixels = self.picture.pixels[rows.start : rows.stop, columns.start : columns.stop]
        x = pad(to_tensor(pixels, self.codec.device), seen.times(layout.stride).size)
        with exact_arithmetic():
            around: Latents = net.analyse(x, analysis_regions(layout, k, self.grid))
        latents = around._replace(y=around.y[(..., *tile.seen_from(seen))].contiguous())
        if not layout.tiled:
            self.analysed[k] = latents
        elif self.keep:
            self.analysed[k] = _cast(latents, torch.float16)
            return _cast(self.analysed[k], torch.float32)
        return latents

    @torch.inference_mode()
    def walk(self, k: int, step: int, coder: Coder) -> Decoded:
        """Code tile k at a rate step -> what a reader gets."""
        net = self.codec.net
        with exact_arithmetic():
            decoded: Decoded = net.code(
                self.latents(k), coder, GridRegions(self.grid), self.rate(step), self.layout.tile(k).size
            )
        return decoded

    def at(self, step: int) -> bytes:
        """The file at a rate step, 0 to 4000."""
        if step not in self.files:
            self.files[step] = self._pack(step, [self._write(k, step) for k in range(self.layout.count)])
        return self.files[step]

    def bytes_at(self, step: int) -> int:
        """Size of the whole file at a rate step."""
        return len(self.at(step))

    @torch.inference_mode()
    def psnr(self, step: int) -> float:
        """PSNR in dB of the decoded 8-bit picture at a rate step."""
        layout, codec = self.layout, self.codec
        parts = synthesise(
            codec.net,
            layout,
            layout.picture,
            lambda k: self.walk(k, step, StreamWriter(codec.tables)),
            self.grid,
            self.rate(step),
        )
        total = 0
        with exact_arithmetic():
            for (rows, columns), x_hat in parts:
                original = self.picture.pixels[rows.start : rows.stop, columns.start : columns.stop]
                error = to_pixels(x_hat, self.picture.grey).astype(np.int32) - original
                total += int(np.square(error).sum(dtype=np.int64))
        return float(10 * np.log10(255**2 / max(total / (3 * self.pixels), 1e-10)))

    def _write(self, k: int, step: int) -> Written:
        writer = StreamWriter(self.codec.tables)
        self.walk(k, step, writer)
        return writer.finish()[0]

    def _pack(self, step: int, tiles: list[Written]) -> bytes:
        weights, layout = self.codec.weights, self.layout
        header = Header(
            model=weights.number,
            fingerprint=weights.fingerprint[:2],
            width=layout.width,
            height=layout.height,
            rate=step,
            grid=self.grid,
            grey=self.picture.grey,
        )
        if layout.log2_side is None:
            return pack(RgoFile(header, self.chunks, tiles[0].payload), tiles[0].symbol_crc)
        index = TileIndex(layout.log2_side, tuple(Tile(len(tile.payload), tile.symbol_crc) for tile in tiles))
        payload = b"".join(tile.payload for tile in tiles)
        return pack(RgoFile(header, (*self.chunks, index.chunk()), payload), index.symbol_crc)


def _cast(latents: Latents, dtype: torch.dtype) -> Latents:
    return Latents(latents.y.to(dtype), None if latents.codes is None else latents.codes.to(dtype))
