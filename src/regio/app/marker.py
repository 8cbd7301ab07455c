"""Marking the region on the picture itself, by dragging a rectangle or by painting, with mouse, pen or finger.

Not Gradio's image editor, which has no rectangle, one colour of paint, and little room for the picture on a phone. The
code that runs in the browser is in marker.js, the looks in page.css. A rectangle can also be typed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from regio.app.desk import Arrived
from regio.app.markup import url_of

BOX, PAINT = "box", "paint"
TEMPLATE = """
${value ? `
<div class="marker ${value.mode}" style="--ratio:${value.width / value.height}">
  <div class="ground"><img src="${value.url}" alt="The picture, to mark what matters" draggable="false">
    ${value.mode === 'box'
      ? '<div class="rectangle" hidden><i></i><i></i><i></i><i></i></div>'
      : '<canvas></canvas>'}</div>
  <div class="tools">${value.mode === 'box'
    ? '<span>Drag a rectangle over what matters. Drag its inside or its corners to change it.</span>'
    : '<label>Brush <input type="range" name="brush" min="6" max="120" value="36"></label>' +
      '<button type="button" name="undo">Undo</button>'}
    <button type="button" name="clear">Clear</button></div>
</div>` : ''}
"""


def marker() -> Any:
    """The component; its event `input` says that another rectangle was dragged."""
    code = Path(__file__).with_name("marker.js").read_text(encoding="utf-8")
    return gr.HTML(value=None, html_template=TEMPLATE, js_on_load=code, visible=False, elem_id="marker")


def on_picture(found: Arrived, marked: Any = None, mode: str = PAINT, box: str | None = "") -> dict[str, Any]:
    """The contents of the component: a picture and its marks so far, as a browser sent them."""
    paint = marked.get("paint") if isinstance(marked, dict) else ""
    size = {"url": url_of(found.preview), "width": found.width, "height": found.height}
    return {**size, "mode": mode, "box": (box or "").strip(), "paint": paint or ""}
