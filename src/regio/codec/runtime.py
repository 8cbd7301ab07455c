"""What coding knows of a codec: the network on a device, the tables, and which weights they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regio.codec.devices import device_of, settle
from regio.codec.layout import DEFAULT_TILING, Tiling
from regio.entropy import TableSet
from regio.errors import MissingWeights
from regio.format import Chunk, CustomWeights, RgoFile
from regio.models.base import Network
from regio.models.catalog import by_id
from regio.weights.store import Weights


def unwatched(tile: int, count: int) -> None:
    """Nobody wants to know how far the work is."""


@dataclass
class Runtime:
    """A network that is ready to code, and its identity. Encoding and decoding get this, not a `Codec`."""

    net: Network
    tables: TableSet
    device: torch.device
    name: str
    number: int
    """Catalog id; 0 for weights that are not bundled."""
    fingerprint: bytes
    """16 bytes, of configuration, numbers and tables."""
    tiling: Tiling = DEFAULT_TILING
    told: Callable[[int, int], None] = unwatched
    """Called before each tile that is coded or decoded, with its number from 0 and how many there are. It may raise."""

    @classmethod
    def of(cls, weights: Weights, device: str) -> Runtime:
        """Weights on a device ("auto", "cpu", "cuda:1" ...); UsageError where that is not possible."""
        place = device_of(device)
        net, tables = settle(weights.net, place), TableSet(weights.tables)
        return cls(net, tables, place, weights.name, weights.number, weights.fingerprint)

    @property
    def like(self) -> Tensor:
        """A parameter of the network, for its device and type."""
        parameter: Tensor = next(self.net.parameters())
        return parameter

    def chunks(self) -> tuple[Chunk, ...]:
        """What a file says about weights that are not bundled."""
        return () if self.number else (CustomWeights(self.fingerprint, self.name).chunk(),)

    def check_weights(self, file: RgoFile) -> None:
        """MissingWeights for a file of other weights."""
        header = file.header
        if header.model != self.number:
            wanted = f"custom weights {file.weights.name!r}" if file.weights else f"model {by_id(header.model).name}"
            raise MissingWeights(f"the file needs {wanted}, not {self.name}")
        theirs = file.weights.fingerprint if file.weights else header.fingerprint
        if not self.fingerprint.startswith(theirs):
            raise MissingWeights(
                f"the file was made with other weights of {self.name} ({theirs.hex()}); another release has them"
            )
