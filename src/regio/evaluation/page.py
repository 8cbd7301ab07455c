"""One page that holds a whole report and needs nothing else: plots, tables, and crops to flick through.

The page works without network and without a server; pictures stand in it as data, the script is a few lines. Every
control is a button or a list, so that it can be used from the keyboard: left and right change the version; up and down,
while a button has the focus, the scene (elsewhere they scroll).
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from regio.evaluation.bd_rate import BD_COLUMNS, BDRate, Metric, axes, bd_cells
from regio.evaluation.means import MeanCurve, means_rows
from regio.evaluation.page_parts import SCRIPT, STYLE
from regio.evaluation.sweep import Problem
from regio.images import Pixels


class Take(NamedTuple):
    """A crop of one version of a picture."""

    label: str
    figures: str
    crop: Pixels  # (h,w,3)


class Scene(NamedTuple):
    """Crops of the same window of a picture, the original's first."""

    title: str
    takes: tuple[Take, ...]


class Facts(NamedTuple):
    """The contents of the page."""

    curves: tuple[MeanCurve, ...]
    bd_rates: tuple[BDRate, ...]
    drawings: Mapping[Metric, str]  # SVG
    scenes: tuple[Scene, ...]
    problems: tuple[Problem, ...]
    skipped: Mapping[str, str]


def page(facts: Facts) -> str:
    """The report as one HTML document."""
    pictures = max(curve.pictures for curve in facts.curves)
    commits = sorted({commit for curve in facts.curves for commit in curve.commits})
    parts = [
        "<h1>Codecs compared</h1>",
        f"<p>{len(facts.curves)} codecs on {pictures} picture{'s' * (pictures > 1)}, from real files: bits per pixel "
        f"count every byte. Source {_text(', '.join(commits))}.</p>",
        _crops(facts.scenes),
        "<h2>Rate and quality</h2>",
        *(_drawing(metric, svg) for metric, svg in facts.drawings.items()),
        _bd_rates(facts.bd_rates),
        _means(facts.curves),
        _codecs(facts.curves),
        _left_out(facts),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Codecs compared</title>\n'
        f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n'
        + "\n".join(part for part in parts if part)
        + f"\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _crops(scenes: Sequence[Scene]) -> str:
    """The flicker: one image at a time, all takes of a scene at the same place."""
    if not scenes:
        return ""
    data = [
        {
            "title": scene.title,
            "takes": [{"label": one.label, "figures": one.figures, "src": _source(one.crop)} for one in scene.takes],
        }
        for scene in scenes
    ]
    options = "".join(f'<option value="{at}">{_text(scene.title)}</option>' for at, scene in enumerate(scenes))
    # "<" must not end the script element early; JSON knows this escape
    listed = json.dumps(data).replace("<", "\\u003c")
    return (
        '<section id="flicker" aria-label="crops">\n<h2>Crops</h2>\n'
        f'<p><label>Scene <select id="scene">{options}</select></label> '
        "<span class=hint>← → change the version, ↑ ↓ on a button the scene; hold 0 for the original</span></p>\n"
        '<div id="takes" role="group" aria-label="version"></div>\n'
        '<figure><img id="crop" alt=""><figcaption id="figures" aria-live="polite"></figcaption></figure>\n'
        f'<script type="application/json" id="scenes">{listed}</script>\n</section>'
    )


def _source(crop: Pixels) -> str:
    """A crop as a data URL, without loss."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(crop)).save(buffer, "WEBP", lossless=True)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _drawing(metric: Metric, svg: str) -> str:
    """A plot; its own ids are made the page's, so that two plots do not take each other's."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'id="([^"]+)"', rf'id="{metric}-\1"', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{metric}-", body)
    return f'<figure class="plot" role="img" aria-label="{_text(axes()[metric])} over rate">{body}</figure>'


def _bd_rates(entries: Sequence[BDRate]) -> str:
    if not entries:
        return ""
    header, *rows = map(list, [BD_COLUMNS, *map(bd_cells, entries)])
    return f"<h2>BD-rates</h2><p>Negative: fewer bits than the anchor.</p>{_table(header, rows)}"


def _means(curves: Sequence[MeanCurve]) -> str:
    header, *rows = means_rows(curves)
    return "<h2>Means</h2>" + _table(header, rows)


def _codecs(curves: Sequence[MeanCurve]) -> str:
    rows = [
        [one.name, one.description, one.weights, ", ".join(one.devices), ", ".join(one.judges), ", ".join(one.commits)]
        for one in curves
    ]
    return "<h2>Who and what</h2>" + _table(["codec", "", "weights or version", "device", "judges", "source"], rows)


def _left_out(facts: Facts) -> str:
    rows = [[name, "", reason] for name, reason in facts.skipped.items()]
    rows += [[problem.codec, problem.picture, problem.reason] for problem in facts.problems]
    return "<h2>Left out</h2>" + _table(["codec", "picture", "reason"], rows) if rows else ""


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    body = "\n".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _text(text: str) -> str:
    return html.escape(text, quote=True)
