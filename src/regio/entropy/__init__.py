"""Entropy coding: integer tables, priors, the range coder and the three coders behind one interface.

Nothing is imported before it is asked for: tables, range coder and `symbols` load no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from regio.errors import needing_torch

if TYPE_CHECKING:  # so that type checkers know what __getattr__ gives
    from regio.entropy.coders import Coder, RateEstimator, StreamReader, StreamWriter
    from regio.entropy.mixture import Mixture
    from regio.entropy.priors import FactorizedPrior
    from regio.entropy.scales import level_to_scale, scale_to_level
    from regio.entropy.symbols import TableSet, Written
    from regio.entropy.tables import FactorizedTables

_NAMES = {  # of each module
    "coders": ("Coder", "RateEstimator", "StreamReader", "StreamWriter"),
    "mixture": ("Mixture",),
    "priors": ("FactorizedPrior",),
    "scales": ("level_to_scale", "scale_to_level"),
    "symbols": ("TableSet", "Written"),
    "tables": ("FactorizedTables",),
}
__all__ = [
    "Coder", "FactorizedPrior", "FactorizedTables", "Mixture", "RateEstimator", "StreamReader", "StreamWriter",
    "TableSet", "Written", "level_to_scale", "scale_to_level",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = next((home for home, names in _NAMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needing_torch(f"{__name__}.{name}"):
        return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return __all__
