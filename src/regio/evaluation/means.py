"""From a sweep's rows to mean curves, and to the field's result files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, Metric, axes, field_keys, in_decibels
from regio.evaluation.columns import columns, figure
from regio.evaluation.judges import Column, columns_of_judges, metrics_of_judges
from regio.evaluation.sweep import Row

Values = tuple[float, ...]


@dataclass(frozen=True)
class MeanCurve:
    """A codec's means over the same pictures at each of its settings, by rising rate.

    Times are medians over the pictures. NaN stands where no picture has a figure.
    """

    name: str
    description: str
    pictures: int
    settings: Values
    bpp: Values
    encode_seconds: Values
    decode_seconds: Values
    weights: str
    commits: tuple[str, ...]
    devices: tuple[str, ...]
    judges: tuple[str, ...]  # regions left out
    figures: Mapping[str, Values]  # of judges, by column: means over the pictures that have one; PSNR of the dB
    lossless: tuple[str, ...] = ()  # pictures that came back without loss at some setting, left out of all means
    names: tuple[str, ...] = ()  # the pictures that the means are over
    rows: tuple[Row, ...] = field(default=(), repr=False)  # that the means were made from

    @property
    def estimated(self) -> bool:
        """Whether its bits are a network's estimate and no file was made; see `evaluation.estimates`."""
        return all(math.isnan(seconds) for seconds in self.encode_seconds)

    def values(self, metric: Metric) -> Values:
        """The metric at each setting; none if it was not measured at all of them."""
        column = metrics_of_judges()[metric]
        found = self.figures.get(column.of or metric, ())
        known = not any(math.isnan(value) for value in found) and _by(column, self.judges)
        return tuple(found) if known else ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The pictures that were measured at every setting."""
        return tuple(metric for metric in axes() if self.values(metric))

    def curve(self, metric: Metric) -> Curve:
        """The curve in dB that BD-rates and plots use; without points if the metric was not measured."""
        values = [in_decibels(value, metric) for value in self.values(metric)]
        return Curve.through(self.name, self.bpp[: len(values)], values)

    def among(self, pictures: Collection[str]) -> MeanCurve:
        """The same codec's means over some of its pictures."""
        return _mean_curve(self.name, self.description, [row for row in self.rows if row.picture in pictures])

    def as_dict(self) -> dict[str, Any]:
        """The shape of the field's result files, with what they do not say beside it."""
        results: dict[str, Values] = {"bpp": self.bpp}
        split = {column.of for column in metrics_of_judges().values()}  # whose curves stand there
        for metric in metrics_of_judges():
            if metric not in split and (values := self.values(metric)):
                results[field_keys(metric)[0]] = values
        results |= {"encoding_time": self.encode_seconds, "decoding_time": self.decode_seconds}
        return {
            "name": self.name,
            "description": self.description,
            "results": {key: list(values) for key, values in results.items()},
            "settings": list(self.settings),
            "pictures": self.pictures,
            "weights": self.weights,
            "commits": list(self.commits),
            "devices": list(self.devices),
            "judges": list(self.judges),
        }


def mean_curves(rows: Iterable[Row], descriptions: Mapping[str, str] | None = None) -> list[MeanCurve]:
    """One mean curve per codec and weights, in the order in which the rows name them.

    Every mean is over the same pictures: those that the codec has at each of its settings. Raises UsageError if a
    codec has none, because it failed somewhere on each.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.weights), []).append(row)
    names = [codec for codec, _ in groups]
    curves: list[MeanCurve] = []
    for (codec, weights), group in groups.items():
        name = codec if names.count(codec) == 1 else f"{codec} ({weights[:8]})"
        curves.append(_mean_curve(name, (descriptions or {}).get(codec, codec), group))
    return curves


def _mean_curve(name: str, description: str, rows: Sequence[Row]) -> MeanCurve:
    by_setting: dict[float, dict[str, Row]] = {}
    for row in rows:
        by_setting.setdefault(row.quality, {})[row.picture] = row
    shared = set.intersection(*(set(pictures) for pictures in by_setting.values()))
    if not shared:
        raise UsageError(f"{name}: no picture was measured at all of the settings {sorted(by_setting)}")

    # PSNR tells whether a picture came back without loss
    perfect = {name for rows in by_setting.values() for name in shared if math.isinf(_figure("psnr", rows[name]))}
    if perfect != shared:  # a decibel value that is infinite would be all that is left of a mean
        shared -= perfect
    used = [by_setting[setting][picture] for setting in by_setting for picture in sorted(shared)]
    judges = set.intersection(*(set(row.judges.split("; ")) for row in used)) - {""}

    def over(of: Callable[[Row], float], mean: Callable[[list[float]], float] = fmean) -> Values:
        values = ([of(by_setting[at][picture]) for picture in sorted(shared)] for at in order)
        return tuple(mean([one for one in some if not math.isnan(one)] or [math.nan]) for some in values)

    order = list(by_setting)
    rates = dict(zip(order, over(lambda row: row.bpp), strict=True))
    order.sort(key=rates.__getitem__)
    figures: dict[str, Values] = {}
    for key in columns_of_judges():
        curves = [column for column in metrics_of_judges().values() if column.of == key]
        alike = not curves or any(_by(column, judges) for column in curves)  # else some rows are by another network
        figures[key] = over(partial(_figure, key if alike else ""))
    return MeanCurve(
        name=name,
        description=description,
        pictures=len(shared),
        settings=tuple(order),
        weights=rows[0].weights,
        commits=tuple(sorted({row.commit for row in used})),
        devices=tuple(sorted({row.device for row in used} - {""})),
        judges=tuple(sorted(judge for judge in judges if not judge.startswith("region "))),
        bpp=over(lambda row: row.bpp),
        encode_seconds=over(lambda row: row.encode_seconds, median),
        decode_seconds=over(lambda row: row.decode_seconds, median),
        figures=figures,
        lossless=tuple(sorted(perfect - shared)),
        names=tuple(sorted(shared)),
        rows=tuple(rows),
    )


def _figure(key: str, row: Row) -> float:
    return row.figures.get(key, math.nan)


def _by(column: Column, judges: Collection[str]) -> bool:
    """Whether judges of these descriptions give the figures of a column or curve."""
    return not column.of or any(column.by in judge for judge in judges)


def write_curves(curves: Iterable[MeanCurve], folder: Path) -> list[Path]:
    """One JSON file per curve, named after it; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for curve in curves:
        path = folder / f"{curve.name.replace('/', '_').replace(' ', '_')}.json"
        path.write_text(json.dumps(curve.as_dict(), indent=1, allow_nan=True) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def means_rows(curves: Sequence[MeanCurve]) -> list[list[str]]:
    """Every point of every mean curve as cells, the header first; columns that nobody has are left out."""
    shown = {
        key: column
        for key, column in columns_of_judges().items()
        if column.always or any(not math.isnan(value) for one in curves for value in one.figures.get(key, ()))
    }
    titles = (f"{column.title} {column.unit}".rstrip() for column in shown.values())
    rows = [["codec", "setting", "bpp", *titles, "encode s", "decode s", "pictures"]]
    for curve in curves:
        for at, setting in enumerate(curve.settings):
            seconds = (figure(curve.encode_seconds[at], ".3f"), figure(curve.decode_seconds[at], ".3f"))
            cells = [curve.name, f"{setting:.4g}", f"{curve.bpp[at]:.4f}"]
            cells += [figure(curve.figures[key][at], column.form) for key, column in shown.items()]
            rows.append([*cells, *seconds, str(curve.pictures)])
    return rows


def means_table(curves: Iterable[MeanCurve]) -> str:
    """The same as lines of text."""
    drawn = list(curves)
    header, *rows = means_rows(drawn)
    return "\n".join([columns(header, rows), *lossless_notes(drawn)])


def lossless_notes(curves: Iterable[MeanCurve]) -> list[str]:
    """A line for each codec some of whose pictures came back without loss."""
    return [
        f"{one.name}: without loss and left out of the means: {', '.join(one.lossless)}"
        for one in curves
        if one.lossless
    ]
