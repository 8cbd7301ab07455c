"""Coding without torch: recorded graphs in ONNX Runtime, and all else as with torch.

    from regio import light
    light.decode("photo.rgo").save("photo.png")

Files are the same, whoever writes or reads them. Decoded pixels may differ from those of torch by one level of 255.
"""

import ctypes
import os
import warnings
from typing import Any, Unpack

from regio.arrays import Form, given_as
from regio.codec.decoding import Opened, Region, decoded, verified
from regio.codec.memory import within_memory
from regio.codec.options import EncodeOptions, checked, limits_of, log2_reduced
from regio.errors import MissingWeights, RegioError, TargetMissed
from regio.format import Data, parse, read
from regio.images import Picture, Source, read_picture, to_pil
from regio.light.engine import LightEngine
from regio.light.graphs import threads_wanted
from regio.light.plan import Plan
from regio.models.catalog import DEFAULT, by_id

__all__ = ["decode", "encode", "engine", "knows", "verify"]


def engine(name: str, threads: int | None = None) -> LightEngine:
    """A bundled codec, loaded once. threads: that a graph runs on; None: OMP_NUM_THREADS, or one for each core.

    MissingWeights for a codec without graphs.
    """
    key = name, threads_wanted() if threads is None else threads
    if key not in _engines:
        _engines[key] = LightEngine.of(Plan.of(name), key[1])
    return _engines[key]


_engines: dict[tuple[str, int], LightEngine] = {}


def _after_fork() -> None:
    """A child has no threads but the one that forked, so it loads codecs of its own.

    Those of its parent are never freed in it: to be freed, they would wait for threads that are not there.
    """
    for one in _engines.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
    _engines.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)


@within_memory()
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
    """The bytes or path of a .rgo file to a picture, as `regio.decode`."""
    opened, smaller = Opened.of(data, limits_of(max_pixels, max_memory)), log2_reduced(reduced)
    return given_as(to_pil(decoded(_engine_for(opened, threads), opened, region, smaller, max_memory)), as_)


@within_memory()
def verify(
    data: Data,
    *,
    max_memory: int | str | None = None,
    max_pixels: int | str | None = None,
    threads: int | None = None,
) -> None:
    """Raise unless every symbol of the file decodes to what was encoded."""
    opened = Opened.of(data, limits_of(max_pixels, max_memory))
    verified(_engine_for(opened, threads), opened, max_memory)


@within_memory()
def encode(
    image: Source | Picture, *, codec: str = DEFAULT, threads: int | None = None, **options: Unpack[EncodeOptions]
) -> bytes:
    """One picture to the bytes of a .rgo file by a bundled codec, as `regio.encode`."""
    from regio.codec import preparation

    settings = checked(options)
    picture = read_picture(image)
    settings.limits.check_size(picture.width, picture.height)
    found = preparation.encode(engine(codec, threads), picture, settings)
    for note in found.notes:
        warnings.warn(note, TargetMissed, stacklevel=2)
    return found.data


def knows(data: Data) -> bool:
    """Whether the bytes or path of a file name a codec that has graphs; False for what is no .rgo file."""
    try:
        file = parse(read(data))
        return file.weights is None and Plan.exists(by_id(file.header.model).name)
    except RegioError:
        return False


def _engine_for(opened: Opened, threads: int | None) -> LightEngine:
    """The codec that a file names; MissingWeights."""
    if opened.file.weights is not None:
        raise MissingWeights(
            f"the file was made with custom weights, {opened.file.weights.name!r}; they are decoded with torch only"
        )
    return engine(by_id(opened.file.header.model).name, threads)
