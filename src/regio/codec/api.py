"""The public interface: Codec, load, encode, decode, verify."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import torch
from PIL import Image

from regio.arrays import Form
from regio.codec import preparation
from regio.codec.base import BaseCodec, decode_stored
from regio.codec.decoding import Opened, Region
from regio.codec.devices import synthesises_in_half
from regio.codec.host import undisturbed
from regio.codec.options import (
    DEFAULT_QUALITY,
    DecodeOptions,
    EncodeOptions,
    Settings,
    checked,
    limits_of,
    log2_reduced,
)
from regio.codec.runtime import Runtime
from regio.entropy import RateEstimator, TableSet
from regio.errors import MissingWeights, UsageError
from regio.format import Data, rate_step
from regio.images import Picture, Pixels, Source, read_picture
from regio.models.base import Network
from regio.models.catalog import DEFAULT, by_id
from regio.models.sharing import Goods, Shareable
from regio.weights import looks, store


class Codec(BaseCodec, Shareable):
    """A model with its weights and tables on one device, for any number of pictures. `regio.load` makes it."""

    runtime: Runtime

    def __init__(self, weights: store.Weights, device: str = "auto", precision: str = "float32") -> None:
        self.weights, self.precision = weights, precision
        self.name, self.fingerprint = weights.name, weights.fingerprint.hex()
        with undisturbed():
            self.runtime = Runtime.of(weights, device)
        self._half = synthesises_in_half(precision, self.runtime.device)

    @property
    def _decoder(self) -> Runtime:
        """Encoding keeps to float32, so that files do not depend on the precision."""
        return replace(self.runtime, half=True) if self._half else self.runtime

    def _undisturbed(self) -> AbstractContextManager[object]:
        return undisturbed()

    @property
    def net(self) -> Network:
        """The network."""
        return self.runtime.net

    @property
    def tables(self) -> TableSet:
        """The tables of its priors."""
        return self.runtime.tables

    @property
    def device(self) -> torch.device:
        """The device on which it runs."""
        return self.runtime.device

    def to_share(self) -> Goods:
        """The network and its tables, to be saved to the hub.

        UsageError for another look than the weights' own, because the fingerprint does not cover its numbers.
        """
        if self.look != looks.FAITHFUL:
            raise UsageError(f"{self.name} cannot be saved in its look {self.look!r}; load it without a look")
        return Goods(self.net, self.name, self.weights.tables)

    def __reduce__(self) -> tuple[type["Codec"], tuple[store.Weights, str, str]]:
        """For pickle and copy: the tables of the range coder are made again."""
        return Codec, (self.weights, str(self.device), self.precision)

    @property
    def look(self) -> str:
        """The synthesis that decodes: "faithful", the weights' own, or "natural"."""
        return self.weights.look

    def looking(self, look: str) -> "Codec":
        """The same codec with another look, "faithful" or "natural". Files are the same; decoded pictures are not.

        MissingWeights if these weights do not have it.
        """
        with undisturbed():
            weights = looks.dressed(self.weights, look)
        return self if weights is self.weights else Codec(weights, str(self.device), self.precision)

    def __repr__(self) -> str:
        return f"<regio codec {self.name}, weights {self.fingerprint[:8]}, on {self.device}>"

    @undisturbed()
    def estimate_bits(
        self, image: Source | Picture, quality: float = DEFAULT_QUALITY, grid: int | None = None
    ) -> float:
        """Estimate the bits of the latents, without header. Real files are within 0.5 % of this."""
        settings: Settings = checked({"quality": quality, "grid": grid, "strip": True})
        job = preparation.prepare(self.runtime, read_picture(image), settings)
        total = 0.0
        for k in range(job.layout.count):
            coder = RateEstimator(noisy=False, exact=True)
            step = rate_step(quality)
            with self.runtime.working():
                self.runtime.walk(job.latents(k, step), job.terms(k, step), coder)
            total += float(torch.stack(list(coder.bits.values())).double().sum())
        return total


@undisturbed()
def load(
    name_or_path: str | PathLike[str] = DEFAULT,
    device: str = "auto",
    look: str = looks.FAITHFUL,
    precision: str = "float32",
) -> Codec:
    """Load a codec by bundled name, path of a .safetensors file or folder, or hub id ("owner/name@revision").

    device: auto, cpu, cuda, cuda:1 ... look: "natural" decodes with another synthesis, if the weights have one.
    precision: "bfloat16" decodes faster on CPUs with AVX512-BF16 or AMX; pixels may differ by 1 or 2 of 255, files do
    not. MissingWeights if there are none, UnsupportedFile if they are not Regio's.
    """
    if not isinstance(name_or_path, str | PathLike):
        raise UsageError(f"cannot load a codec from {type(name_or_path).__name__}: give a name or a path")
    if not str(name_or_path).strip():
        raise UsageError("the name of the codec is empty; `regio models` lists the names")
    weights = store.load(Path(name_or_path) if isinstance(name_or_path, PathLike) else name_or_path)
    return Codec(looks.dressed(weights, look), device, precision)


@lru_cache(maxsize=4)
def shared(name: str, device: str = "auto", look: str = looks.FAITHFUL, precision: str = "float32") -> Codec:
    """The codec of bundled weights, loaded once for all calls that only name it."""
    return load(name, device, look, precision)


def encode(
    image: Source | Picture,
    *,
    codec: BaseCodec | str | PathLike[str] | None = None,
    device: str = "auto",
    **options: Unpack[EncodeOptions],
) -> bytes:
    """Encode a picture -> the bytes of a .rgo file, with the default codec or the given one.

    options: quality, max_bytes, roi and all others of `Codec.encode`. For several pictures, use `regio.load` once.
    """
    if not isinstance(codec, BaseCodec):
        codec = shared(DEFAULT, device) if codec is None else load(codec, device)
    return codec.encode(image, **options)


class _Which(DecodeOptions, total=False):
    codec: BaseCodec | str | PathLike[str] | None
    device: str
    look: str | None
    precision: str


@overload
def decode(data: Data, *, as_: Literal["pil"] = ..., **options: Unpack[_Which]) -> Image.Image: ...


@overload
def decode(data: Data, *, as_: Literal["numpy"], **options: Unpack[_Which]) -> Pixels: ...


@overload
def decode(data: Data, *, as_: Literal["torch"], **options: Unpack[_Which]) -> torch.Tensor: ...


def decode(
    data: Data,
    *,
    as_: Form = "pil",
    region: Region | None = None,
    reduced: float | str | None = None,
    codec: BaseCodec | str | PathLike[str] | None = None,
    device: str = "auto",
    look: str | None = None,
    precision: str = "float32",
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
) -> Any:
    """Decode the bytes or path of a .rgo file -> a picture. The file names its codec; give `codec` for custom weights.

    as_: "pil", "numpy" (uint8, (H,W[,C])) or "torch" (uint8, (C,H,W)), see `Codec.decode`.
    region: (x, y, width, height) in pixels, the part to decode; reduced: "1/2" or "1/4", a smaller picture;
    max_memory: approximate limit of the memory of this process in bytes; max_pixels: files of larger pictures are
    refused before any weights are loaded. look: "faithful", the codec's own, or "natural", if its weights have it.
    precision: "float32", or "bfloat16" as `regio.load` has it; a loaded `codec` keeps its own.
    """
    opened, smaller = Opened.of(data, limits_of(max_pixels, max_memory)), log2_reduced(reduced)
    if opened.file.lossless:
        return decode_stored(opened, as_, region, smaller, max_memory)
    return _codec_for(opened, codec, device, look, precision).decode_opened(opened, as_, region, smaller, max_memory)


def verify(
    data: Data,
    *,
    codec: BaseCodec | str | PathLike[str] | None = None,
    device: str = "auto",
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
) -> None:
    """Raise an error unless every symbol of the file decodes to what was encoded."""
    opened = Opened.of(data, limits_of(max_pixels, max_memory))
    if opened.file.lossless:
        decode_stored(opened, "pil", None, 0, max_memory)
        return
    _codec_for(opened, codec, device).verify_opened(opened, max_memory)


def _codec_for(
    opened: Opened,
    codec: BaseCodec | str | PathLike[str] | None,
    device: str,
    look: str | None = None,
    precision: str = "float32",
) -> BaseCodec:
    """The codec that was named, or else the one that the file names, in a look; MissingWeights."""
    if isinstance(codec, BaseCodec):
        if precision != "float32":
            raise UsageError(f"the codec is loaded already: regio.load(..., precision={precision!r})")
        return codec if look is None else codec.looking(look)
    look = look or looks.FAITHFUL
    if codec is not None:
        return load(codec, device, look, precision)
    if opened.file.weights is not None:
        raise MissingWeights(
            f"the file was made with custom weights, {opened.file.weights.name!r}; name them with codec= or --codec"
        )
    return shared(by_id(opened.file.header.model).name, device, look, precision)
