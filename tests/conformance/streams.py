"""Coded strings of each kind of symbol, by Regio's writer: what streams.json is made of. See README.md."""

import json
import zlib
from typing import Any

import numpy as np
import torch

from regio.entropy.guard import write_guard
from regio.entropy.mixture import Quantised, write_mixture
from regio.entropy.positions import write_positions
from regio.entropy.range_coder import RangeWriter, table_model
from regio.entropy.rate_maps import write_levels
from regio.entropy.tables import gaussian_tables

Vector = dict[str, Any]


def dice() -> np.random.Generator:
    return np.random.default_rng(20)


def tables() -> Vector:
    """CRC-32 of the counts of each Gaussian table, as unsigned numbers of 32 bits, little endian."""
    found = gaussian_tables()
    crcs = [f"{zlib.crc32(np.asarray(table.counts).astype('<u4').tobytes()):08X}" for table in found]
    return {"kind": "gaussian tables", "reach": [table.reach for table in found], "crc": crcs}


def numbers() -> Vector:
    writer = RangeWriter()
    values = [0, 1, 2, 5, 100, 65535, 2**24 - 2]
    gaps = [0, 3, 17, 40]
    for value in values:
        writer.natural(value)
    for gap in gaps:
        writer.rice(gap, 3)
    writer.number(2**20 - 1, 20)
    return {
        "kind": "numbers",
        "naturals": values,
        "rice 3": gaps,
        "number 20": 2**20 - 1,
        "data": writer.finish().hex(),
    }


def factorized() -> Vector:
    lowest, counts = [-2, 0], [[1000, 5000, 2**24 - 1000 - 5000 - 70 - 30, 70, 30], [2**23, 2**23]]
    symbols = [[0, -1, 0, 0, -2, 1, 2, -900, 0, 5], [0, 1, -1, 0, 0, 0, 77, 0, 0, 0]]
    writer = RangeWriter()
    for channel, low, table in zip(symbols, lowest, counts, strict=True):
        writer.table(np.array(channel, np.int32), low, table_model(np.array(table)), len(table))
    return {
        "kind": "factorized",
        "lowest": lowest,
        "lengths": [len(table) for table in counts],
        "counts": [*counts[0], *counts[1]],
        "symbols": [*symbols[0], *symbols[1]],
        "data": writer.finish().hex(),
    }


def gaussian(guard: float, count: int = 300) -> Vector:
    """guard: the guard width; 0 for none. Levels close to the middle of two tables are listed on the other side."""
    generator = dice()
    levels = np.round(generator.uniform(-3, 66, count) * 8) / 8
    if guard:
        levels = np.where(levels % 1 == 0.5, levels + guard / 4, levels)
    scales = 0.11 * (256 / 0.11) ** (levels.clip(0, 63) / 63)
    symbols = np.rint(generator.normal(0, scales)).astype(np.int32)
    symbols[::40] = generator.integers(-3000, 3000, len(symbols[::40]))  # escapes
    writer = RangeWriter()
    indices = write_guard(writer, levels, guard) if guard else np.floor(levels + 0.5).clip(0, 63).astype(int)
    found = gaussian_tables()
    for t in np.unique(indices):
        counts = np.asarray(found[t].counts)
        writer.table(symbols[indices == t], -found[t].reach, table_model(counts), len(counts))
    seen = np.where(levels % 1 > 0.5, levels - guard / 2, levels) if guard else levels  # as another machine has them
    return {
        "kind": "gaussian",
        "guard": guard or None,
        "levels": seen.tolist(),
        "symbols": symbols.tolist(),
        "data": writer.finish().hex(),
    }


def mixtures(count: int = 120) -> Vector:
    generator = dice()
    levels = generator.integers(0, 64, (count, 3))
    levels[: count // 2] //= 3
    offsets = generator.integers(-128, 129, (count, 3))
    first = generator.integers(0, 129, count)
    second = (generator.random(count) * (129 - first)).astype(int)
    weights = np.stack([first, second, 128 - first - second], axis=1)
    symbols = np.rint(generator.normal(0, 1 + levels[:, 0] ** 2 / 30)).astype(np.int32)
    symbols[::30] = generator.integers(-30000, 30000, len(symbols[::30]))
    writer = RangeWriter()
    parts = (torch.from_numpy(np.ascontiguousarray(part.T).astype(np.int32)) for part in (levels, offsets, weights))
    write_mixture(writer, symbols, Quantised(*parts))
    return {
        "kind": "mixtures",
        "tables": levels.flatten().tolist(),
        "offsets": offsets.flatten().tolist(),
        "weights": weights.flatten().tolist(),
        "symbols": symbols.tolist(),
        "data": writer.finish().hex(),
    }


def positions(expected: int, clustered: bool) -> Vector:
    rows, columns = 12, 17
    generator = dice()
    if clustered:
        y, x = np.mgrid[:rows, :columns]
        kept = (y - 5) ** 2 + (x - 8) ** 2 < 20
    else:
        kept = generator.random((rows, columns)) < 0.3
    writer = RangeWriter()
    write_positions(writer, kept, expected or int(kept.sum()))
    return {
        "kind": "positions",
        "rows": rows,
        "columns": columns,
        "expected": expected or int(kept.sum()),
        "symbols": kept.astype(int).flatten().tolist(),
        "data": writer.finish().hex(),
    }


def rate_map() -> Vector:
    y, x = np.mgrid[:14, :20]
    levels = ((y - 6) ** 2 + (x - 9) ** 2 < 30).astype(np.int32) * 3
    levels[4:9, 6:12] = 5
    levels[10:, 15:] = dice().integers(0, 6, (4, 5))
    return {
        "kind": "rate map",
        "rows": 14,
        "columns": 20,
        "levels": 6,
        "symbols": levels.flatten().tolist(),
        "data": write_levels(levels, 6).hex(),
    }


def made() -> str:
    vectors = [tables(), numbers(), factorized(), gaussian(0), gaussian(0.25), gaussian(0.000001), mixtures()]
    vectors += [positions(0, True), positions(0, False), positions(50, True), rate_map()]
    lines = [json.dumps(vector, separators=(",", ":")) for vector in vectors]
    return "[\n" + ",\n".join(lines) + "\n]\n"
