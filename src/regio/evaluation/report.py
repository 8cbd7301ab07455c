"""From a sweep's rows to what a reader wants: mean curves, BD-rate tables, rate-distortion plots."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from regio.errors import UsageError
from regio.evaluation.bd_rate import FIELD_KEYS, BDRate, Curve, Fit, Metric, bd_rate
from regio.evaluation.columns import columns, figure
from regio.evaluation.metrics import decibels
from regio.evaluation.sweep import Outcome, Problem, Row

AXES: dict[Metric, str] = {"psnr": "PSNR (RGB), dB", "ms_ssim": "MS-SSIM (RGB), −10 log₁₀(1 − m), dB"}
MARKERS = "osD^vPX*<>"


@dataclass(frozen=True)
class MeanCurve:
    """A codec's means over the same pictures at each of its settings, by rising rate."""

    name: str
    description: str
    pictures: int
    settings: tuple[float, ...]
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]  # mean of the pictures' dB
    ms_ssim: tuple[float, ...]  # mean over the pictures large enough; NaN if none is
    encode_seconds: tuple[float, ...]
    decode_seconds: tuple[float, ...]
    weights: str
    commits: tuple[str, ...]

    def curve(self, metric: Metric) -> Curve:
        """The curve in dB that BD-rates and plots use."""
        values = self.psnr if metric == "psnr" else [decibels(value) for value in self.ms_ssim]
        return Curve.through(self.name, self.bpp, values)

    def as_dict(self) -> dict[str, Any]:
        """The shape of the field's result files, with what they do not say beside it."""
        results: dict[str, tuple[float, ...]] = {"bpp": self.bpp, FIELD_KEYS["psnr"][0]: self.psnr}
        if not any(math.isnan(value) for value in self.ms_ssim):
            results[FIELD_KEYS["ms_ssim"][0]] = self.ms_ssim
        results |= {"encoding_time": self.encode_seconds, "decoding_time": self.decode_seconds}
        return {
            "name": self.name,
            "description": self.description,
            "results": {key: list(values) for key, values in results.items()},
            "settings": list(self.settings),
            "pictures": self.pictures,
            "weights": self.weights,
            "commits": list(self.commits),
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

    def means(column: str, setting: float) -> float:
        values = [float(getattr(by_setting[setting][picture], column)) for picture in sorted(shared)]
        return fmean([value for value in values if not math.isnan(value)] or [math.nan])

    order = sorted(by_setting, key=lambda setting: means("bpp", setting))
    columns = ("bpp", "psnr", "ms_ssim", "encode_seconds", "decode_seconds")
    return MeanCurve(
        name=name,
        description=description,
        pictures=len(shared),
        settings=tuple(order),
        weights=rows[0].weights,
        commits=tuple(sorted({row.commit for row in rows})),
        **{column: tuple(means(column, setting) for setting in order) for column in columns},
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


def means_table(curves: Iterable[MeanCurve]) -> str:
    """Every point of every mean curve, as lines of text."""
    header = ("codec", "setting", "bpp", "PSNR dB", "MS-SSIM", "encode s", "decode s", "pictures")
    rows = [
        (
            curve.name,
            f"{curve.settings[at]:.4g}",
            f"{curve.bpp[at]:.4f}",
            f"{curve.psnr[at]:.2f}",
            figure(curve.ms_ssim[at], ".4f"),
            f"{curve.encode_seconds[at]:.3f}",
            f"{curve.decode_seconds[at]:.3f}",
            str(curve.pictures),
        )
        for curve in curves
        for at in range(len(curve.settings))
    ]
    return columns(header, rows)


def bd_table(
    curves: Sequence[Curve], anchors: Sequence[Curve], *, metric: Metric = "psnr", fit: Fit = "pchip"
) -> list[BDRate]:
    """BD-rate of every curve against every anchor but itself, curve by curve."""
    return [
        bd_rate(anchor, curve, metric=metric, fit=fit)
        for curve in curves
        for anchor in anchors
        if anchor.name != curve.name
    ]


def markdown(entries: Iterable[BDRate]) -> str:
    """A BD-rate table in Markdown: the number never without anchor, fit, overlap and points."""
    lines = [
        "| codec | anchor | metric | BD-rate | fit | overlap, dB | points (codec, anchor) |",
        "|---|---|---|---:|---|---|---|",
    ]
    for entry in entries:
        number = f"{entry.percent:+.2f} %" if not entry.note else entry.note
        overlap = "–" if math.isnan(entry.low) else f"{entry.low:.2f}–{entry.high:.2f}"
        cells = (
            entry.name,
            entry.anchor,
            entry.metric,
            number,
            entry.fit,
            overlap,
            f"{entry.points[0]}, {entry.points[1]}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def plot(
    curves: Sequence[Curve], stem: Path, *, metric: Metric = "psnr", references: Sequence[Curve] = (), title: str = ""
) -> tuple[Path, Path]:
    """Rate-distortion plot as PNG and SVG beside each other: `stem` + suffix; returns both paths.

    `references` (published or older curves) are drawn dashed; the axes are cut to what `curves` cover.
    """
    import matplotlib
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    colours = matplotlib.color_sequences["tab10"]
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    for number, curve in enumerate([*curves, *references]):
        dashed = number >= len(curves)
        axes.plot(
            curve.rates,
            curve.qualities,
            label=curve.name,
            color=colours[number % len(colours)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=3 if dashed else 5,
            linewidth=1 if dashed else 1.8,
            linestyle="--" if dashed else "-",
        )
    drawn = [curve for curve in curves if curve.rates]
    if drawn:
        axes.set_xlim(0, 1.03 * min(2.0, max(curve.rates[-1] for curve in drawn)))
        seen = [q for curve in drawn for r, q in zip(curve.rates, curve.qualities, strict=True) if r <= 2.0]
        if len(seen) > 1:
            axes.set_ylim(min(seen) - 0.5, max(seen) + 0.5)
    axes.set_xlabel("rate, bits per pixel (whole files)")
    axes.set_ylabel(AXES[metric])
    axes.set_title(title)
    axes.grid(alpha=0.3)
    if curves or references:
        axes.legend(fontsize="small", loc="lower right")
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg"))
    figure.savefig(png, dpi=130)
    with matplotlib.rc_context({"svg.hashsalt": stem.name}):  # the same curves give the same file
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


class Report(NamedTuple):
    """What `write_report` wrote."""

    curves: tuple[MeanCurve, ...]
    bd_rates: tuple[BDRate, ...]
    files: tuple[Path, ...]


def write_report(
    outcome: Outcome,
    folder: Path,
    *,
    descriptions: Mapping[str, str] | None = None,
    references: Mapping[Metric, Sequence[Curve]] | None = None,
    anchor: str | None = None,
    fit: Fit = "pchip",
) -> Report:
    """Everything that follows from a sweep: curves/*.json, bd_rates.json and .md, a plot per metric, problems.csv.

    references: curves from elsewhere, which are drawn and serve as anchors too.
    anchor: a measured codec that serves as an anchor.
    Raises UsageError if nothing was measured, or the anchor was not.
    """
    if not outcome.rows:
        raise UsageError("nothing could be measured" + (f": {outcome.problems[0].reason}" if outcome.problems else ""))
    curves = mean_curves(outcome.rows, descriptions)
    if anchor is not None and anchor not in [curve.name for curve in curves]:
        raise UsageError(f"the anchor {anchor} is not among the measured: {', '.join(c.name for c in curves)}")
    files = write_curves(curves, folder / "curves")
    entries: list[BDRate] = []
    for metric in AXES:
        own = [curve.curve(metric) for curve in curves]
        others = (references or {}).get(metric, ())
        entries += bd_table(own, [*(one for one in own if one.name == anchor), *others], metric=metric, fit=fit)
        if any(curve.rates for curve in own):
            files += plot(own, folder / f"rd_{metric}", metric=metric, references=others)
    table, text, problems = folder / "bd_rates.json", folder / "bd_rates.md", folder / "problems.csv"
    listed = [{key: _plain(value) for key, value in entry._asdict().items()} for entry in entries]
    table.write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    text.write_text(markdown(entries), encoding="utf-8")
    with problems.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([Problem._fields, *outcome.problems])
    return Report(tuple(curves), tuple(entries), (*files, table, text, problems))


def _plain(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value
