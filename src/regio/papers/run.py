"""Measuring what a paper's table is set beside: the right codecs, judges and settings for each table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from regio.data.labels import LabelSource, MaskFolder, Panoptic
from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, Fit, Metric, axes, bd_rate, find_curves
from regio.evaluation.contestants import OPPONENTS, Own, label_of, line_up, own_named
from regio.evaluation.fidelity import Fidelity, fidelity, plot_fidelity
from regio.evaluation.fidelity import read as read_fidelity
from regio.evaluation.judging import Judges
from regio.evaluation.means import MeanCurve, mean_curves
from regio.evaluation.plots import plot
from regio.evaluation.sweep import Problem, Row, find_pictures, read_rows, sweep
from regio.images import read_picture
from regio.models.catalog import CATALOG
from regio.papers.mask_study import grids_of, kernel_figure, with_labels
from regio.papers.patch_study import strategies
from regio.papers.published import PUBLISHED_CURVES, TABLES
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
    settings: Mapping[str, Sequence[float]] = field(default_factory=dict)  # of opponents
    judges: Judges = field(default_factory=Judges)
    fit: Fit = "pchip"
    anchor: str | None = None  # None: the paper's
    dataset: str | None = None  # of the table; None: its first
    strength: float | None = None  # of MODEL+roi
    repeats: int = 1
    fid: bool = False
    device: str = "auto"


class Ran(NamedTuple):
    """A table, and what could not be measured for it."""

    table: Beside
    skipped: dict[str, str]
    problems: tuple[Problem, ...]


class Found(NamedTuple):
    """What there is to set beside a table."""

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
    if order.name == CURVES:
        return Ran(_recorded(order), {}, ())
    if order.name == KERNELS:
        return Ran(_kernels(order), {}, ())
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
    """The codecs that take part: those asked for, else the bundled ones of the family; and the table's opponents."""
    bundled = [entry.name for entry in CATALOG.values() if entry.family == TABLES[order.name].family]
    return list(dict.fromkeys([*(order.codecs or bundled), *OPPONENTS_OF.get(order.name, ())]))


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
    return order.name not in (CURVES, KERNELS, "mcm-2") and not (order.name == "segpic-3" and order.labels)


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
            source = label_source(order.labels)
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
    """What an earlier run left in the output."""
    table, fid = order.output / "sweep.csv", order.output / "fid.csv"
    labels = {label_of(name) for name in names}
    rows = read_rows(table) if table.exists() else []
    study = order.name == "segpic-3"  # its codecs carry the grid in their names
    rows = [row for row in rows if row.codec in labels or (study and row.codec.rpartition(" ")[0] in labels)]
    distances = [one for one in read_fidelity(fid) if one.codec in labels] if order.fid and fid.exists() else []
    return Found(mean_curves(rows), {}, (), distances)


def label_source(path: Path) -> LabelSource:
    """Label maps from a folder of PNG files, or from COCO's panoptic annotations (JSON). Raises UsageError."""
    return Panoptic(path) if path.suffix == ".json" else MaskFolder(path)


def _recorded(order: Order) -> Beside:
    """BD-rates of every result file under --references against one of them."""
    if order.references is None:
        raise UsageError("--table curves needs --references, a folder of result files")
    rows: list[tuple[str, ...]] = [("curve", "metric", "BD-rate", "fit", "overlap, dB", "points (curve, anchor)")]
    chosen = order.anchor or "vtm"
    for metric in axes():
        curves = find_curves(order.references, metric)
        anchor = next((curve for curve in curves if curve.name == chosen), None)
        for curve in curves if anchor else ():
            found = bd_rate(anchor, curve, metric=metric, fit=order.fit)  # type: ignore[arg-type]
            percent = found.note or f"{found.percent:+.2f} %"
            overlap = f"{found.low:.2f}–{found.high:.2f}"
            rows.append((curve.name, metric, percent, found.fit, overlap, f"{found.points[0]}, {found.points[1]}"))
    if len(rows) == 1:
        raise UsageError(f"no curve called {chosen} under {order.references}")
    notes = (
        "LPIPS and MS-SSIM are integrated in decibels; a point that does not pay for its rate is left out.",
        "Only curves of the same pictures compare; a result file does not say which those are.",
    )
    return Beside(f"BD-rates against {chosen}", tuple(rows), (), notes)


def _kernels(order: Order) -> Beside:
    """Figure 9 of [Liu2024] for the first picture of the folder that has a label map."""
    if order.folder is None or order.labels is None:
        raise UsageError("--table segpic-kernels needs a folder of pictures, and --labels with their label maps")
    source = label_source(order.labels)
    name = order.codecs[0] if order.codecs else next(e.name for e in CATALOG.values() if e.family == "segpic")
    own = own_named(name, device=order.device)
    member, quality = own.at(own.settings_for((50.0,))[0])
    for title, path in find_pictures(order.folder).items():
        pixels = read_picture(path).pixels
        labels = source.find(path, pixels)
        if labels is not None:
            target = order.output / "kernels.png"
            kernel_figure(member.codec, pixels, labels, target, quality=quality)
            rows = (("picture", "model", "figure"), (title, member.name, str(target)))
            return Beside("[Liu2024] Figure 9: kernels and gradients, with label maps and with a grid", rows, (), ())
    raise UsageError(f"no picture of {order.folder} has a label map in {order.labels}")
