"""The papers' tables with our figures beside the published ones, and notes on the limits of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from regio.evaluation.bd_rate import BDRate, Curve, Fit, Metric, bd_cells, bd_rate
from regio.evaluation.columns import columns, figure
from regio.evaluation.fidelity import Fidelity, columns_of
from regio.evaluation.means import MeanCurve
from regio.models.catalog import CATALOG
from regio.papers.published import TABLES, PaperTable

SMALL_BUDGET = (
    "Bundled weights are small networks trained on a small budget (the cards beside them say how), not the papers' "
    "networks and millions of steps: the figures do not show how good the method is."
)
NOT_BUNDLED = "Of weights that are not bundled, the table does not know how they were trained."
NONE_MEASURED = "Of ours nothing is measured: name a folder of pictures, or the -o of an earlier `regio evaluate`."
Rows = tuple[tuple[str, ...], ...]  # header first


class Beside(NamedTuple):
    """A printed table, ours beside it, and what must be said of both."""

    title: str
    published: Rows
    ours: Rows  # empty if there is nothing to show
    notes: tuple[str, ...]
    fidelity: Rows = ()  # FID and KID of ours; empty if nobody asked

    def text(self) -> str:
        """Lines for a terminal."""
        parts = [self.title, columns(self.published[0], self.published[1:])]
        if self.ours:
            parts += ["ours", columns(self.ours[0], self.ours[1:])]
        if self.fidelity:
            parts.append(columns(self.fidelity[0], self.fidelity[1:]))
        return "\n\n".join(parts) + "\n\n" + "\n".join(f"- {note}" for note in self.notes)


class Measured(NamedTuple):
    """The measurements to set beside a table."""

    ours: Sequence[MeanCurve]  # of the table's family
    others: Sequence[MeanCurve]  # opponents measured on the same pictures
    references: Mapping[Metric, Mapping[str, Curve]]  # published curves by name
    place: str  # where the pictures came from
    fit: Fit = "pchip"
    anchor: str | None = None  # None: the paper's
    dataset: str = ""  # the table's name of the pictures' data set
    fidelity: tuple[Fidelity, ...] = ()

    def anchor_curve(self, metric: Metric, default: str) -> Curve | None:
        """The curve that BD-rates are against: a published one, or else one that was measured."""
        name = self.anchor or default
        measured = {one.name: one.curve(metric) for one in (*self.ours, *self.others)}
        return self.references.get(metric, {}).get(name) or measured.get(name)


def beside(name: str, measured: Measured) -> Beside:
    """A paper's table of that name with our figures. KeyError for a name that is not in TABLES."""
    table = TABLES[name]
    published, ours, notes = _MAKERS[name](table, measured)
    said = [*table.notes, *notes]
    if measured.ours:
        pictures = max(curve.pictures for curve in measured.ours)
        how = "estimated bits, no files" if all(one.estimated for one in measured.ours) else "real files"
        said.append(f"Ours: {pictures} picture{'s' * (pictures != 1)} of {measured.place}, {how}.")
        bundled = {entry.fingerprint for entry in CATALOG.values()}
        known = {one.weights.partition(" ")[0] in bundled for one in measured.ours}
        said += [text for own, text in ((True, SMALL_BUDGET), (False, NOT_BUNDLED)) if own in known]
        said += [f"{one.name}: weights {one.weights}, source {', '.join(one.commits)}." for one in measured.ours]
    elif name != "segpic-2":
        said.append(NONE_MEASURED)
    distances = tuple(map(tuple, columns_of(measured.fidelity))) if measured.fidelity else ()
    return Beside(table.title, published, ours, tuple(said), distances)


Made = tuple[Rows, Rows, list[str]]


def _segpic_1(table: PaperTable, measured: Measured) -> Made:
    references = measured.references.get("psnr", {})
    anchor = measured.anchor_curve("psnr", "vtm")
    notes: list[str] = []
    if anchor is None:
        name = measured.anchor or "vtm"
        notes.append(f"No curve called {name}, in --references or measured: nothing can be recomputed.")
    by_name = {curve.name: curve for curve in measured.ours}
    column = measured.dataset
    rows: list[tuple[str, ...]] = [(*table.header, f"{column}, recomputed", f"{column}, Regio")]
    for row in table.rows:
        theirs = references.get(table.curves.get(row[0], ""))
        again = _percent(anchor, theirs, measured.fit)
        preset = table.models.get(row[0])
        own = by_name.get(preset or "")
        cell = _percent(anchor, own.curve("psnr"), measured.fit) if own else "no weights" if preset else "–"
        rows.append((*row, again, cell))
    extra = [one for one in (*measured.ours, *measured.others) if one.name not in table.models.values()]
    ours: list[tuple[str, ...]] = [("model", "BD-rate", "overlap, dB", "points (ours, anchor)")]
    if anchor is not None:
        found = [(one.name, bd_rate(anchor, one.curve("psnr"), fit=measured.fit)) for one in extra]
        ours += [_entry(name, entry) for name, entry in found if name != anchor.name]
    return tuple(rows), tuple(ours) if len(ours) > 1 else (), notes


def _segpic_2(table: PaperTable, measured: Measured) -> Made:
    by_name = {curve.name: curve for curve in measured.ours}
    anchor = measured.anchor_curve("psnr", "wacnn")
    column = f"our {measured.dataset}"
    rows: list[tuple[str, ...]] = [(*table.header, "our params", column, "our encode", "our decode")]
    for row in table.rows:
        preset = table.models[row[0]]
        own = by_name.get(preset)
        cells = ["no weights"] + 2 * ["–"]
        if own is not None:
            cells = [_percent(anchor, own.curve("psnr"), measured.fit), *_times(own)]
        rows.append((*row, f"{parameters(preset) / 1e6:.1f} M", *cells))
    extra = [curve for curve in measured.ours if curve.name not in table.models.values()]
    ours: list[tuple[str, ...]] = [("model", "encode", "decode", "device")]
    ours += [(one.name, *_times(one), ", ".join(one.devices) or "–") for one in extra]
    return tuple(rows), tuple(ours) if extra else (), []


def _segpic_3(table: PaperTable, measured: Measured) -> Made:
    ours: list[tuple[str, ...]] = [("regions in testing", "BD-rate", "overlap, dB", "points (ours, anchor)")]
    notes: list[str] = []
    base = next((curve for curve in measured.ours if curve.name.endswith(" 4x4")), None)
    if base is not None:
        anchor = base.curve("psnr")
        ours += [_entry(one.name, bd_rate(anchor, one.curve("psnr"), fit=measured.fit)) for one in measured.ours]
        notes.append("The row trained without masks needs such weights: add them to --codecs, after those with masks.")
    return (table.header, *table.rows), tuple(ours) if len(ours) > 1 else (), notes


def _roi_1(table: PaperTable, measured: Measured) -> Made:
    ours: list[tuple[str, ...]] = [("model", *table.header)]
    for one in (*measured.ours, *measured.others):
        lpips = _lpips_of(one)
        for row in table.rows:
            rate = float(row[0])
            cells = [figure(one.curve("psnr").quality_at(rate), ".2f"), _natural(one.curve("ms_ssim").quality_at(rate))]
            cells += [_lpips(one.curve(lpips).quality_at(rate)) if lpips else "–"]
            ours.append((one.name, row[0], *cells, figure(one.curve("roi_psnr").quality_at(rate), ".2f")))
    return (table.header, *table.rows), tuple(ours) if len(ours) > 1 else (), []


def _mcm_1(table: PaperTable, measured: Measured) -> Made:
    notes: list[str] = []
    everybody = [*measured.ours, *measured.others]
    metric = next((found for one in everybody if (found := _lpips_of(one))), None)
    name = measured.anchor or "vvc"
    anchor = None if metric is None else measured.anchor_curve(metric, name)
    ours: list[tuple[str, ...]] = [("codec", "BD-rate", "overlap, dB", "points (ours, anchor)")]
    if everybody and metric is None:
        notes.append("LPIPS was not measured: --lpips squeeze.")
    elif everybody and anchor is None:
        notes.append(f"{name} was not measured, so there is no BD-rate against it.")
    if anchor is not None and metric is not None:
        curves = [one.curve(metric) for one in everybody if one.name != anchor.name]
        ours += [_entry(one.name, bd_rate(anchor, one, metric=metric, fit=measured.fit)) for one in curves]
        notes.append(f"Ours on {measured.dataset}, against {name}, in {metric}, as -10 log10.")
    return (table.header, *table.rows), tuple(ours) if len(ours) > 1 else (), notes


def _mcm_2(table: PaperTable, measured: Measured) -> Made:
    ours: list[tuple[str, ...]] = [("codec", "setting", "bpp", "LPIPS")]
    for one in measured.ours:
        for at, setting in enumerate(one.settings):
            ours.append((one.name, f"{setting:g}", f"{one.bpp[at]:.4f}", figure(one.figures["lpips"][at], ".3f")))
    notes = (
        [f"Ours on {measured.dataset}; objects are the regions of --marks, if there are any."] if len(ours) > 1 else []
    )
    return (table.header, *table.rows), tuple(ours) if len(ours) > 1 else (), notes


_MAKERS = {
    "segpic-1": _segpic_1,
    "segpic-2": _segpic_2,
    "segpic-3": _segpic_3,
    "roi-1": _roi_1,
    "mcm-1": _mcm_1,
    "mcm-2": _mcm_2,
}


def parameters(preset: str) -> int:
    """The number of parameters of a SegPIC preset; the network is built without allocating memory."""
    import torch

    from regio.models import SegPIC, SegPICConfig

    with torch.device("meta"):
        net = SegPIC(SegPICConfig.preset(preset))
    return sum(parameter.numel() for parameter in net.parameters())


def _percent(anchor: Curve | None, curve: Curve | None, fit: Fit) -> str:
    if anchor is None or curve is None:
        return "–"
    found = bd_rate(anchor, curve, fit=fit)
    return found.note or f"{found.percent:+.2f}"


def _entry(name: str, found: BDRate) -> tuple[str, ...]:
    _, _, _, number, _, overlap, points = bd_cells(found)
    return name, number, overlap, points


def _lpips_of(curve: MeanCurve) -> Metric | None:
    """The LPIPS that a curve was measured in; None without."""
    return next((metric for metric in curve.metrics if metric.startswith("lpips")), None)


def _times(one: MeanCurve) -> tuple[str, str]:
    """Medians over the settings' medians."""
    return tuple(  # type: ignore[return-value]
        f"{1000 * sorted(seconds)[len(seconds) // 2]:.0f} ms" for seconds in (one.encode_seconds, one.decode_seconds)
    )


def _natural(decibels: float) -> str:
    return figure(1 - 10 ** (-decibels / 10), ".3f")


def _lpips(decibels: float) -> str:
    return figure(10 ** (-decibels / 10), ".3f")
