"""Pictures to bytes and back.

The names below load torch when they are first used, so that `regio.codec.options` costs nothing. Where torch is not
installed, they are those of `regio.light.doors`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from regio.codec.options import DEFAULT_QUALITY

if TYPE_CHECKING:
    from regio.codec.api import Codec, decode, encode, load, shared, verify
    from regio.codec.base import BaseCodec

__all__ = ["DEFAULT_QUALITY", "BaseCodec", "Codec", "decode", "encode", "load", "shared", "verify"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("regio.codec.api" if find_spec("torch") else "regio.light.doors"), name)
    raise AttributeError(f"module 'regio.codec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
