"""Writes and reads the symbols of a picture by the tables of a codec. Loads no torch: all engines use it."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from regio.entropy.guard import Indices, read_guard, table_indices, write_guard
from regio.entropy.range_coder import SYMBOL_LIMIT, RangeReader, RangeWriter, Symbols, table_model
from regio.entropy.tables import PRECISION, Counts, FactorizedTables, gaussian_tables


class Written(NamedTuple):
    """The coded latents of one picture."""

    payload: bytes
    symbol_crc: int


class TableSet:
    """Range coder models for the tables of a model's priors, by stream, and for the Gaussian; made once per model."""

    def __init__(self, factorized: Mapping[str, FactorizedTables]) -> None:
        self.factorized: dict[str, list[_Entry]] = {}
        self.cheapest: dict[str, float] = {}  # bits of a position, all channels, each by its likeliest symbol
        for stream, tables in factorized.items():
            channels = [tables.channel(c) for c in range(len(tables.lengths))]
            self.factorized[stream] = [_entry(*channel) for channel in channels]
            self.cheapest[stream] = sum(_cheapest(counts) for _, counts in channels)
        self.gaussian = [_entry(-table.reach, table.counts) for table in gaussian_tables()]
        self.cheapest_gaussian = np.array([_cheapest(table.counts) for table in gaussian_tables()])


class _Entry(NamedTuple):
    lowest: int
    model: object
    size: int


def _entry(lowest: int, counts: Counts) -> _Entry:
    return _Entry(lowest, table_model(counts), len(counts))


def _cheapest(counts: Counts) -> float:
    """Bits of the likeliest symbol of a table."""
    return PRECISION - math.log2(int(np.max(counts)))


def symbols_from(rounded: NDArray[np.float32]) -> Symbols:
    """Whole numbers as floats -> symbols; what is no number counts as 0."""
    return np.clip(np.nan_to_num(rounded), -SYMBOL_LIMIT, SYMBOL_LIMIT).astype(np.int32)


def write_factorized(writer: RangeWriter, tables: TableSet, stream: str, symbols: Symbols) -> None:
    """Write symbols (C,h,w) channel by channel, each in raster order."""
    for channel, (lowest, model, entries) in zip(symbols, tables.factorized[stream], strict=True):
        writer.table(channel.reshape(-1), lowest, model, entries)
    writer.log(symbols)


def read_factorized(reader: RangeReader, tables: TableSet, stream: str, size: tuple[int, int]) -> Symbols:
    """Read what `write_factorized` wrote, channels of a size (h,w) -> (C,h,w)."""
    known = tables.factorized[stream]
    reader.expect(tables.cheapest[stream] * size[0] * size[1])
    symbols = np.empty((len(known), *size), np.int32)
    for channel, (lowest, model, entries) in zip(symbols, known, strict=True):
        channel[...] = reader.table(channel.size, lowest, model, entries).reshape(size)
    reader.log(symbols)
    return symbols


def write_gaussian(
    writer: RangeWriter, tables: TableSet, symbols: Symbols, levels: NDArray[np.float64], guard: float
) -> None:
    """Write symbols (C,h,w), levels alike: the guard list, then by ascending table, those of one in raster order."""
    flat, level = symbols.reshape(-1), levels.reshape(-1)
    indices = write_guard(writer, level, guard) if guard else table_indices(level)
    for index, positions in by_table(indices):
        writer.table(flat[positions], *tables.gaussian[index])
    writer.log(symbols)


def read_gaussian(reader: RangeReader, tables: TableSet, levels: NDArray[np.float64], guard: float) -> Symbols:
    """Read what `write_gaussian` wrote: levels (C,h,w) -> symbols (C,h,w)."""
    level = levels.reshape(-1)
    indices = read_guard(reader, level, guard) if guard else table_indices(level)
    reader.expect(float(tables.cheapest_gaussian[indices].sum()))
    symbols = np.empty(level.shape, np.int32)
    for index, positions in by_table(indices):
        symbols[positions] = reader.table(len(positions), *tables.gaussian[index])
    reader.log(symbols)
    return symbols.reshape(levels.shape)


def by_table(indices: Indices) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Tables (n,) -> (table, its positions in raster order), by ascending table, those without positions left out."""
    order = np.argsort(indices, kind="stable")
    ends = np.cumsum(np.bincount(indices, minlength=1))
    start = 0
    for index, end in enumerate(ends.tolist()):
        if end > start:
            yield index, order[start:end]
        start = end
