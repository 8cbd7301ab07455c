"""Regions as inputs of a graph: arrays of indices, which the engine makes for any kind of regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

STRIDES = 8, 16  # pixels to a position of the features that layers for regions work on
KINDS = ("rows", "columns", "inner_rows", "inner_columns", "pool_rows", "pool_columns")


def name_of(kind: str, stride: int) -> str:
    """The name of an input."""
    return f"{kind}_{stride}"


class RecordedRegions:
    """Fulfils `Regions`; docs/light.md says what the arrays are."""

    def __init__(self, size: tuple[Any, Any], arrays: Mapping[str, Tensor]) -> None:
        """size: (r,s); arrays: by `name_of`, of all strides that may be asked for."""
        self.size, self.arrays = size, arrays

    def pool(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) -> prototypes (B,C,r,s)."""
        down, across = self._at((features.shape[2], features.shape[3]), "pool_")
        return down @ features @ across.transpose(0, 1)

    def spread(self, prototypes: Tensor, size: tuple[Any, Any]) -> Tensor:
        """Prototypes (B,C,r,s) -> (B,C,h,w)."""
        rows, columns = self._at(size, "")
        return prototypes.index_select(2, rows).index_select(3, columns)

    def inner(self, features: Tensor) -> Tensor:
        """Features (B,C,h,w) -> those that gates look at (B,C,h',w')."""
        rows, columns = self._at((features.shape[2], features.shape[3]), "inner_")
        return features.index_select(2, rows).index_select(3, columns)

    def _at(self, size: tuple[Any, Any], kind: str) -> tuple[Tensor, Tensor]:
        """The arrays for features of a size."""
        for stride in STRIDES:
            rows, columns = (self.arrays[name_of(axis, stride)] for axis in ("rows", "columns"))
            if [_sample(side) for side in size] == [_sample(one.shape[0]) for one in (rows, columns)]:
                first, second = (self.arrays.get(name_of(kind + axis, stride)) for axis in ("rows", "columns"))
                assert first is not None
                assert second is not None
                return first, second
        raise AssertionError(f"features of size {size} belong to no stride")


def _sample(side: Any) -> int:
    """A size in the sample that is recorded with; strides differ in it."""
    return int(side if isinstance(side, int) else side.node.hint)
