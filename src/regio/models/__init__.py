"""The models, one file for each paper. Imports are lazy: `regio info` reads the catalog only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regio.errors import needing_torch

if TYPE_CHECKING:  # so that type checkers know what __getattr__ gives
    from regio.models.mcm import MCM, MCMConfig
    from regio.models.roi import RoiCodec, RoiCodecConfig
    from regio.models.segpic import SegPIC, SegPICConfig

_HOMES = {
    "MCM": "mcm",
    "MCMConfig": "mcm",
    "RoiCodec": "roi",
    "RoiCodecConfig": "roi",
    "SegPIC": "segpic",
    "SegPICConfig": "segpic",
}
__all__ = ["MCM", "MCMConfig", "RoiCodec", "RoiCodecConfig", "SegPIC", "SegPICConfig"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needing_torch(f"{__name__}.{name}"):
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
