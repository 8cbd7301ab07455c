"""The tab "Open": a .rgo file, decoded, and what it says about itself."""

from __future__ import annotations

from typing import Any

import gradio as gr

from regio.app.desk import Desk
from regio.app.events import WORK, told


def open_page(desk: Desk) -> None:
    """Lay out the tab and connect it; call inside of `gr.Tab`."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            upload = gr.File(label="A .rgo file", elem_id="rgo-upload", height=130)
            message = gr.HTML(elem_id="rgo-message")
            table = gr.HTML(elem_id="info")
            png = gr.DownloadButton("Download PNG", visible=False, elem_id="decoded-png")
        with gr.Column(scale=8, min_width=320):
            image = gr.Image(
                label="Decoded picture", interactive=False, buttons=["fullscreen"], height=520, elem_id="decoded"
            )
            bits = gr.Image(label="Where the bits went", interactive=False, buttons=[], height=420,
                            visible=False, elem_id="rgo-bits")  # fmt: skip
            line = gr.HTML(elem_id="rgo-line")
    bar = gr.Progress()

    def show(path: str | None, progress: gr.Progress = bar) -> Any:
        if path is None:
            return "", None, gr.update(visible=False), "", gr.update(visible=False), ""
        opened = desk.open(path, lambda share, what: progress(share, desc=what))
        return (
            "",
            opened.image,
            gr.update(value=opened.png, visible=True),
            opened.table,
            gr.update(value=opened.bits, visible=opened.bits is not None),
            f'<p class="notes">{opened.bits_line}</p>',
        )

    shows = [message, image, png, table, bits, line]
    upload.change(told(show, message, shows), [upload], shows, show_progress_on=[image], **WORK)
