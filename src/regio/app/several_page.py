"""The tab "Several": pictures or a folder at once, as one archive, and for the blind study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from regio.app.choices import BITS_PER_PIXEL, Region
from regio.app.coding import RIVALS
from regio.app.controls import MARKED
from regio.app.events import QUIET, WORK, told, visitor_of
from regio.app.fields import several_in
from regio.app.markup import notice, working
from regio.app.workers import Step, Workers

FOUND = [str(one) for one in Region if one not in MARKED]


def several_page(codecs: tuple[str, ...], workers: Workers) -> Any:
    """Lay out the tab and connect it; call inside of `gr.Tab`. -> the event after which the study may have more."""
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            upload = gr.File(label="Pictures", file_count="multiple", elem_id="several", height=180)
            folder = gr.UploadButton("Choose a folder", file_count="directory", elem_id="folder")
            region = gr.Radio(FOUND, value=str(Region.EVEN), label="What matters", elem_id="several-region")
            with gr.Row():
                codec = gr.Dropdown(list(codecs), value=codecs[0], label="Codec", min_width=130, filterable=False,
                                    elem_id="several-codec")  # fmt: skip
                rate = gr.Number(BITS_PER_PIXEL, label="Bits per pixel", step=0.05, min_width=130, elem_id="rate")
            metadata = gr.Checkbox(True, label="Keep metadata (EXIF, colour profile)", elem_id="several-metadata")
            against = gr.CheckboxGroup(list(RIVALS.values()), label="Ask in the blind study, beside", elem_id="against")
            go = gr.Button("Compress all", variant="primary", elem_id="compress-all")
            stop = gr.Button("Cancel", variant="stop", visible=False, elem_id="cancel-all")
        with gr.Column(scale=8, min_width=320):
            line = gr.HTML(elem_id="several-message")
            table = gr.HTML(elem_id="several-table")
            archive = gr.DownloadButton("Download all (zip)", variant="primary", visible=False, elem_id="zip")

    shows, buttons = [line, table, archive], [go, stop]
    free = gr.update(visible=True), gr.update(visible=False)

    def begin() -> Any:
        hidden = gr.update(value=None, visible=False)
        return notice("Waiting for a free place."), "", hidden, gr.update(visible=False), gr.update(visible=True)

    def run(request: gr.Request, files: list[str] | None, *fields: Any) -> Iterator[Any]:
        asked = told_of = 0
        for said in workers.run(visitor_of(request), "several", files or [], *several_in(*fields)):
            if isinstance(said, Step):
                yield working(*said), gr.skip(), gr.skip()
                continue
            asked, told_of = said.asked, told_of + 1
            done = gr.update(value=said.archive, visible=True) if said.archive else gr.skip()
            yield gr.skip(), said.table, done
        study = f" The blind study has {asked} more." if asked else ""
        cancelled = told_of < len(files or [])
        yield notice("Cancelled." if cancelled else f"Done.{study}"), gr.skip(), gr.skip()

    def cancel(request: gr.Request) -> Any:
        workers.cancel(visitor_of(request), "several")
        return notice("Cancelled."), *free  # at once: a run that begins before this is answered would be cancelled, too

    folder.upload(lambda files: files, [folder], [upload], **QUIET)
    begun = go.click(begin, [], [*shows, *buttons], queue=False, **QUIET)
    inputs = [upload, region, codec, rate, metadata, against]
    ran = begun.then(told(run, line, shows), inputs, shows, **WORK | QUIET)
    stop.click(cancel, [], [line, *buttons], cancels=[ran], queue=False, **QUIET)
    return ran.then(lambda: free, [], buttons, queue=False, **QUIET)
