"""torch's exporter to ONNX, silenced, with the options that Regio uses."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

OPSET = 20


def exported(
    part: nn.Module, inputs: Mapping[str, tuple[Tensor, Any]], outputs: Sequence[str], opset: int = OPSET
) -> Any:
    """A module whose forward pass takes tensors by name, as an ONNX model.

    inputs: by name, a sample and which of its sizes are free (`torch.export.Dim` by axis; None: none is).
    """
    samples = {name: sample for name, (sample, _) in inputs.items()}
    shapes = {name: shape for name, (_, shape) in inputs.items()}
    with _quiet(), torch.no_grad():
        program = torch.export.export(part.eval(), (samples,), dynamic_shapes=(shapes,), strict=False)
        made = torch.onnx.export(
            program,
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=opset,
            optimize=True,
            verbose=False,
        )
    assert made is not None
    return made.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter reports steps and internals."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
