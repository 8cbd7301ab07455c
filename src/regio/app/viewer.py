"""Versions of a picture in the same place, pixel by pixel: one at a time, enlarged, or flickering with the original.

The code that runs in the browser is in viewer.js, the looks in page.css.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from regio.app.markup import url_of

TEMPLATE = """
${value ? `
<div class="viewer">
  <div class="tools">
    <span role="group" aria-label="Which version">${value.pictures.map((one, k) =>
      '<button type="button" name="show" value="' + k + '">' + one.name + '</button>').join('')}</span>
    <button type="button" name="flicker">Flicker with the original</button>
    <span role="group" aria-label="Enlarge">${[1, 2, 4].map((zoom) =>
      '<button type="button" name="zoom" value="' + zoom + '" aria-label="' + zoom + ' to 1">' + zoom + ' : 1</button>'
    ).join('')}</span>
  </div>
  <div class="pane" tabindex="0" role="region" aria-label="The picture at its pixels"><div class="sheet">
    ${value.pictures.map((one) =>
      '<img src="' + one.url + '" alt="' + one.name + ', at its pixels" draggable="false">').join('')}
  </div></div>
  <p class="here"></p>
</div>` : ''}
"""


def viewer() -> Any:
    """The component; nothing is shown until it gets what `in_one_place` makes."""
    code = Path(__file__).with_name("viewer.js").read_text(encoding="utf-8")
    return gr.HTML(value=None, html_template=TEMPLATE, js_on_load=code, elem_id="viewer")


def in_one_place(pictures: list[tuple[str, str]], size: tuple[int, int]) -> dict[str, Any]:
    """The contents of the component: names and paths, the original first; size: width and height in pixels."""
    return {
        "pictures": [{"name": name, "url": url_of(path)} for name, path in pictures],
        "width": size[0],
        "height": size[1],
    }
