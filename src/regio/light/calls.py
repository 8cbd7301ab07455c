"""`decode`, `verify` and `encode` of `regio.light`."""

from typing import Any, Unpack

from regio.arrays import Form
from regio.codec.base import decode_stored
from regio.codec.decoding import Opened, Region
from regio.codec.options import EncodeOptions, limits_of, log2_reduced
from regio.errors import TORCH, MissingWeights
from regio.format import Data
from regio.images import Picture, Source
from regio.light.codec import LightCodec, load
from regio.models.catalog import DEFAULT, by_id


def decode(
    data: Data,
    *,
    as_: Form = "pil",
    region: Region | None = None,
    reduced: float | str | None = None,
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
    threads: int | None = None,
) -> Any:
    """Decode the bytes or path of a .rgo file -> a picture, as `regio.decode` does."""
    opened, smaller = Opened.of(data, limits_of(max_pixels, max_memory)), log2_reduced(reduced)
    if opened.file.lossless:
        return decode_stored(opened, as_, region, smaller, max_memory)
    return _codec_for(opened, threads).decode_opened(opened, as_, region, smaller, max_memory)


def verify(
    data: Data,
    *,
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
    threads: int | None = None,
) -> None:
    """Raise an error unless every symbol of the file decodes to what was encoded."""
    opened = Opened.of(data, limits_of(max_pixels, max_memory))
    if opened.file.lossless:
        decode_stored(opened, "pil", None, 0, max_memory)
        return
    _codec_for(opened, threads).verify_opened(opened, max_memory)


def encode(
    image: Source | Picture, *, codec: str = DEFAULT, threads: int | None = None, **options: Unpack[EncodeOptions]
) -> bytes:
    """One picture to the bytes of a .rgo file by a bundled codec, as `regio.encode`."""
    return load(codec, threads).encode(image, **options)


def _codec_for(opened: Opened, threads: int | None) -> LightCodec:
    """The codec that a file names; MissingWeights."""
    if opened.file.weights is not None:
        raise MissingWeights(f"the file was made with custom weights, {opened.file.weights.name!r}: that needs {TORCH}")
    return load(by_id(opened.file.header.model).name, threads)
