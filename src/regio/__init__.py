"""Regio: a region-aware learned image codec.

    import regio
    codec = regio.load("segpic-xs")
    data = codec.encode("photo.jpg", quality=60)
    regio.decode(data).save("photo.png")

`import regio` makes .rgo known to Pillow and loads neither torch nor numpy; both come with the first picture.
"""

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, Unpack

from regio import errors, pillow_plugin
from regio.version import __version__

if TYPE_CHECKING:
    from regio import bulk, interop, models, regions
    from regio.codec import Codec, decode, load, verify
    from regio.codec.options import EncodeOptions
    from regio.images import Source
    from regio.info import Info, inspect

__all__ = [
    "Codec",
    "Info",
    "__version__",
    "bulk",
    "decode",
    "encode",
    "errors",
    "inspect",
    "interop",
    "load",
    "models",
    "regions",
    "verify",
]

_HOME = {  # public name -> the module it lives in; loaded when the name is first used (PEP 562)
    "Codec": "regio.codec",
    "Info": "regio.info",
    "decode": "regio.codec",
    "inspect": "regio.info",
    "load": "regio.codec",
    "verify": "regio.codec",
}
_SUBMODULES = ("bulk", "interop", "models", "regions")


def encode(
    image: "Source",
    *,
    codec: "Codec | str | PathLike[str] | None" = None,
    device: str = "auto",
    **options: "Unpack[EncodeOptions]",
) -> bytes:
    """One picture to the bytes of a .rgo file, with the default codec or the given one.

    options: quality, max_bytes, roi and all others of `Codec.encode`. For several pictures, `regio.load` once.
    """
    from regio.codec import Codec, load, shared
    from regio.models.catalog import DEFAULT

    if not isinstance(codec, Codec):
        codec = shared(DEFAULT, device) if codec is None else load(codec, device=device)
    return codec.encode(image, **options)


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"regio.{name}")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'regio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


pillow_plugin.register()
