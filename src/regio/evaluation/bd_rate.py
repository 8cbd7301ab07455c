"""Rate-distortion curves and the Bjontegaard rate difference between two of them.

The integration is the bjontegaard package's; what stands here is the hygiene around it: which points count, over which
overlap, and saying so beside the number.
"""

from __future__ import annotations

import contextlib
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from regio.errors import UsageError
from regio.evaluation.judges import metrics_of_judges

Fit = Literal["pchip", "akima", "cubic"]
Metric = str
"""A key of `axes()`."""


def axes() -> dict[Metric, str]:
    """Every metric that makes a curve, and what its axis says."""
    return {key: column.axis for key, column in metrics_of_judges().items() if column.axis}


def field_keys(metric: Metric) -> tuple[str, ...]:
    """The names of a metric in published result files; we write the first."""
    return metrics_of_judges()[metric].fields or (metric,)


def in_decibels(value: float, metric: Metric) -> float:
    """A metric's value on the scale in which curves rise and are integrated; most scales are in dB."""
    return metrics_of_judges()[metric].curve(value)


FEWEST_POINTS: dict[Fit, int] = {"pchip": 2, "akima": 2, "cubic": 4}


@dataclass(frozen=True)
class Curve:
    """Mean quality in dB over mean rate in bits per pixel, by rising rate."""

    name: str
    rates: tuple[float, ...]
    qualities: tuple[float, ...]

    @classmethod
    def through(cls, name: str, rates: Sequence[float], qualities: Sequence[float]) -> Curve:
        """The curve through points in any order; a point counts if it is finite and better than all cheaper ones.

        Raises UsageError if the lists differ in length.
        """
        if len(rates) != len(qualities):
            raise UsageError(f"{name}: {len(rates)} rates but {len(qualities)} qualities")
        kept: list[tuple[float, float]] = []
        for rate, quality in sorted(zip(rates, qualities, strict=True)):
            usable = rate > 0 and math.isfinite(rate) and math.isfinite(quality)
            if usable and (not kept or (rate > kept[-1][0] and quality > kept[-1][1])):
                kept.append((rate, quality))
        return cls(name, tuple(rate for rate, _ in kept), tuple(quality for _, quality in kept))

    def quality_at(self, rate: float) -> float:
        """Quality in dB at a rate in bpp: monotone cubic (PCHIP) over the logarithm of the rate.

        NaN outside the curve's own rates: a curve is not continued.
        """
        if len(self.rates) < 2 or not self.rates[0] <= rate <= self.rates[-1]:
            return math.nan
        from scipy.interpolate import PchipInterpolator  # type: ignore[import-untyped]

        return float(PchipInterpolator(np.log(self.rates), self.qualities)(math.log(rate)))


class BDRate(NamedTuple):
    """The mean difference in rate at equal quality, and what it was computed from."""

    name: str
    anchor: str
    metric: Metric
    percent: float  # negative: `name` needs fewer bits than `anchor`; NaN if `note` says why
    fit: Fit
    low: float  # dB; the overlap that was integrated over
    high: float
    points: tuple[int, int]  # that counted: of the curve, of the anchor
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """For JSON, which knows no NaN."""
        return {key: None if value != value else value for key, value in self._asdict().items()}  # NaN != NaN


BD_COLUMNS = ("codec", "anchor", "metric", "BD-rate", "fit", "overlap, dB", "points (codec, anchor)")


def bd_cells(entry: BDRate) -> tuple[str, ...]:
    """The cells of `BD_COLUMNS`: the number never without anchor, fit, overlap and points."""
    number = f"{entry.percent:+.2f} %" if not entry.note else entry.note
    overlap = "–" if math.isnan(entry.low) else f"{entry.low:.2f}–{entry.high:.2f}"
    points = f"{entry.points[0]}, {entry.points[1]}"
    return entry.name, entry.anchor, entry.metric, number, entry.fit, overlap, points


def bd_rate(anchor: Curve, curve: Curve, *, metric: Metric = "psnr", fit: Fit = "pchip") -> BDRate:
    """BD-rate of `curve` against `anchor` over the whole overlap of their qualities, in per cent (Bjontegaard 2001).

    Curves that do not overlap, or have too few points for the fit, give NaN and a note, not an exception: a table of
    many codecs should not end at one of them.
    """
    low = max(min(anchor.qualities, default=math.inf), min(curve.qualities, default=math.inf))
    high = min(max(anchor.qualities, default=-math.inf), max(curve.qualities, default=-math.inf))
    points = (len(curve.rates), len(anchor.rates))
    note = ""
    percent = math.nan
    if min(points) < FEWEST_POINTS[fit]:
        note = f"{fit} needs {FEWEST_POINTS[fit]} points"
    elif low >= high:
        note = "the curves do not overlap"
    else:
        import bjontegaard

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about short overlaps, which are printed beside the number
            percent = float(
                bjontegaard.bd_rate(
                    np.array(anchor.rates),
                    np.array(anchor.qualities),
                    np.array(curve.rates),
                    np.array(curve.qualities),
                    method=fit,
                    require_matching_points=False,
                    min_overlap=0,
                )
            )
    if not low < high:
        low = high = math.nan
    return BDRate(curve.name, anchor.name, metric, percent, fit, low, high, points, note)


def fit_named(name: str) -> Fit:
    """The fit of that name, or UsageError."""
    for fit in FEWEST_POINTS:
        if fit == name:
            return fit
    raise UsageError(f"no fit {name!r}: choose {', '.join(FEWEST_POINTS)}")


def find_curves(folder: Path, metric: Metric = "psnr") -> list[Curve]:
    """Every result file under a folder that has the metric, by path; other JSON files are passed over.

    Raises UsageError if the folder does not exist.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    curves: list[Curve] = []
    for path in sorted(folder.rglob("*.json")):
        with contextlib.suppress(UsageError):
            curves.append(read_curve(path, metric))
    return curves


def read_curve(path: Path, metric: Metric = "psnr") -> Curve:
    """A curve from a result file in the field's shape: {"name", "results": {"bpp": [...], "psnr-rgb": [...]}}.

    Values become decibels (`in_decibels`). The curve has the name of the file, without its ending.
    Raises UsageError if the file cannot be read or lacks the metric.
    """
    try:
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
        qualities = next(results[key] for key in field_keys(metric) if key in results)
        rates = [float(rate) for rate in results["bpp"]]
        values = [float(value) for value in qualities]
    except StopIteration:
        raise UsageError(f"{path}: holds no {field_keys(metric)[0]}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not a result file ({type(error).__name__}: {error})") from None
    return Curve.through(path.stem, rates, [in_decibels(value, metric) for value in values])
