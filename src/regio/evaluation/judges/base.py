"""What a judge is: the contract of everything in this folder.

The command line reads names and help at its start, so modules here load NumPy, Pillow and the like inside functions.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from regio.evaluation.marks import Mask
    from regio.images import Pixels

Figures = Mapping[str, float]  # column key -> figure; NaN where the judge cannot say
Verdict = Callable[["Pixels"], Figures]  # a decoded (H,W,3) uint8 version -> its figures


def decibels(similarity: float) -> float:
    """-10 log10(1 - m) of a figure up to 1. One over 1 is in decibels already, as in some result files."""
    if similarity >= 1:
        return similarity if similarity > 1 else math.inf
    return -10 * math.log10(1 - similarity)


class Column(NamedTuple):
    """A figure of a judge: a column of the CSV, of tables, and, if it has an axis, a curve with BD-rates."""

    key: str  # in the CSV, in names of plots, and of the metric
    title: str  # in tables
    form: str  # how it is printed, such as ".2f"
    axis: str = ""  # of plots; empty: neither drawn nor integrated
    curve: Callable[[float], float] = float  # onto a scale on which more is better
    unit: str = ""
    fields: tuple[str, ...] = ()  # names in the field's result files, the first is ours; none: the key
    always: bool = False  # in every table, even where no picture has a figure
    of: str = ""  # no column of the CSV but the curve of another one, where `by` is in a judge's description
    by: str = ""


@dataclass(frozen=True)
class Setting:
    """The options of the command line for a judge."""

    device: str = "auto"
    weights: Path | None = None  # folder; None: the cache, else their publishers
    lpips: str = "squeeze"  # its network
    segmenter: str | None = None
    truth: Path | None = None  # folder of labels to compare the segmenter's with


class Judge(ABC):
    """One way to say how good a decoded picture is. A subclass is one file here and one name in `JUDGES`."""

    name: ClassVar[str]
    """Its name for `--judges NAME`."""
    about: ClassVar[str] = ""
    """Half a line of help: what it measures, how long it takes. Empty: `--judges` does not offer it."""
    columns: ClassVar[tuple[Column, ...]]
    description: str = ""
    """Name and version, kept beside each figure: a figure of another version is measured anew. Empty: has none."""

    @classmethod
    def make(cls, setting: Setting) -> Judge:
        """The judge, ready. MissingWeights or UsageError where what it needs is not here."""
        return cls()

    def named(self, picture: str) -> Judge:
        """The judge for the picture of that name in its folder; most do not ask."""
        return self

    def prepare(self, original: Pixels, mask: Mask | None) -> Verdict:
        """Look at an (H,W,3) uint8 original once -> a function that judges versions of it.

        mask: the marked region (H,W) of the picture, if it has one.
        """
        return lambda decoded: {self.columns[0].key: self.score(original, decoded)}

    def score(self, reference: Pixels, decoded: Pixels) -> float:
        """Two (H,W,3) uint8 pictures -> the figure of a judge that has only one and keeps nothing of an original."""
        raise NotImplementedError
