"""From a sweep's rows to what a reader wants: curves, BD-rate tables, plots, and one page that holds them all."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from regio.errors import UsageError
from regio.evaluation.bd_rate import BD_COLUMNS, BDRate, Curve, Fit, Metric, bd_cells, bd_rate
from regio.evaluation.means import MeanCurve, mean_curves, write_curves
from regio.evaluation.page import Facts, Scene, page
from regio.evaluation.plots import plot
from regio.evaluation.sweep import Outcome, Problem


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
    lines = [BD_COLUMNS, ("---", "---", "---", "---:", "---", "---", "---"), *map(bd_cells, entries)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


class Findings(NamedTuple):
    """The files and figures that `write_report` wrote."""

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
    scenes: Sequence[Scene] = (),
    skipped: Mapping[str, str] | None = None,
) -> Findings:
    """Everything that follows from a sweep: curves/*.json, bd_rates.json and .md, a plot per metric, problems.csv, and
    index.html, which needs no other file.

    references: curves from elsewhere, which are drawn and serve as anchors too. anchor: a measured codec that serves
    as an anchor. scenes: crops for the page. skipped: codecs that could not take part, with the reason.
    Raises UsageError if nothing was measured, or the anchor was not.
    """
    if not outcome.rows:
        raise UsageError("nothing could be measured" + (f": {outcome.problems[0].reason}" if outcome.problems else ""))
    curves = mean_curves(outcome.rows, descriptions)
    if anchor is not None and anchor not in [curve.name for curve in curves]:
        raise UsageError(f"the anchor {anchor} is not among the measured: {', '.join(c.name for c in curves)}")
    files = write_curves(curves, folder / "curves")
    entries: list[BDRate] = []
    drawings: dict[Metric, str] = {}
    for metric in dict.fromkeys(metric for curve in curves for metric in curve.metrics):
        own = [curve.curve(metric) for curve in curves if curve.values(metric)]
        others = (references or {}).get(metric, ())
        for one in (curve for curve in curves if curve.values(metric)):
            measured = [other for other in curves if other.name == anchor != one.name]
            entries += [_against_anchor(one, other, metric, fit) for other in measured]
            entries += bd_table([one.curve(metric)], others, metric=metric, fit=fit)
        files += (drawn := plot(own, folder / f"rd_{metric}", metric=metric, references=others))
        drawings[metric] = drawn[1].read_text(encoding="utf-8")
    table, text, problems, html = (
        folder / name for name in ("bd_rates.json", "bd_rates.md", "problems.csv", "index.html")
    )
    table.write_text(json.dumps([entry.as_dict() for entry in entries], indent=1) + "\n", encoding="utf-8")
    text.write_text(markdown(entries), encoding="utf-8")
    with problems.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([Problem._fields, *outcome.problems])
    facts = Facts(tuple(curves), tuple(entries), drawings, tuple(scenes), outcome.problems, dict(skipped or {}))
    html.write_text(page(facts), encoding="utf-8")
    return Findings(tuple(curves), tuple(entries), (*files, table, text, problems, html))


def _against_anchor(curve: MeanCurve, anchor: MeanCurve, metric: Metric, fit: Fit) -> BDRate:
    """BD-rate between two measured codecs, over the pictures of both; the name says if some are left out."""
    shared = set(curve.names) & set(anchor.names)
    if not shared:
        return bd_rate(Curve(anchor.name, (), ()), Curve(curve.name, (), ()), metric=metric, fit=fit)._replace(
            note="no picture in common"
        )
    entry = bd_rate(anchor.among(shared).curve(metric), curve.among(shared).curve(metric), metric=metric, fit=fit)
    whole = len(shared) == len(curve.names) == len(anchor.names)
    return entry if whole else entry._replace(name=f"{entry.name} ({len(shared)} shared pictures)")
