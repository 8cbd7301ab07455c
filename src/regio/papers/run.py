"""Measures our figures for a paper's table, with the right codecs, judges and settings for each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, Metric, axes, find_curves
from regio.evaluation.contestants import OPPONENTS, Own, label_of, line_up
from regio.evaluation.fidelity import Fidelity, fidelity, plot_fidelity
from regio.evaluation.fidelity import read as read_fidelity
from regio.evaluation.means import MeanCurve, mean_curves
from regio.evaluation.plots import plot
from regio.evaluation.sweep import Problem, Row, find_pictures, read_rows, sweep
from regio.models.catalog import CATALOG, DEFAULT
from regio.papers.figures import kernels, label_source, masks, recorded, textures
from regio.papers.mask_study import grids_of, with_labels
from regio.papers.order import STUDY_QUALITIES, Order
from regio.papers.patch_study import strategies
from regio.papers.published import PUBLISHED_CURVES, TABLES
from regio.papers.tables import Beside, Measured, beside

OPPONENTS_OF = {"roi-1": ("bpg", "jpeg", "avif", "hevc-default"), "mcm-1": ("vvc", "bpg", "avif", "hevc-default")}
FIGURES: dict[str, Callable[[Order], Beside]] = {
    "curves": recorded, "segpic-kernels": kernels, "mcm-masks": masks, "mcm-texture": textures
}  # fmt: skip
NAMES = (*TABLES, *FIGURES)


class Ran(NamedTuple):
    """A table, and what could not be measured for it."""

    table: Beside
    skipped: dict[str, str]
    problems: tuple[Problem, ...]


class Found(NamedTuple):
    """The measurements to set beside a table."""

    curves: list[MeanCurve]
    skipped: dict[str, str]
    problems: tuple[Problem, ...]
    fidelity: list[Fidelity]


def run(order: Order, *, progress: Callable[[str], None] = lambda line: None) -> Ran:
    """Measure on the folder, or take what an earlier run left in the output; then set it beside the paper's figures.

    Raises UsageError for a name that is not in NAMES, and for folders that are needed and not there.
    """
    if order.name not in NAMES:
        raise UsageError(f"no table {order.name!r}: choose {', '.join(NAMES)}")
    if order.fid and not _real_files(order):
        raise UsageError(f"--fid compares decoded files, and {order.name} makes none")
    if order.name in FIGURES:
        return Ran(FIGURES[order.name](order), {}, ())
    dataset = _dataset(order)
    references: dict[Metric, dict[str, Curve]] = {
        metric: {curve.name: curve for curve in find_curves(order.references, metric)} if order.references else {}
        for metric in axes()
    }
    if TABLES[order.name].family == "segpic" and dataset in PUBLISHED_CURVES:
        references["psnr"].setdefault("segpic", PUBLISHED_CURVES[dataset])
    found = _measured(order, _names(order), progress)
    ours = [curve for curve in found.curves if curve.name not in OPPONENTS]
    others = [curve for curve in found.curves if curve not in ours]
    place = order.folder.name if order.folder else f"an earlier run in {order.output}"
    measured = Measured(ours, others, references, place, order.fit, order.anchor, dataset, tuple(found.fidelity))
    table = beside(order.name, measured)
    table = table._replace(notes=(*table.notes, *_plots(order, found, references)))
    return Ran(table, found.skipped, found.problems)


def _names(order: Order) -> list[str]:
    """The codecs that take part: those asked for, else the bundled ones of the family; and the table's opponents.

    No ROI codec is bundled; the default codec takes its place.
    """
    bundled = [entry.name for entry in CATALOG.values() if entry.family == TABLES[order.name].family]
    return list(dict.fromkeys([*(order.codecs or bundled or [DEFAULT]), *OPPONENTS_OF.get(order.name, ())]))


def _dataset(order: Order) -> str:
    """The table's name of the data set that the pictures are of; empty where the table has but one."""
    sets = TABLES[order.name].sets
    for known in sets:
        if order.dataset is None or known.casefold().startswith(order.dataset.casefold()):
            return known
    if order.dataset is not None:
        offered = f"choose {', '.join(sets)}" if sets else "the table has but one"
        raise UsageError(f"--dataset {order.dataset}: not a data set of {order.name}; {offered}")
    return ""


def _real_files(order: Order) -> bool:
    """Whether what is measured for a table is files; else networks run as in training, and their bits are estimated."""
    return order.name not in (*FIGURES, "mcm-2") and not (order.name == "segpic-3" and order.labels)


def _plots(order: Order, found: Found, references: Mapping[Metric, Mapping[str, Curve]]) -> tuple[str, ...]:
    """Draw the curves of what was measured, as the papers do, and say where."""
    metrics = list(dict.fromkeys(metric for curve in found.curves for metric in curve.metrics))
    for metric in metrics:
        own = [curve.curve(metric) for curve in found.curves if curve.values(metric)]
        plot(own, order.output / f"{order.name}_{metric}", metric=metric, references=list(references[metric].values()))
    if found.fidelity:
        plot_fidelity(found.fidelity, order.output / f"{order.name}_fid")
    return (f"Curves: {order.output / order.name}_*.png and .svg.",) if metrics else ()


def _measured(order: Order, names: Sequence[str], progress: Callable[[str], None]) -> Found:
    """Mean curves of these codecs; none where there is nothing to measure on and nothing measured."""
    if order.folder is None:
        return _measured_before(order, names)
    pictures = find_pictures(order.folder)
    contestants, skipped = line_up(names, device=order.device, strength=order.strength) if names else ((), {})
    own = [one for one in contestants if isinstance(one, Own)]
    studied = tuple(order.qualities) or STUDY_QUALITIES
    rows: list[Row] = []
    if order.name == "mcm-2":
        rows = [row for one in own for row in strategies(one, pictures, studied, order.judges)]
        return Found(mean_curves(rows), skipped, (), [])
    if order.name == "segpic-3":
        grids = [grid for one in own for grid in grids_of(one)]
        if order.labels is not None:
            source = label_source(order)
            rows = [row for one in own for row in with_labels(one, pictures, source.find, studied)]
            return Found(mean_curves(rows), skipped, (), [])
        contestants, own = tuple(grids), grids
    qualities = studied if order.name == "segpic-3" else order.qualities
    settings: dict[str, Sequence[float]] = {one.name: one.settings_for(qualities) for one in own}
    outcome = sweep(
        pictures,
        contestants,
        order.output / "sweep.csv",
        settings=settings | dict(order.settings),
        judges=order.judges,
        repeats=order.repeats,
        progress=progress,
    )
    distances: list[Fidelity] = []
    if order.fid:
        distances = fidelity(outcome.rows, pictures, contestants, order.output / "fid.csv", progress=progress)
    return Found(mean_curves(outcome.rows), skipped, outcome.problems, distances)


def _measured_before(order: Order, names: Sequence[str]) -> Found:
    """The results that an earlier run left in the output."""
    table, fid = order.output / "sweep.csv", order.output / "fid.csv"
    labels = {label_of(name) for name in names}
    rows = read_rows(table) if table.exists() else []
    study = order.name == "segpic-3"  # its codecs carry the grid in their names
    rows = [row for row in rows if row.codec in labels or (study and row.codec.rpartition(" ")[0] in labels)]
    distances = [one for one in read_fidelity(fid) if one.codec in labels] if order.fid and fid.exists() else []
    return Found(mean_curves(rows), {}, (), distances)
