"""Measuring what a paper's table is set beside: the right codecs, judges and settings for each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import regio
from regio.data.labels import MaskFolder
from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, Fit, Metric, axes, bd_rate, find_curves
from regio.evaluation.contestants import Contestant, line_up
from regio.evaluation.judging import Judges
from regio.evaluation.means import MeanCurve, mean_curves
from regio.evaluation.plots import plot
from regio.evaluation.sweep import Problem, find_pictures, read_rows, sweep
from regio.images import read_picture
from regio.models.catalog import CATALOG
from regio.papers.mask_study import grids_of, kernel_figure, with_labels
from regio.papers.patch_study import strategies
from regio.papers.published import TABLES
from regio.papers.tables import Beside, Measured, beside

OPPONENTS_OF = {"roi-1": ("jpeg", "avif", "hevc-default"), "mcm-1": ("vvc", "avif", "hevc-default")}
STUDY_QUALITIES = (20.0, 40.0, 60.0, 80.0)
KERNELS, CURVES = "segpic-kernels", "curves"
NAMES = (*TABLES, CURVES, KERNELS)


@dataclass(frozen=True)
class Order:
    """What the command line asked for."""

    name: str
    folder: Path | None
    output: Path
    references: Path | None = None
    labels: Path | None = None
    codecs: Sequence[str] = ()  # none: the bundled ones of the table's family
    qualities: Sequence[float] = ()
    judges: Judges = field(default_factory=Judges)
    fit: Fit = "pchip"
    anchor: str = "vtm"
    device: str = "auto"


class Ran(NamedTuple):
    """A table, and what could not be measured for it."""

    table: Beside
    skipped: dict[str, str]
    problems: tuple[Problem, ...]


def run(order: Order, *, progress: Callable[[str], None] = lambda line: None) -> Ran:
    """Measure on the folder, or take what an earlier run left in the output; then set it beside the paper's figures.

    Raises UsageError for a name that is not in NAMES, and for folders that are needed and not there.
    """
    if order.name not in NAMES:
        raise UsageError(f"no table {order.name!r}: choose {', '.join(NAMES)}")
    if order.name == CURVES:
        return Ran(_recorded(order), {}, ())
    if order.name == KERNELS:
        return Ran(_kernels(order), {}, ())
    references: dict[Metric, dict[str, Curve]] = {
        metric: {curve.name: curve for curve in find_curves(order.references, metric)} if order.references else {}
        for metric in axes()
    }
    family = TABLES[order.name].family
    bundled = [entry.name for entry in CATALOG.values() if entry.family == family]
    names = [*(order.codecs or bundled), *OPPONENTS_OF.get(order.name, ())]
    curves, skipped, problems = _measured(order, list(dict.fromkeys(names)), progress)
    ours = [curve for curve in curves if curve.name not in OPPONENTS_OF.get(order.name, ())]
    others = [curve for curve in curves if curve not in ours]
    place = order.folder.name if order.folder else f"an earlier run in {order.output}"
    table = beside(order.name, Measured(ours, others, references, place, order.fit))
    return Ran(table._replace(notes=(*table.notes, *_plots(order, curves, references))), skipped, problems)


def _plots(
    order: Order, curves: Sequence[MeanCurve], references: Mapping[Metric, Mapping[str, Curve]]
) -> tuple[str, ...]:
    """Draw the curves of what was measured, as the papers do, and say where."""
    metrics = list(dict.fromkeys(metric for curve in curves for metric in curve.metrics))
    for metric in metrics:
        own = [curve.curve(metric) for curve in curves if curve.values(metric)]
        plot(own, order.output / f"{order.name}_{metric}", metric=metric, references=list(references[metric].values()))
    return (f"Curves: {order.output / order.name}_*.png and .svg.",) if metrics else ()


def _measured(
    order: Order, names: Sequence[str], progress: Callable[[str], None]
) -> tuple[list[MeanCurve], dict[str, str], tuple[Problem, ...]]:
    """Mean curves of these codecs; none where there is nothing to measure on and nothing measured."""
    table = order.output / "sweep.csv"
    if order.folder is None:
        study = order.name == "segpic-3"  # its codecs carry the grid in their names
        rows = read_rows(table) if table.exists() else []
        rows = [row for row in rows if row.codec in names or (study and row.codec.partition(" ")[0] in names)]
        return mean_curves(rows), {}, ()
    pictures = find_pictures(order.folder)
    contestants: tuple[Contestant, ...] = ()
    skipped: dict[str, str] = {}
    if names:
        contestants, skipped = line_up(names, device=order.device)
    qualities = tuple(order.qualities)
    studied = qualities or STUDY_QUALITIES
    codecs = [regio.load(name, device=order.device) for name in names] if order.name in ("segpic-3", "mcm-2") else []
    if order.name == "segpic-3":
        contestants = tuple(one for codec in codecs for one in grids_of(codec, studied))
    if order.name == "mcm-2":
        return (
            mean_curves(row for codec in codecs for row in strategies(codec, pictures, studied, order.judges)),
            {},
            (),
        )
    opponents = OPPONENTS_OF.get(order.name, ())
    own = [one for one in contestants if one.name not in opponents and len(one.settings) > 1]  # not those of one rate
    settings = {one.name: qualities for one in own if qualities}
    outcome = sweep(pictures, contestants, table, settings=settings, judges=order.judges, progress=progress)
    rows = list(outcome.rows)
    if order.name == "segpic-3" and order.labels is not None:
        source = MaskFolder(order.labels)
        rows += [row for codec in codecs for row in with_labels(codec, pictures, source.find, studied)]
    return mean_curves(rows), skipped, outcome.problems


def _recorded(order: Order) -> Beside:
    """BD-rates of every result file under --references against one of them."""
    if order.references is None:
        raise UsageError("--table curves needs --references, a folder of result files")
    rows: list[tuple[str, ...]] = [("curve", "metric", "BD-rate", "fit", "overlap, dB", "points (curve, anchor)")]
    for metric in axes():
        curves = find_curves(order.references, metric)
        anchor = next((curve for curve in curves if curve.name == order.anchor), None)
        for curve in curves if anchor else ():
            found = bd_rate(anchor, curve, metric=metric, fit=order.fit)  # type: ignore[arg-type]
            percent = found.note or f"{found.percent:+.2f} %"
            overlap = f"{found.low:.2f}–{found.high:.2f}"
            rows.append((curve.name, metric, percent, found.fit, overlap, f"{found.points[0]}, {found.points[1]}"))
    if len(rows) == 1:
        raise UsageError(f"no curve called {order.anchor} under {order.references}")
    notes = (
        "LPIPS and MS-SSIM are integrated in decibels; a point that does not pay for its rate is left out.",
        "Only curves of the same pictures compare; a result file does not say which those are.",
    )
    return Beside(f"BD-rates against {order.anchor}", tuple(rows), (), notes)


def _kernels(order: Order) -> Beside:
    """Figure 9 of [Liu2024] for the first picture of the folder that has a label map."""
    if order.folder is None or order.labels is None:
        raise UsageError("--table segpic-kernels needs a folder of pictures, and --labels with their label maps")
    source = MaskFolder(order.labels)
    name = order.codecs[0] if order.codecs else next(e.name for e in CATALOG.values() if e.family == "segpic")
    for title, path in find_pictures(order.folder).items():
        pixels = read_picture(path).pixels
        labels = source.find(path, pixels)
        if labels is not None:
            target = order.output / "kernels.png"
            kernel_figure(regio.load(name, device=order.device), pixels, labels, target)
            rows = (("picture", "model", "figure"), (title, name, str(target)))
            return Beside("[Liu2024] Figure 9: kernels and gradients, with label maps and with a grid", rows, (), ())
    raise UsageError(f"no picture of {order.folder} has a label map in {order.labels}")
