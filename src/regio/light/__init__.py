"""Coding without torch: recorded graphs run in ONNX Runtime; everything else is as with torch.

    from regio import light
    data = light.encode("photo.jpg", quality=60)
    light.decode(data).save("photo.png")

Files are the same, whoever writes or reads them. Decoded pixels may differ from those of torch by one level of 255.
Nothing is imported before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from regio.light.calls import decode, encode, verify
    from regio.light.codec import LightCodec, load
    from regio.light.graphs import has, knows

__all__ = ["LightCodec", "decode", "encode", "has", "knows", "load", "verify"]

_HOME = {  # the module of each name
    "LightCodec": "codec",
    "decode": "calls",
    "encode": "calls",
    "has": "graphs",
    "knows": "graphs",
    "load": "codec",
    "verify": "calls",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
