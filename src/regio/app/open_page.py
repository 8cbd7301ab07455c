"""The tab "Open": a .rgo file, decoded, and what it says about itself."""

from __future__ import annotations

from typing import Any

import gradio as gr

from regio.app.desk import Desk
from regio.app.events import WORK, told
from regio.app.markup import figure, notes


def open_page(desk: Desk) -> None:
    """Lay out the tab and connect it; call inside of `gr.Tab`."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            upload = gr.File(label="A .rgo file", elem_id="rgo-upload", height=130)
            message = gr.HTML(elem_id="rgo-message")
            table = gr.HTML(elem_id="info")
            png = gr.DownloadButton("Download PNG", visible=False, elem_id="decoded-png")
        with gr.Column(scale=8, min_width=320):
            image = gr.HTML(elem_id="decoded")
    bar = gr.Progress()

    def show(path: str | None, progress: gr.Progress = bar) -> Any:
        if path is None:
            return "", "", gr.update(visible=False), ""
        opened = desk.open(path, lambda share, what: progress(share, desc=what))
        shown = figure(opened.image, "", "The decoded picture")
        if opened.bits is not None:
            alt = "The picture, brighter where the file spends more bits"
            shown += figure(opened.bits, "Where the bits went", alt)
        return "", shown + notes(opened.bits_line), gr.update(value=opened.png, visible=True), opened.table

    shows = [message, image, png, table]
    nothing = {image: "", png: gr.update(visible=False), table: ""}
    upload.change(told(show, message, shows, nothing), [upload], shows, show_progress_on=[image], **WORK)
