"""The three parts of a codec as exported programs: analysis, walk over the latents, synthesis.

Sizes are symbols, those of a picture of (2 rows * multiple) by (2 columns * multiple) pixels; even numbers, because
that is what `torch.export` can prove its slices of. The graphs take others, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from regio.models.base import Decoded, Latents, Network
from regio.recording.coder import Recorder
from regio.recording.exporting import exported
from regio.recording.regions import STRIDES, RecordedRegions, name_of

_ROWS, _COLUMNS = 4, 6  # of the hyper-latent, in the picture that is recorded
_GRID = 3


class Sizes:
    """Sizes of what is recorded, as numbers and as symbols."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.rows = Dim("rows", min=2, max=1 << 14)
        self.columns = Dim("columns", min=2, max=1 << 14)
        self.down, self.across = Dim("down", min=2, max=1 << 10), Dim("across", min=2, max=1 << 10)  # of the prototypes

    def at(self, stride: int) -> tuple[tuple[int, int], tuple[Any, Any]]:
        """(rows, columns) of features that are so many pixels apart."""
        each = self.net.multiple // stride
        return (_ROWS * each, _COLUMNS * each), (2 * each * self.rows, 2 * each * self.columns)

    def map(self, channels: int, stride: int) -> tuple[Tensor, Any]:
        """A sample (1,C,h,w) and its symbols."""
        (rows, columns), (down, across) = self.at(stride)
        return torch.rand(1, channels, rows, columns), {2: down, 3: across}

    def rate(self) -> tuple[Tensor, Any]:
        """A map of rates."""
        return self.map(1, self.net.multiple)

    def regions(self, *, inner: bool, pool: bool, square: bool) -> dict[str, tuple[Tensor, Any]]:
        """What `RecordedRegions` wants; square: as many prototypes down as across."""
        found: dict[str, tuple[Tensor, Any]] = {}
        cells = self.down, self.down if square else self.across
        for stride in STRIDES:
            for axis, side, symbol, cell in zip(("rows", "columns"), *self.at(stride), cells, strict=True):
                found[name_of(axis, stride)] = torch.arange(side) * _GRID // side, {0: symbol}
                if inner:
                    part = Dim(f"inner_{axis}_{stride}", min=2, max=1 << 18)
                    found[name_of(f"inner_{axis}", stride)] = torch.arange(side - 1), {0: part}
                if pool:
                    found[name_of(f"pool_{axis}", stride)] = torch.rand(_GRID, side), {0: cell, 1: symbol}
        return found

    def prototypes(self, channels: int, *, square: bool) -> tuple[Tensor, Any]:
        """(1,C,r,s)."""
        return torch.rand(1, channels, _GRID, _GRID), {2: self.down, 3: self.down if square else self.across}


class Analysis(nn.Module):
    """Pictures to latents."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, given: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """x (1,3,H,W) and regions -> y, codes."""
        grid = given["pool_rows_8"].shape[0], given["pool_columns_8"].shape[0]
        latents = self.net.analyse(given["x"], RecordedRegions(grid, given))
        return (latents.y,) if latents.codes is None else (latents.y, latents.codes)


class Walk(nn.Module):
    """Latents to what is decoded of them."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, given: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """y, codes, rate and regions -> y_hat, shallow."""
        y, rate = given["y"], given["rate"]
        grid = given["pool_rows_16"].shape[0], given["pool_columns_16"].shape[0]
        regions = RecordedRegions(grid, _whole(given))
        each = self.net.align
        size = rate.shape[2] * each, rate.shape[3] * each
        decoded = self.net.code(Latents(y, given.get("codes")), Recorder(), regions, rate, size)
        return (decoded.y_hat,) if decoded.shallow is None else (decoded.y_hat, decoded.shallow)


def _whole(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Regions of a tile: gates look at all of it."""
    inner = {
        name_of(f"inner_{axis}", stride): torch.arange(given[name_of(axis, stride)].shape[0])
        for axis in ("rows", "columns")
        for stride in STRIDES
    }
    return {**given, **inner}


class Synthesis(nn.Module):
    """From the decoded latents to pictures."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net

    def forward(self, given: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """y_hat, shallow, rate and regions -> x_hat (1,3,H,W), not clamped."""
        shallow = given.get("shallow")
        size = (1, 1) if shallow is None else (shallow.shape[2], shallow.shape[3])
        decoded = Decoded(given["y_hat"], shallow)
        return (self.net.synthesise(decoded, RecordedRegions(size, given), given["rate"]),)


def recorded(net: Network, codes: int, prototypes: int) -> dict[str, Any]:
    """The ONNX models "analysis", "walk", "synthesis" of a network in float32 on the CPU.

    codes, prototypes: channels of the shallow codes and of the prototypes they stand for, 0 where there are none.
    """
    sizes = Sizes(net)
    y, rate = sizes.map(net.latent, net.stride), sizes.rate()
    square = sizes.regions(inner=False, pool=True, square=True)
    analysis = {"x": sizes.map(3, 1), **sizes.regions(inner=True, pool=True, square=True)}
    walk = {"y": y, **({"codes": sizes.prototypes(codes, square=True)} if codes else {}), "rate": rate, **square}
    synthesis = {"y_hat": y, **({"shallow": sizes.prototypes(prototypes, square=False)} if codes else {}), "rate": rate}
    synthesis |= sizes.regions(inner=True, pool=False, square=False)
    return {
        "analysis": exported(Analysis(net), analysis, ("y", "codes")[: 1 + bool(codes)]),
        "walk": exported(Walk(net), walk, ("y_hat", "shallow")[: 1 + bool(codes)]),
        "synthesis": exported(Synthesis(net), synthesis, ("x_hat",)),
    }
