"""The right side of "Compress": the result beside the original and beside those of other codecs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from regio.app.coding import OURS, RIVALS
from regio.app.compare import Side, beside, comparison
from regio.app.desk import ORIGINAL, Outcome
from regio.app.markup import figure, notes

WHOLE, DETAIL = "Whole picture", "Closer"
EMPTY = "Drop a picture, say what matters in it, and press Compress."


@dataclass(frozen=True)
class Results:
    """The components."""

    made: Any
    """State: the `Outcome` that is shown, or None."""
    line: Any
    stage: Any
    rival: Any
    view: Any
    views: Any
    table: Any
    rgo: Any
    png: Any
    others: tuple[Any, ...]
    """A button for each of `RIVALS`."""
    downloads: Any
    add: Any
    added: Any
    maps: Any

    @property
    def outputs(self) -> list[Any]:
        """The outputs that `shown` and `cleared` fill, in this order."""
        return [self.made, self.line, self.stage, self.rival, self.views, self.table, self.rgo, self.png,
                self.downloads, self.added, self.maps, *self.others]  # fmt: skip


def results() -> Results:
    """Lay them out; call inside of a column."""
    line = gr.HTML(elem_id="outcome")
    with gr.Row(visible=False) as views:
        rival = gr.Radio([ORIGINAL], value=ORIGINAL, label="Beside Regio", scale=3, min_width=300, elem_id="rival")
        view = gr.Radio([WHOLE, DETAIL], value=WHOLE, label="View", scale=2, min_width=240, elem_id="view")
    stage = comparison(EMPTY)
    table = gr.HTML(elem_id="scores")
    with gr.Row(visible=False) as downloads:
        rgo = gr.DownloadButton("Download .rgo", variant="primary", min_width=180, elem_id="rgo")
        png = gr.DownloadButton("Download PNG", min_width=180, elem_id="png")
        others = tuple(
            gr.DownloadButton(f"Download {RIVALS[name]}", visible=False, min_width=180, elem_id=name) for name in RIVALS
        )
        add = gr.Button("Add to the blind study", min_width=180, elem_id="add")
    added = gr.HTML(elem_id="added")
    maps = gr.HTML(elem_id="maps")
    return Results(
        gr.State(None), line, stage, rival, view, views, table, rgo, png, others, downloads, add, added, maps
    )


def going(line: str) -> tuple[Any, ...]:
    """In the order of `Results.outputs`: another line, and everything as it is."""
    return (gr.skip(), line, *[gr.skip()] * (9 + len(RIVALS)))


def cleared(line: str) -> tuple[Any, ...]:
    """In the order of `Results.outputs`: nothing of an earlier result, and a line of HTML."""
    hidden = gr.update(visible=False)
    none = gr.update(value=None)
    return (
        None,
        line,
        None,
        gr.skip(),
        hidden,
        "",
        none,
        none,
        hidden,
        "",
        "",
        *[gr.update(value=None, visible=False)] * len(RIVALS),
    )


def shown(made: Outcome, *, first: bool) -> tuple[Any, ...]:
    """In the order of `Results.outputs`: what was made; first: nothing of it is shown yet."""
    others = [name for name in made.whole if name != OURS]
    return (
        made,
        "" if made.done else gr.skip(),
        staged(made, ORIGINAL, WHOLE) if first else gr.skip(),
        gr.update(choices=others, value=ORIGINAL) if first else gr.update(choices=others),
        gr.update(visible=True),
        made.table,
        gr.update(value=made.rgo),
        gr.update(value=made.png),
        gr.update(visible=True),
        "",
        _maps(made),
        *[gr.update(value=made.files.get(name), visible=name in made.files) for name in RIVALS.values()],
    )


def staged(made: Outcome, rival: str | None, view: str | None) -> dict[str, Any]:
    """What the comparison shows: a rival beside ours, whole or a part."""
    names = [rival if rival in made.whole else ORIGINAL, OURS]
    closer = view == DETAIL
    paths = made.detail if closer else made.whole
    left, right = (Side(name, paths[name]) for name in names)
    return beside(left, right, made.detail_size if closer else made.whole_size, detail=closer)


def _maps(made: Outcome) -> str:
    """HTML of the map of bits and of the region, those that exist."""
    figures = ""
    if made.bits is not None:
        figures += figure(made.bits, "Where the bits went", "The picture, brighter where the file spends more bits")
    if made.region is not None:
        caption = f"What matters ({made.region_line})"
        figures += figure(made.region, caption, "The picture, dark where it does not matter")
    line = notes(made.bits_line)
    return f'<div class="pair">{figures}</div>{line}' if figures or line else ""
