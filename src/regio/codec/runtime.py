"""The torch engine: a network on a device, its tables, and the identity of its weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regio.codec.devices import device_of, exact_arithmetic, here, settle
from regio.codec.engine import Engine, Size, Terms, TileReader
from regio.codec.pixels import pad, to_pixels, to_tensor
from regio.codec.tile_rates import TileRates
from regio.codec.torch_windows import NetworkSynthesis, WindowRegions
from regio.codec.windows import Tile, Window
from regio.entropy import Coder, StreamReader, StreamWriter, TableSet, Written
from regio.format.header import MAX_RATE
from regio.images import Pixels
from regio.models.base import Decoded, Latents, Network, PatchRanker
from regio.nn.regional import GridRegions
from regio.weights.store import Weights


@dataclass(kw_only=True)
class Runtime(Engine):
    """See Engine."""

    net: Network
    tables: TableSet
    device: torch.device
    half: bool = False
    """Whether pixels are computed in bfloat16; nothing else is."""

    @classmethod
    def of(cls, weights: Weights, device: str) -> Runtime:
        """Weights on a device ("auto", "cpu", "cuda:1" ...); UsageError where that is not possible."""
        place = device_of(device)
        return cls(
            net=settle(weights.net, place),
            tables=TableSet(weights.tables),
            device=place,
            name=weights.name,
            number=weights.number,
            fingerprint=weights.fingerprint,
        )

    @property
    def facts(self) -> Network:
        """See Engine."""
        return self.net

    @property
    def like(self) -> Tensor:
        """A parameter of the network, for its device and type."""
        parameter: Tensor = next(self.net.parameters())
        return parameter

    @property
    def synthesis(self) -> NetworkSynthesis:
        """See Engine."""
        return NetworkSynthesis(self.net, self.half)

    @contextmanager
    def working(self) -> Iterator[None]:
        """See Engine."""
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(exact_arithmetic())
            yield

    def to_pixels(self, x_hat: Tensor, grey: bool) -> Pixels:
        """See Engine."""
        return to_pixels(x_hat, grey)

    def readers(self) -> Iterator[TileReader]:
        """See Engine. Where scales are floating-point, another device is followed by the CPU, all in float64."""
        yield partial(self._read, self.net)
        if self._guarded and self.device.type != "cpu":  # there, the first attempt is as good as a second
            yield partial(self._read, self._precise)

    def rate(self, net: Network, rest: int, rates: TileRates | None) -> Tensor | None:
        """The rate as a network takes it: (1,), or (1,1,h,w) for a rate map; None where there is one rate."""
        if not net.rated:
            return None
        like = next(net.parameters())
        return like.new_tensor([rest / MAX_RATE]) if rates is None else like.new_tensor(rates.values(rest))[None, None]

    def circumstances(self, thing: str) -> str:
        """See Engine. A file does not say where it was written."""
        if not self._guarded:
            return ""
        again = "" if self.device.type == "cpu" else ", and again on the CPU in float64"
        return (
            f", or its writer's arithmetic was not that of docs/portability.md (tried here: {here(self.device)}{again};"
            f" if a fresh copy of the {thing} fails too, ask where it was written)"
        )

    def walk(self, latents: Latents, terms: Terms, coder: Coder) -> Decoded:
        """Code latents by any coder."""
        rate = self.rate(self.net, terms.rest, terms.rates)
        return self.net.code(latents, coder, GridRegions(terms.grid), rate, terms.size)

    def analyse(self, pixels: Pixels, size: Size, window: Window, here: tuple[slice, slice]) -> Latents:
        """See Engine."""
        around = self.net.analyse(pad(to_tensor(pixels, self.device), size), WindowRegions(window))
        part = (..., *here)
        worth = None if around.worth is None else around.worth[part].contiguous()
        return around._replace(y=around.y[part].contiguous(), worth=worth)

    def write(self, latents: Latents, terms: Terms) -> tuple[Tile, Written]:
        """See Engine."""
        writer = StreamWriter(self.tables)
        if terms.rates is not None:
            writer.writers[0].log(terms.rates.levels)
        decoded = self.walk(latents, terms, writer)
        return Tile(decoded, self.rate(self.net, terms.rest, terms.rates)), writer.finish()[0]

    def halved(self, latents: Latents) -> Latents:
        """See Engine."""
        return _cast(latents, torch.float16)

    def restored(self, latents: Latents) -> Latents:
        """See Engine."""
        return _cast(latents, torch.float32)

    @property
    def patch_ranker(self) -> PatchRanker | None:
        """See Engine."""
        return self.net.patch_ranker

    def emphasise(self, latents: Latents, importance: NDArray[np.float64], alpha: float) -> Latents:
        """See Engine."""
        return self.net.emphasise(latents, torch.from_numpy(importance).to(latents.y)[None, None], alpha)

    def _read(self, net: Network, streams: bytes, terms: Terms) -> tuple[Tile, int]:
        reader = StreamReader(self.tables, [streams])
        if terms.rates is not None:
            reader.readers[0].log(terms.rates.levels)
        rate = self.rate(net, terms.rest, terms.rates)
        decoded = net.code(None, reader, GridRegions(terms.grid), rate, terms.size).to(self.like)
        return Tile(decoded, self.rate(self.net, terms.rest, terms.rates)), reader.finish()[0]

    @property
    def _guarded(self) -> bool:
        return not self.net.exact_levels

    @cached_property
    def _precise(self) -> Network:
        return copy.deepcopy(self.net).cpu().double()


def _cast(latents: Latents, dtype: torch.dtype) -> Latents:
    """The same in another type."""

    def cast(part: Tensor | None) -> Tensor | None:
        return None if part is None else part.to(dtype)

    return latents._replace(y=latents.y.to(dtype), codes=cast(latents.codes), worth=cast(latents.worth))
