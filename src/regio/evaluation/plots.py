"""Rate-distortion plots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from regio.evaluation.bd_rate import Curve, Metric
from regio.evaluation.bd_rate import axes as axes_of_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "osD^vPX*<>"
FITS_INSIDE = 12  # curves in a legend within the axes


def plot(
    curves: Sequence[Curve],
    stem: Path,
    *,
    metric: Metric = "psnr",
    references: Sequence[Curve] = (),
    title: str = "",
    axis: str = "",
) -> tuple[Path, Path]:
    """Rate-distortion plot as PNG and SVG beside each other: `stem` + suffix; returns both paths.

    `references` (published or older curves) are drawn dashed; the axes are cut to what `curves` cover. axis: what the
    vertical axis says, where the values are not those of a metric.
    """
    import matplotlib
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    colours = matplotlib.color_sequences["tab10"]
    many = len(curves) + len(references) > FITS_INSIDE
    height = max(5.5, 0.19 * (len(curves) + len(references))) if many else 5.5
    figure = Figure(figsize=(11 if many else 8, height), layout="constrained")
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
    axes.set_ylabel(axis or axes_of_metrics()[metric])
    axes.set_title(title)
    axes.grid(alpha=0.3)
    if many:  # beside the axes, or it would cover them
        figure.legend(fontsize="x-small", loc="outside right upper")
    elif curves or references:
        axes.legend(fontsize="small", loc="lower right")
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg"))
    figure.savefig(png, dpi=130)
    with matplotlib.rc_context({"svg.hashsalt": stem.name}):  # the same curves give the same file
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


def written(drawing: Figure, path: Path, *, ticks: bool = True) -> None:
    """Write a drawing as PNG. ticks: False for one that shows pictures."""
    for one in () if ticks else drawing.axes:
        one.set_xticks([])
        one.set_yticks([])
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=130)
