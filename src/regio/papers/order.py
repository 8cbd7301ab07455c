"""The request of the command line for a report, or for a paper's table or figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from regio.evaluation.bd_rate import Fit
from regio.evaluation.judging import Judges

STUDY_QUALITIES = (20.0, 40.0, 60.0, 80.0)


@dataclass(frozen=True)
class Order:
    """The request of the command line."""

    name: str  # of the table or figure; empty: a report
    folder: Path | None
    output: Path
    references: Path | None = None
    labels: Path | None = None
    codecs: Sequence[str] = ()  # none: the bundled ones of the table's family
    qualities: Sequence[float] = ()
    settings: Mapping[str, Sequence[float]] = field(default_factory=dict)  # of opponents
    judges: Judges = field(default_factory=Judges)
    fit: Fit = "pchip"
    anchor: str | None = None  # None: the paper's
    dataset: str | None = None  # of the table; None: its first
    strength: float | None = None  # of MODEL+roi
    repeats: int = 1
    fid: bool = False
    device: str = "auto"
