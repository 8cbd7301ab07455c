"""A fourth coder: it codes nothing, and leaves a node in the exported graph wherever it is called."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from regio.entropy import FactorizedPrior, Mixture
from regio.errors import UsageError

DOMAIN = "regio"  # of the nodes


class Recorder:
    """See Coder. For `torch.export` alone: what it returns has a shape and a type, but means nothing."""

    exact = True

    def factorized(
        self, stream: str, values: Tensor | None, prior: FactorizedPrior, size: Any, mask: Tensor | None = None
    ) -> Tensor:
        """See Coder."""
        assert values is not None
        assert mask is None, "files carry grid regions only, which are all present"
        return _call("Factorized", stream, (values,), values)

    def gaussian(self, stream: str, values: Tensor | None, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder; UsageError for levels that are floating-point, which no two engines agree on."""
        if guard:
            raise UsageError("the levels of this codec are floating-point, so that other engines cannot read its files")
        assert values is not None
        return _call("Gaussian", stream, (values, mean, level), mean)

    def mixture(self, stream: str, values: Tensor | None, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder."""
        assert values is not None
        return _call("Mixture", stream, (values, mean, *mixture), mean)

    def positions(self, stream: str, kept: Tensor | None, size: Any, expected: int | None) -> Tensor:
        """See Coder."""
        assert kept is not None
        return _call("Positions", stream, (kept,), kept)


def _call(kind: str, stream: str, inputs: tuple[Tensor, ...], like: Tensor) -> Tensor:
    result: Tensor = torch.onnx.ops.symbolic(
        f"{DOMAIN}::{kind}", inputs, {"stream": stream}, dtype=like.dtype, shape=like.shape, version=1
    )
    return result
