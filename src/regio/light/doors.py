"""The names of `regio.codec` where torch is not installed: ONNX Runtime stands in for it."""

from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from regio import light
from regio.arrays import Form
from regio.codec.base import BaseCodec
from regio.codec.options import DecodeOptions, EncodeOptions
from regio.errors import TORCH, MissingWeights, UsageError
from regio.format import Data
from regio.images import Picture, Source
from regio.light.codec import LOOK
from regio.light.codec import LightCodec as Codec
from regio.models.catalog import DEFAULT, by_name

FLOAT32 = "float32"
Which = BaseCodec | str | PathLike[str] | None


def load(
    name_or_path: str | PathLike[str] = DEFAULT,
    device: str = "auto",
    look: str = "faithful",
    precision: str = FLOAT32,
) -> Codec:
    """As `regio.load`; MissingWeights for what only torch can do: other weights, devices, looks and precisions."""
    _check(device, precision)
    if not isinstance(name_or_path, str | PathLike):
        raise UsageError(f"cannot load a codec from {type(name_or_path).__name__}: give a name or a path")
    name = str(name_or_path)
    if "/" in name or name.endswith(".safetensors") or (name and Path(name).is_dir()):
        raise MissingWeights(f"{name!r} is not bundled, so it needs {TORCH}")
    return light.load(by_name(name).name).looking(look)


def shared(name: str, device: str = "auto", look: str = "faithful", precision: str = FLOAT32) -> Codec:
    """`load`, since what is large is loaded once anyway."""
    return load(name, device, look, precision)


def encode(
    image: Source | Picture, *, codec: Which = None, device: str = "auto", **options: Unpack[EncodeOptions]
) -> bytes:
    """As `regio.encode`; MissingWeights as `load`."""
    return _loaded(DEFAULT if codec is None else codec, device).encode(image, **options)


def decode(
    data: Data,
    *,
    as_: Form = "pil",
    codec: Which = None,
    device: str = "auto",
    look: str | None = None,
    precision: str = FLOAT32,
    **options: Unpack[DecodeOptions],
) -> Any:
    """As `regio.decode`; MissingWeights as `load`, and for tensors."""
    if as_ == "torch":
        raise MissingWeights(f"as_='torch' needs {TORCH}")
    _check(device, precision)
    if codec is None and look in (None, LOOK):
        return light.decode(data, as_=as_, **options)
    return _loaded(DEFAULT if codec is None else codec, device).looking(look or LOOK).decode(data, as_=as_, **options)


def verify(
    data: Data,
    *,
    codec: Which = None,
    device: str = "auto",
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
) -> None:
    """As `regio.verify`; MissingWeights as `load`."""
    _check(device)
    if codec is None:
        light.verify(data, max_memory=max_memory, max_pixels=max_pixels)
    else:
        _loaded(codec, device).verify(data, max_memory=max_memory, max_pixels=max_pixels)


def _loaded(codec: BaseCodec | str | PathLike[str], device: str) -> BaseCodec:
    return codec if isinstance(codec, BaseCodec) else load(codec, device)


def _check(device: str, precision: str = FLOAT32) -> None:
    if device not in ("auto", "cpu"):
        raise MissingWeights(f"device {device!r} needs {TORCH}")
    if precision != FLOAT32:
        raise MissingWeights(f"precision {precision!r} needs {TORCH}")
