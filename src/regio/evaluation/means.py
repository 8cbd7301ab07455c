"""From a sweep's rows to mean curves, and to the field's result files."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, Metric, axes, field_keys, in_decibels
from regio.evaluation.columns import columns, figure
from regio.evaluation.judges import columns_of_judges
from regio.evaluation.sweep import Row

BACKBONES: dict[str, Metric] = {"SqueezeNet": "lpips_squeeze", "AlexNet": "lpips_alex", "VGG": "lpips_vgg"}
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
    psnr: Values  # mean of the pictures' dB
    ms_ssim: Values  # mean over the pictures large enough
    lpips: Values
    roi_psnr: Values  # mean over the pictures with a marked region
    background_psnr: Values
    agreement: Values
    roi_share: Values
    encode_seconds: Values
    decode_seconds: Values
    weights: str
    commits: tuple[str, ...]
    devices: tuple[str, ...]
    judges: tuple[str, ...]  # regions left out
    figures: Mapping[str, Values] = field(default_factory=dict)  # of other judges, by column
    lossless: tuple[str, ...] = ()  # pictures that came back without loss at some setting, left out of all means
    names: tuple[str, ...] = ()  # the pictures that the means are over
    rows: tuple[Row, ...] = field(default=(), repr=False)  # that the means were made from

    @property
    def lpips_metric(self) -> Metric | None:
        """Which LPIPS these are; None without."""
        return next((BACKBONES[name] for name in BACKBONES for judge in self.judges if f"({name}" in judge), None)

    def values(self, metric: Metric) -> Values:
        """The metric at each setting; none if it was not measured."""
        if metric.startswith("lpips"):
            found = self.lpips if metric == self.lpips_metric else ()
        else:
            found = self.figures[metric] if metric in self.figures else getattr(self, metric, (math.nan,))
        return () if any(math.isnan(value) for value in found) else tuple(found)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What was measured at every setting."""
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
        results |= {field_keys(metric)[0]: self.values(metric) for metric in self.metrics}
        drawn = axes()
        named = {key: values for key, values in self.figures.items() if key not in drawn}
        for key, extra in (named | {"downstream-miou": self.agreement, "roi-share": self.roi_share}).items():
            if not any(math.isnan(value) for value in extra):
                results[key] = extra
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

    perfect = {picture for rows in by_setting.values() for picture in shared if math.isinf(rows[picture].psnr)}
    if perfect != shared:  # a decibel value that is infinite would be all that is left of a mean
        shared -= perfect
    used = [by_setting[setting][picture] for setting in by_setting for picture in sorted(shared)]
    judges = set.intersection(*(set(row.judges.split("; ")) for row in used)) - {""}

    judged = columns_of_judges()

    def means(column: str, setting: float) -> float:
        if column == "lpips" and not any(judge.startswith("LPIPS") for judge in judges):
            return math.nan  # some rows have none, or another backbone's
        rows = (by_setting[setting][picture] for picture in sorted(shared))
        own = column not in judged
        values = [float(getattr(row, column)) if own else row.figures.get(column, math.nan) for row in rows]
        mean = median if column.endswith("seconds") else fmean
        return mean([value for value in values if not math.isnan(value)] or [math.nan])

    order = sorted(by_setting, key=lambda setting: means("bpp", setting))
    columns = ("bpp", "psnr", "ms_ssim", *EXTRA)
    return MeanCurve(
        name=name,
        description=description,
        pictures=len(shared),
        settings=tuple(order),
        weights=rows[0].weights,
        commits=tuple(sorted({row.commit for row in used})),
        devices=tuple(sorted({row.device for row in used} - {""})),
        judges=tuple(sorted(judge for judge in judges if not judge.startswith("region "))),
        **{
            column: tuple(means(column, setting) for setting in order)
            for column in (*columns, "encode_seconds", "decode_seconds")
        },
        lossless=tuple(sorted(perfect - shared)),
        names=tuple(sorted(shared)),
        rows=tuple(rows),
        figures={column: tuple(means(column, setting) for setting in order) for column in judged},
    )


def write_curves(curves: Iterable[MeanCurve], folder: Path) -> list[Path]:
    """One JSON file per curve, named after it; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for curve in curves:
        path = folder / f"{curve.name.replace('/', '_').replace(' ', '_')}.json"
        path.write_text(json.dumps(curve.as_dict(), indent=1, allow_nan=True) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


EXTRA = {
    "lpips": ("LPIPS", ".4f"),
    "roi_psnr": ("ROI dB", ".2f"),
    "background_psnr": ("rest dB", ".2f"),
    "roi_share": ("ROI share", ".3f"),
    "agreement": ("mIoU", ".3f"),
}


def means_rows(curves: Sequence[MeanCurve]) -> list[list[str]]:
    """Every point of every mean curve as cells, the header first; columns that nobody has are left out."""
    judged = {key: (column.title, column.form) for key, column in columns_of_judges().items()}
    titles = EXTRA | judged

    def values(one: MeanCurve, name: str) -> Values:
        return one.figures.get(name, len(one.settings) * (math.nan,)) if name in judged else getattr(one, name)

    extra = [name for name in titles if any(not math.isnan(value) for one in curves for value in values(one, name))]
    header = ["codec", "setting", "bpp", "PSNR dB", "MS-SSIM", *(titles[name][0] for name in extra)]
    rows = [[*header, "encode s", "decode s", "pictures"]]
    for curve in curves:
        for at, setting in enumerate(curve.settings):
            seconds = (figure(curve.encode_seconds[at], ".3f"), figure(curve.decode_seconds[at], ".3f"))
            cells = [curve.name, f"{setting:.4g}", f"{curve.bpp[at]:.4f}", f"{curve.psnr[at]:.2f}"]
            cells += [figure(curve.ms_ssim[at], ".4f")]
            cells += [figure(values(curve, name)[at], titles[name][1]) for name in extra]
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
