"""The ONNX Runtime engine: it runs recorded graphs, and between them codes what the plan says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regio.codec.engine import Engine, Size, Terms, TileReader
from regio.codec.layout import Span
from regio.codec.windows import Strip, Tile, Window
from regio.entropy.range_coder import RangeReader, RangeWriter, Symbols
from regio.entropy.symbols import (
    Written,
    read_factorized,
    read_gaussian,
    symbols_from,
    write_factorized,
    write_gaussian,
)
from regio.format.header import MAX_RATE
from regio.images import Pixels
from regio.light.graphs import Arrays, Graphs
from regio.light.plan import Call, Graph, Plan, PlannedFacts

Floats = NDArray[np.float32]
AXES = ("rows", "columns")


class LightDecoded(NamedTuple):
    """The arrays of a tile or window after coding; see `Decoded`."""

    y_hat: Floats
    shallow: Floats | None = None
    kept: Floats | None = None


class LightLatents(NamedTuple):
    """The analysis of a tile; see `Latents`."""

    y: NDArray[Any]
    codes: NDArray[Any] | None


@dataclass(kw_only=True)
class LightEngine(Engine):
    """See Engine."""

    plan: Plan
    graphs: Graphs

    @classmethod
    def of(cls, graphs: Graphs) -> LightEngine:
        """By the graphs of a plan."""
        plan = graphs.plan
        return cls(
            plan=plan,
            graphs=graphs,
            name=plan.name,
            number=plan.number,
            fingerprint=plan.fingerprint,
        )

    @property
    def facts(self) -> PlannedFacts:
        """See Engine."""
        return self.plan.facts

    @property
    def synthesis(self) -> LightEngine:
        """See Engine. Its graph is made ready while tiles are read."""
        self.graphs.begin(self.plan.synthesis)
        return self

    @property
    def everything(self) -> bool:
        """See Synthesis."""
        return not self.facts.local

    def pixels(self, decoded: LightDecoded, window: Window, rate: Floats) -> Floats:
        """See Synthesis."""
        arrays: Arrays = {"y_hat": decoded.y_hat, "rate": rate}
        if decoded.shallow is not None:
            arrays["shallow"] = decoded.shallow
        arrays |= regions_of(self.plan.synthesis, window, self.facts.stride)
        self.graphs.run(self.plan.synthesis, arrays)
        x_hat: Floats = arrays["x_hat"][0]
        return x_hat

    def to_pixels(self, x_hat: Floats, grey: bool) -> Pixels:
        """See Engine."""
        if grey:
            x_hat = np.broadcast_to(x_hat.mean(0, keepdims=True), x_hat.shape)
        shown = np.clip(x_hat, 0, 1)
        shown *= np.float32(255)
        return np.ascontiguousarray(np.rint(shown, out=shown).astype(np.uint8).transpose(1, 2, 0))

    def analyse(self, pixels: Pixels, size: Size, window: Window, here: tuple[slice, slice]) -> LightLatents:
        """See Engine."""
        edges = [(0, size[k] - pixels.shape[k]) for k in range(2)]
        x = np.pad(pixels, [*edges, (0, 0)], mode="edge").transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        arrays: Arrays = {"x": x, **regions_of(self.plan.analysis, window, self.facts.stride)}
        self.graphs.run(self.plan.analysis, arrays)
        return LightLatents(np.ascontiguousarray(arrays["y"][(..., *here)]), arrays.get("codes"))

    def write(self, latents: LightLatents, terms: Terms) -> tuple[Tile, Written]:
        """See Engine."""
        writer = RangeWriter()
        if terms.rates is not None:
            writer.log(terms.rates.levels)
        given: Arrays = {"y": latents.y}
        if latents.codes is not None:
            given["codes"] = latents.codes

        def code(call: Call, arrays: Arrays) -> Symbols:
            at = arrays[call.given[0]] if call.given else self.plan.medians(call.stream)
            symbols: Symbols = symbols_from(np.rint(arrays[call.values] - at))[0]
            if call.code == "factorized":
                write_factorized(writer, self.plan.tables, call.stream, symbols)
            else:
                write_gaussian(writer, self.plan.tables, symbols, _levels(call, arrays), 0.0)
            return symbols

        tile = self._walk(given, terms, code)
        return tile, Written(writer.finish(), writer.checksum)

    def readers(self) -> Iterator[TileReader]:
        """See Engine."""
        yield self._read

    def _read(self, streams: bytes, terms: Terms) -> tuple[Tile, int]:
        reader = RangeReader(streams)
        if terms.rates is not None:
            reader.log(terms.rates.levels)

        def code(call: Call, arrays: Arrays) -> Symbols:
            if call.code == "factorized":
                return read_factorized(reader, self.plan.tables, call.stream, (terms.grid, terms.grid))
            return read_gaussian(reader, self.plan.tables, _levels(call, arrays), 0.0)

        return self._walk({}, terms, code), reader.checksum

    def _walk(self, latents: Arrays, terms: Terms, code: Any) -> Tile:
        """The steps of the plan, for a writer, who has latents, and a reader; code(call, arrays) -> symbols (C,h,w)."""
        self.graphs.begin(*(step.both for step in self.plan.walk))
        rate = self.rate(terms)
        arrays = {**latents, "rate": rate}
        for step in self.plan.walk:
            for graph in (step.both, step.writer if latents else None):
                if graph:
                    arrays |= grid_of(graph, terms, self.facts.stride)
                    self.graphs.run(graph, arrays)
            if call := step.call:
                symbols = code(call, arrays)
                at = arrays[call.given[0]] if call.given else self.plan.medians(call.stream)
                arrays[call.decoded] = symbols[None].astype(np.float32) + at
            arrays = {name: array for name, array in arrays.items() if name in step.needed}
        return Tile(LightDecoded(arrays["y_hat"], arrays.get("shallow")), rate)

    def rate(self, terms: Terms) -> Floats:
        """The map (1,1,h,w) of the rates of a tile; where they do not vary, all are alike."""
        each = self.facts.multiple // self.facts.stride
        size = terms.size[0] // each, terms.size[1] // each
        values = np.full(size, terms.rest / MAX_RATE) if terms.rates is None else terms.rates.values(terms.rest)
        return values.astype(np.float32)[None, None]

    def halved(self, latents: LightLatents) -> LightLatents:
        """See Engine."""
        return _cast(latents, np.float16)

    def restored(self, latents: LightLatents) -> LightLatents:
        """See Engine."""
        return _cast(latents, np.float32)

    def working(self) -> AbstractContextManager[object]:
        """See Engine."""
        return np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore")

    def circumstances(self, thing: str) -> str:
        """See Engine. Levels are whole numbers, so there is nothing to add."""
        return ""


def _levels(call: Call, arrays: Arrays) -> NDArray[np.float64]:
    levels: NDArray[np.float64] = arrays[call.given[1]][0].astype(np.float64)
    return levels


def _cast(latents: LightLatents, dtype: Any) -> LightLatents:
    codes = None if latents.codes is None else latents.codes.astype(dtype)
    return LightLatents(latents.y.astype(dtype), codes)


def regions_of(graph: Graph, window: Window, stride: int) -> Arrays:
    """The arrays that tell a graph of the regions of a window; stride: pixels to a latent."""
    found: Arrays = {}
    for axis, strip in zip(AXES, (window.rows, window.columns), strict=True):
        for name in graph.inputs:
            kind, _, pixels = name.rpartition("_")
            if kind in (axis, f"inner_{axis}", f"pool_{axis}"):
                size = strip.window.length * stride // int(pixels)
                found[name] = _array(kind.removesuffix(axis), strip, size, window.grid)
    return found


def grid_of(graph: Graph, terms: Terms, stride: int) -> Arrays:
    """The same for the grid of a tile."""
    rows, columns = (Strip(span, span, (span,)) for span in (Span(0, side) for side in terms.size))
    return regions_of(graph, Window(rows, columns, terms.grid), stride)


def _array(kind: str, strip: Strip, size: int, grid: int) -> NDArray[Any]:
    """One of them, for features of `size` positions."""
    inner = strip.crop(size)
    if kind == "inner_":
        return np.arange(inner.start, inner.stop, dtype=np.int64)
    if kind == "":
        return np.array(strip.cells(size, grid), np.int64)
    length = inner.stop - inner.start
    weights = np.zeros((grid, size), np.float32)
    for k in range(grid):
        start, stop = k * length // grid, -(-(k + 1) * length // grid)
        weights[k, inner.start + start : inner.start + stop] = 1 / (stop - start)
    return weights
