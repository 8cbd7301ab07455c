"""The tab "Open": a .rgo file, decoded, and what it says about itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from regio.app.desk import Opened
from regio.app.events import QUIET, WORK, told, visitor_of
from regio.app.markup import figure, notes, working
from regio.app.workers import Step, Workers


def open_page(workers: Workers) -> None:
    """Lay out the tab and connect it; call inside of `gr.Tab`."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            upload = gr.File(label="A .rgo file", elem_id="rgo-upload", height=130)
            message = gr.HTML(elem_id="rgo-message")
            table = gr.HTML(elem_id="info")
            png = gr.DownloadButton("Download PNG", visible=False, elem_id="decoded-png")
        with gr.Column(scale=8, min_width=320):
            image = gr.HTML(elem_id="decoded")

    def forget(request: gr.Request) -> None:
        workers.cancel(visitor_of(request), "open")

    def show(path: str | None, request: gr.Request) -> Iterator[Any]:
        yield "", "", gr.update(visible=False), ""
        for said in workers.run(visitor_of(request), "open", path) if path is not None else ():
            yield (working(*said), *[gr.skip()] * 3) if isinstance(said, Step) else shown(said)

    def shown(opened: Opened) -> Any:
        shown = figure(opened.image, "", "The decoded picture")
        if opened.bits is not None:
            alt = "The picture, brighter where the file spends more bits"
            shown += figure(opened.bits, "Where the bits went", alt)
        return "", shown + notes(opened.bits_line), gr.update(value=opened.png, visible=True), opened.table

    shows = [message, image, png, table]
    nothing = {image: "", png: gr.update(visible=False), table: ""}
    upload.change(forget, queue=False, **QUIET)  # before `show`, which waits for the end of the one before
    upload.change(told(show, message, shows, nothing), [upload], shows, **WORK | QUIET)
