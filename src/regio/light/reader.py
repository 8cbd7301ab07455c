"""`regio.decode` and `regio.verify` where torch is not installed: ONNX Runtime stands in for it."""

from typing import Any, Unpack

from regio import light
from regio.arrays import Form
from regio.codec.options import DecodeOptions
from regio.errors import MissingWeights
from regio.format import Data

NEEDED = "torch is not installed: pip install torch"


def decode(
    data: Data,
    *,
    as_: Form = "pil",
    codec: object = None,  # any is refused
    device: str = "auto",
    look: str | None = None,
    **options: Unpack[DecodeOptions],
) -> Any:
    """As `regio.decode`; MissingWeights for what only torch can do: other weights, devices, looks, and tensors."""
    if as_ == "torch" or look not in (None, "faithful"):
        raise MissingWeights(f"tensors and other looks need torch, and {NEEDED}")
    _check(codec, device)
    return light.decode(data, as_=as_, **options)


def verify(
    data: Data,
    *,
    codec: object = None,  # any is refused
    device: str = "auto",
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
) -> None:
    """As `regio.verify`; MissingWeights as above."""
    _check(codec, device)
    light.verify(data, max_memory=max_memory, max_pixels=max_pixels)


def _check(codec: object, device: str) -> None:
    if codec is not None or device not in ("auto", "cpu"):
        raise MissingWeights(f"weights that are named, and other devices than the CPU, need torch, and {NEEDED}")
