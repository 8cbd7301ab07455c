"""The left side of "Compress": the picture, its region of interest, and how to encode it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from regio.app.choices import Region
from regio.app.fields import STRONGEST, WEAKEST
from regio.app.marker import marker

MARKED = {Region.PAINTED, Region.BOX}  # by hand, on the picture


@dataclass(frozen=True)
class Controls:
    """The components."""

    upload: Any
    sample: Any
    message: Any
    region: Any
    box: Any
    marker: Any
    preview: Any
    strength: Any
    codecs: Any
    size: Any
    metadata: Any
    go: Any
    stop: Any

    @property
    def chosen(self) -> list[Any]:
        """The inputs of `choices_in`, in this order."""
        return [self.region, self.marker, self.box, self.strength, self.codecs, self.size, self.metadata]


def controls(codecs: tuple[str, ...]) -> Controls:
    """Lay them out; call inside of a column."""
    from regio.codec.roi import STRENGTH

    upload = gr.File(label="Picture", elem_id="upload", height=130, file_types=None)
    sample = gr.Button("Use a sample picture", size="sm", elem_id="sample")
    message = gr.HTML(elem_id="message")
    region = gr.Radio(list(map(str, Region)), value=str(Region.EVEN), label="What matters", elem_id="region")
    marked = marker()
    box = gr.Textbox("", label="Box", info="x, y, width, height in pixels", visible=False, elem_id="box")
    preview = gr.HTML(elem_id="preview")
    strength = gr.Slider(
        WEAKEST, STRONGEST, value=STRENGTH, step=1, visible=False, elem_id="strength",
        label="How much more the region gets", info="points of quality between the region and the rest", buttons=[],
    )  # fmt: skip
    with gr.Row():
        codec = gr.Dropdown(
            list(codecs), value=codecs[0], label="Codec", min_width=130, filterable=False, elem_id="codec"
        )
        size = gr.Number(10, label="Size, at most, in kB", step=0.1, precision=3, min_width=130, elem_id="size")
    metadata = gr.Checkbox(True, label="Keep metadata (EXIF, colour profile)", elem_id="metadata")
    go = gr.Button("Compress", variant="primary", interactive=False, elem_id="compress")
    stop = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel")
    return Controls(upload, sample, message, region, box, marked, preview, strength, codec, size, metadata, go, stop)
