"""One codec's mean curve beside recorded curves of others: at equal rates, as BD-rates, as tables."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from regio.evaluation.bd_rate import BDRate, Curve, Metric, bd_rate
from regio.evaluation.columns import columns, figure
from regio.evaluation.judges import metrics_of_judges
from regio.evaluation.means import MeanCurve

SHORT = {key: column.title for key, column in metrics_of_judges().items()}
JPEG = "jpeg_420"
ANCHORS = {  # name of a recorded curve -> what `regio evaluate` calls that codec
    JPEG: "jpeg",
    "webp": "webp",
    "jpeg2000": "jpeg2000",
    "avif_444_s6": "avif",
    "avif_444_s4_psnr": "avif-slow",
    "heic_420_slow": "hevc-default",
    "heic_444_slow_psnr": "hevc",
}
PUBLISHED = ("bpg_444_x265_ycbcr", "av1", "hm", "vtm", "segpic")
DRAWN = {
    "psnr": (JPEG, "webp", "jpeg2000", "avif_444_s4_psnr", "bpg_444_x265_ycbcr", "vtm"),
    "ms_ssim": (JPEG, "webp", "avif_444_s6", "heic_420_slow", "vtm"),
    "lpips_squeeze": (JPEG, "webp", "jpeg2000", "avif_444_s6", "heic_420_slow"),
}
TITLES = {  # of the table in the README
    "jpeg_420": "JPEG 4:2:0",
    "webp": "WebP",
    "jpeg2000": "JPEG 2000",
    "avif_444_s6": "AVIF, default tuning",
    "avif_444_s4_psnr": "AVIF, slower, tuned for PSNR",
    "heic_444_slow_psnr": "HEVC intra, 4:4:4, tuned for PSNR",
    "vtm": "VTM (published)",
}


class Against(NamedTuple):
    """Our mean curve beside one anchor's."""

    anchor: str
    levels: dict[Metric, tuple[float, ...]]  # the anchor's dB at each of the rates; NaN where its curve does not reach
    bd: dict[Metric, BDRate]  # of those metrics that both were measured in


def margins(mean: MeanCurve, one: Against, rates: Sequence[float], metric: Metric) -> tuple[float, ...]:
    """Ours minus the anchor's at each rate, dB."""
    ours = mean.curve(metric)
    return tuple(ours.quality_at(rate) - level for rate, level in zip(rates, one.levels[metric], strict=True))


def drawn(curves: Sequence[Curve], metric: Metric) -> list[Curve]:
    """The anchors that belong into the plot of a metric."""
    wanted = {alias for name in DRAWN.get(metric, ()) for alias in (name, ANCHORS.get(name))}
    return [curve for curve in curves if curve.name in wanted]


def compare(mean: MeanCurve, anchors: Mapping[Metric, Sequence[Curve]], rates: Sequence[float]) -> list[Against]:
    """Our curve against every recorded one that is at hand, under either of its names, in the order of this page."""
    named = {metric: {curve.name: curve for curve in curves} for metric, curves in anchors.items()}
    against: list[Against] = []
    for name in (*ANCHORS, *PUBLISHED):
        found = next((alias for alias in (name, ANCHORS.get(name)) if alias in named["psnr"]), None)
        if found is None:
            print(f"no curve called {name} among the anchors", file=sys.stderr)
            continue
        theirs = {metric: curves[found] for metric, curves in named.items() if found in curves}
        levels = {metric: tuple(curve.quality_at(rate) for rate in rates) for metric, curve in theirs.items()}
        bd = {metric: bd_rate(curve, mean.curve(metric), metric=metric) for metric, curve in theirs.items()}
        against.append(Against(name, levels, bd))
    return against


def against_table(mean: MeanCurve, against: Sequence[Against], rates: Sequence[float]) -> str:
    """PSNR at the rates, margins and BD-rates, as lines of text."""
    ours = mean.curve("psnr")
    header = ["anchor", *(f"{rate:g} bpp" for rate in rates), *(f"margin {rate:g}" for rate in rates)]
    for metric in mean.metrics:
        header += [f"BD-rate {SHORT[metric]}", "overlap dB"]
    rows = [[f"({mean.name})", *(figure(ours.quality_at(rate), ".2f") for rate in rates)]]
    rows[0] += ["" for _ in header[len(rows[0]) :]]
    for one in against:
        margin = margins(mean, one, rates, "psnr")
        cells = [one.anchor, *(figure(v, ".2f") for v in one.levels["psnr"]), *(figure(m, "+.2f") for m in margin)]
        rows.append([*cells, *(cell for metric in mean.metrics for cell in _bd_cells(one.bd.get(metric)))])
    return (
        columns(header, rows)
        + "\n(PSNR and margins in dB; BD-rates in per cent by PCHIP, negative: fewer bits than the anchor)"
    )


def perceptual_table(mean: MeanCurve, against: Sequence[Against], rates: Sequence[float]) -> str:
    """MS-SSIM and LPIPS at equal rates, read off the mean curves; empty if neither was measured."""
    metrics = [metric for metric in mean.metrics if metric != "psnr"]
    if not metrics:
        return ""
    header = ["at equal rates", *(f"{SHORT[metric]} {rate:g}" for metric in metrics for rate in rates)]
    ours = Against(f"({mean.name})", {m: tuple(mean.curve(m).quality_at(r) for r in rates) for m in metrics}, {})
    rows = [
        [one.anchor, *(_plain(one.levels, metric, place) for metric in metrics for place in range(len(rates)))]
        for one in (ours, *against)
        if any(metric in one.levels for metric in metrics)
    ]
    return columns(header, rows) + "\n(LPIPS: smaller is better)"


def _plain(levels: Mapping[Metric, Sequence[float]], metric: Metric, place: int) -> str:
    """A level on the scale of curves as the metric's own number."""
    if metric not in levels:
        return "–"
    if metric == "ssimulacra2":
        return figure(levels[metric][place], ".2f")
    remainder = 10 ** (-levels[metric][place] / 10)
    return figure(remainder if metric.startswith("lpips") else 1 - remainder, ".4f")


def readme_table(mean: MeanCurve, against: Sequence[Against], rates: Sequence[float]) -> str:
    """PSNR at the rates and the BD-rate against each anchor, in Markdown."""
    header = ["codec", *(f"{rate:g} bpp" for rate in rates), f"BD-rate of `{mean.name}` against it"]
    values = [f"**{figure(mean.curve('psnr').quality_at(rate), '.2f')}**" for rate in rates]
    lines = [header, ["---"] * len(header), [f"**`{mean.name}`**", *values, ""]]
    for one in against:
        if one.anchor in TITLES:
            found = one.bd["psnr"]
            percent = found.note or f"{found.percent:+.1f} %".replace("-", "−")
            lines.append([TITLES[one.anchor], *(figure(value, ".2f") for value in one.levels["psnr"]), percent])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _bd_cells(entry: BDRate | None) -> tuple[str, str]:
    """Number and overlap of a BD-rate."""
    if entry is None or entry.note:
        return "–", "" if entry is None else entry.note
    return f"{entry.percent:+.1f}", f"{entry.low:.1f}–{entry.high:.1f}"
