"""Two pictures with a divider between them: a range input, which moves by mouse, finger and arrow keys.

Not Gradio's own slider, so that keys and screen readers are sure to reach it (docs/decisions/0031). Its looks are in
page.css.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from regio.app.markup import url_of

TEMPLATE = """
${value ? `
<figure class="compare ${value.detail ? 'detail' : ''}"
        style="--at:50%; --ratio:${value.width / value.height}; --tall:${value.height / value.width}">
  <div class="stage">
    <img src="${value.right_url}" alt="${value.right}" draggable="false">
    <img class="over" src="${value.left_url}" alt="${value.left}" draggable="false">
    <span class="line" aria-hidden="true"></span>
    <span class="tag left" aria-hidden="true">${value.left}</span>
    <span class="tag right" aria-hidden="true">${value.right}</span>
    <input type="range" min="0" max="100" step="1" value="50" title="Move the divider"
           aria-label="Divider: ${value.left} on its left, ${value.right} on its right">
  </div>
</figure>` : `<div class="empty-stage"><p>${empty}</p></div>`}
"""
MOVES = """
element.addEventListener('input', (event) => {
  if (event.target.type === 'range') {
    event.target.closest('.compare').style.setProperty('--at', event.target.value + '%');
  }
});
"""


class Side(NamedTuple):
    """One of the two."""

    name: str
    """Of letters and digits that need no escaping."""
    path: str
    """Of a picture that the server may hand out."""


def comparison(empty: str) -> Any:
    """The component; `empty` stands where no pictures are."""
    return gr.HTML(value=None, html_template=TEMPLATE, js_on_load=MOVES, empty=empty, elem_id="comparison")


def beside(left: Side, right: Side, size: tuple[int, int], *, detail: bool = False) -> dict[str, Any]:
    """The contents of the component. size: width and height in pixels; detail: an enlarged part, with hard pixels."""
    return {
        "left": left.name,
        "right": right.name,
        "left_url": url_of(left.path),
        "right_url": url_of(right.path),
        "width": size[0],
        "height": size[1],
        "detail": detail,
    }
