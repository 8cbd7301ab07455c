"""A codec that ONNX Runtime runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from regio.codec.base import BaseCodec
from regio.errors import TORCH, MissingWeights
from regio.light.engine import LightEngine
from regio.light.graphs import Graphs, graphs_of
from regio.models.catalog import DEFAULT

LOOK = "faithful"  # the only one that has graphs


def engine(name: str, threads: int | None = None) -> LightEngine:
    """A bundled codec, made once, with graphs as `graphs_of` gives them; MissingWeights for a codec without graphs."""
    graphs = graphs_of(name, threads)
    if graphs not in _engines:
        _engines[graphs] = LightEngine.of(graphs)
    return _engines[graphs]


_engines: dict[Graphs, LightEngine] = {}


class OnlyWithTorch(MissingWeights, AttributeError):
    """A `LightCodec` lacks what was asked of it, and a `regio.Codec` has it; also an AttributeError."""


class LightCodec(BaseCodec):
    """A bundled codec, for any number of pictures. Made by `regio.light.load`."""

    runtime: LightEngine

    def __init__(self, runtime: LightEngine) -> None:
        self.runtime = runtime
        self.name, self.fingerprint = runtime.name, runtime.fingerprint.hex()

    @property
    def look(self) -> str:
        """See BaseCodec."""
        return LOOK

    def looking(self, look: str) -> LightCodec:
        """See BaseCodec."""
        if look != LOOK:
            raise MissingWeights(f"look {look!r} needs {TORCH}")
        return self

    def __reduce__(self) -> tuple[Callable[..., LightCodec], tuple[str, int]]:
        """For pickle: whoever reads it loads the codec anew."""
        return load, (self.name, self.runtime.graphs.threads)

    def __repr__(self) -> str:
        return f"<regio codec {self.name}, weights {self.fingerprint[:8]}, in ONNX Runtime>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What else a `regio.Codec` has is torch's."""
            raise AttributeError(name) if name.startswith("_") else OnlyWithTorch(f"codec.{name} needs {TORCH}")


def load(name: str = DEFAULT, threads: int | None = None) -> LightCodec:
    """A bundled codec for any number of pictures, with the methods `encode`, `decode` and `verify` of `regio.Codec`.

    threads: as `engine` takes them. MissingWeights for a codec without graphs.
    """
    return LightCodec(engine(name, threads))
