"""The interface to what runs a codec's networks: torch (`runtime`) or ONNX Runtime (`regio.light`).

Loads no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.codec.layout import DEFAULT_TILING, Tiling
from regio.codec.tile_rates import TileRates
from regio.codec.windows import Synthesis, Tile, Window
from regio.entropy.symbols import Written
from regio.errors import MissingWeights
from regio.format import Chunk, CustomWeights, RgoFile
from regio.images import Pixels
from regio.models.catalog import by_id
from regio.models.facts import Facts

Size = tuple[int, int]  # (h, w) of latents


def unwatched(tile: int, count: int) -> None:
    """Nobody wants to know how far the work is."""


@dataclass(frozen=True)
class Terms:
    """The facts on which reader and writer of a tile agree."""

    rest: int
    """The rate step of the header."""
    rates: TileRates | None
    """The rates of the tile, if they vary."""
    grid: int
    size: Size


TileReader = Callable[[bytes, Terms], tuple[Tile, int]]
"""The streams of a tile -> what they say, and the checksum of their symbols; CorruptFile."""


@dataclass(kw_only=True)
class Engine(ABC):
    """Networks that are ready to code, and whose they are. Encoding and decoding get this, not a `Codec`."""

    name: str
    number: int
    """Catalog id; 0 for weights that are not bundled."""
    fingerprint: bytes
    """16 bytes, of configuration, numbers and tables."""
    tiling: Tiling = DEFAULT_TILING
    told: Callable[[int, int], None] = unwatched
    """Called before each tile that is coded or decoded, with its number from 0 and how many there are. It may raise."""

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """Numbers of the network."""

    @property
    @abstractmethod
    def synthesis(self) -> Synthesis:
        """Latents to pixels."""

    @abstractmethod
    def readers(self) -> Iterator[TileReader]:
        """Ways to read a tile, the best first; the next is tried where one finds a tile damaged."""

    @abstractmethod
    def analyse(self, pixels: Pixels, size: Size, window: Window, here: tuple[slice, slice]) -> Any:
        """Pixels (h,w,3) of a window, whose last row and column are repeated up to a size -> the latents `here`."""

    @abstractmethod
    def write(self, latents: Any, terms: Terms) -> tuple[Tile, Written]:
        """Code a tile -> what a reader gets, and its streams."""

    @abstractmethod
    def halved(self, latents: Any) -> Any:
        """Latents in half precision, for keeping."""

    @abstractmethod
    def restored(self, latents: Any) -> Any:
        """Latents in the precision that they are coded from."""

    @property
    def patch_ranker(self) -> Any:
        """The network, where it keeps some patches only (`PatchRanker`); None otherwise."""
        return None

    def emphasise(self, latents: Any, importance: NDArray[np.float64], alpha: float) -> Any:
        """Latents with more of a region (h,w), for codecs whose files do not mention regions."""
        raise NotImplementedError(f"{self.name} gives more to a region {self.facts.region_support.value}")

    @abstractmethod
    def working(self) -> AbstractContextManager[object]:
        """Settings of the engine that hold while it works."""

    @abstractmethod
    def to_pixels(self, x_hat: Any, grey: bool) -> Pixels:
        """(3,H,W) from 0 to 1, not clamped -> (H,W,3) uint8; a grey picture takes the mean of its planes."""

    @abstractmethod
    def circumstances(self, thing: str) -> str:
        """The end of the error for a damaged file or tile (`thing`), if the engine's arithmetic might be the cause."""

    def chunks(self) -> tuple[Chunk, ...]:
        """The weights chunk of a file whose weights are not bundled."""
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
