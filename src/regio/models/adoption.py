"""Initialises one model with the numbers of another: MCM's small model, or the next generation."""

import torch
from torch import Tensor

FIRST_LAMBDAS = (2e-4, 0.12)  # at rate 0 and 1, that the first generation of segpic-xs was trained with
LAMBDAS = (1e-4, 0.3)  # of the second
GAINS = "gain.log_gain.points"


def from_segpic(known: dict[str, Tensor], log_gains: Tensor) -> dict[str, Tensor]:
    """SegPIC's numbers by their names -> the same by those of MCM, to be taken over where shapes agree.

    log_gains (P,): what MCM's first gains are at its rates, as logarithms to base 2. SegPIC's rate tables are read
    where its gains are the same: at our rate r, its own rate lies where log2 of the gain agrees (beyond its ends they
    go on as lines). Numbers of an MCM come back as they are.
    """
    if GAINS not in known or any(name.startswith("stem.") for name in known):
        return known
    gains = known[GAINS].float().mean(dim=1)
    place = _place_of(log_gains, gains)
    renamed = {}
    for name, value in known.items():
        home = "stem." if name.startswith("g_a") else "head." if name.startswith("g_s") else ""
        table = name.endswith(".points") and value.shape[0] == len(gains)
        renamed[home + name] = _read_at(value.float(), place) if table else value
    return renamed


def from_first(known: dict[str, Tensor], points: int) -> dict[str, Tensor]:
    """Numbers of a first-generation SegPIC by the names of the second, tables over the rate read at its lambdas."""
    (low, high), (first, last) = (torch.tensor(ends).log() for ends in (FIRST_LAMBDAS, LAMBDAS))
    wanted = torch.linspace(float(first), float(last), points)
    place = (wanted - low) / (high - low)
    renamed = {}
    for name, value in known.items():
        if name.startswith(("context.", "z_context.nets.")):
            continue  # another context
        if name.startswith("regional.") and any(part in name for part in ("_coder.", "_prior.", ".steer.")):
            continue  # its prototypes had died
        if name.endswith(".points"):
            value = _read_at(value.float(), place * (len(value) - 1))
            if name.startswith(("levels.", "z_context.first", "z_context.inverse")):
                name = name.removesuffix("points") + "table.points"
        renamed[name] = value
    return renamed


def _place_of(wanted: Tensor, values: Tensor) -> Tensor:
    """Inverts a rising line through `values` (P,): the points at which it takes the wanted (Q,). It extrapolates."""
    below = (torch.searchsorted(values.contiguous(), wanted.contiguous()) - 1).clamp(0, len(values) - 2)
    return below + (wanted - values[below]) / (values[below + 1] - values[below])


def _read_at(table: Tensor, place: Tensor) -> Tensor:
    """A table (P,C) at places (Q,) -> (Q,C), by lines between its points and beyond its ends."""
    below = place.floor().clamp(0, len(table) - 2).long()
    return torch.lerp(table[below], table[below + 1], (place - below)[:, None])
