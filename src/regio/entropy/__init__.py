"""Entropy coding: integer tables, priors, the range coder and the three coders behind one interface."""

from regio.entropy.coders import Coder, RateEstimator, StreamReader, StreamWriter, TableSet, Written
from regio.entropy.mixture import Mixture
from regio.entropy.priors import FactorizedPrior
from regio.entropy.tables import FactorizedTables, level_to_scale, scale_to_level

__all__ = [
    "Coder",
    "FactorizedPrior",
    "FactorizedTables",
    "Mixture",
    "RateEstimator",
    "StreamReader",
    "StreamWriter",
    "TableSet",
    "Written",
    "level_to_scale",
    "scale_to_level",
]
