"""What a judge is: the contract of everything in this folder.

The command line reads names and help at its start, so modules here load NumPy, Pillow and the like inside functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from regio.images import Pixels

Figures = Mapping[str, float]  # column key -> figure; NaN where the judge cannot say
Verdict = Callable[["Pixels"], Figures]  # a decoded (H,W,3) uint8 version -> its figures


class Column(NamedTuple):
    """A figure of a judge: a column of the CSV, of tables, and, if it has an axis, a curve with BD-rates."""

    key: str  # in the CSV and in result files
    title: str  # in tables
    form: str  # how it is printed, such as ".2f"
    axis: str = ""  # of plots; empty: neither drawn nor integrated
    curve: Callable[[float], float] = float  # onto a scale on which more is better


@dataclass(frozen=True)
class Setting:
    """What the command line tells a judge."""

    device: str = "auto"
    weights: Path | None = None  # folder; None: the cache, else their publishers


class Judge(ABC):
    """One way to say how good a decoded picture is. A subclass is one file here and one name in `JUDGES`."""

    name: ClassVar[str]
    """What one asks for it by: `--judges NAME`."""
    about: ClassVar[str]
    """Half a line of help: what it measures, how long it takes."""
    columns: ClassVar[tuple[Column, ...]]

    @classmethod
    @abstractmethod
    def make(cls, setting: Setting) -> Judge:
        """The judge, ready. MissingWeights or UsageError where what it needs is not here."""

    @property
    @abstractmethod
    def description(self) -> str:
        """Name and version, kept beside each figure: a figure of another version is measured anew."""

    @abstractmethod
    def prepare(self, original: Pixels) -> Verdict:
        """Look at an (H,W,3) uint8 original once -> a function that judges versions of it."""
