"""Regio: a region-aware learned image codec.

    import regio
    codec = regio.load("roi-xs")
    data = codec.encode("photo.jpg", quality=60)
    regio.decode(data).save("photo.png")

`import regio` makes .rgo known to Pillow and loads neither torch nor numpy; both come with the first picture.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regio import errors, pillow_plugin
from regio.errors import (
    BadImage,
    CorruptFile,
    LimitExceeded,
    MissingWeights,
    RegioError,
    TargetMissed,
    UnsupportedFile,
    UsageError,
)
from regio.version import __version__

if TYPE_CHECKING:
    from regio import bulk, interop, light, models, regions
    from regio.codec import Codec, decode, encode, load, verify
    from regio.info import Info, inspect

__all__ = [
    "BadImage", "Codec", "CorruptFile", "Info", "LimitExceeded", "MissingWeights", "RegioError", "TargetMissed",
    "UnsupportedFile", "UsageError", "__version__", "bulk", "decode", "encode", "errors", "inspect", "interop", "light",
    "load", "models", "regions", "verify",
]  # fmt: skip

_HOME = {  # public name -> the module it lives in; loaded when the name is first used (PEP 562)
    "Codec": "regio.codec",
    "Info": "regio.info",
    "decode": "regio.codec",
    "encode": "regio.codec",
    "inspect": "regio.info",
    "load": "regio.codec",
    "verify": "regio.codec",
}
_SUBMODULES = ("bulk", "interop", "light", "models", "regions")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return import_module(f"regio.{name}")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'regio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


pillow_plugin.register()
