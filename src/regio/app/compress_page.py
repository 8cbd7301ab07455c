"""The tab "Compress": a picture, what matters in it, a size; then the result beside what others make of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import gradio as gr

from regio.app.choices import Choices, Region, painted_in
from regio.app.coding import OURS
from regio.app.compare import Side, beside, comparison
from regio.app.desk import ORIGINAL, Arrived, Desk, Outcome
from regio.app.events import QUIET, WORK, told
from regio.app.markup import figure, notes, notice
from regio.errors import UsageError

PAINT = "rgba(255, 45, 85, 0.65)"
WHOLE, DETAIL = "Whole picture", "Closer"
TO_RESULT = "() => document.querySelector('#comparison').scrollIntoView({behavior: 'smooth', block: 'center'})"
EMPTY = "Drop a picture, say what matters in it, and press Compress."


def compress_page(desk: Desk) -> Any:
    """Lay out the tab and connect it; call inside of `gr.Tab`. -> the event that adds a picture to the study."""
    from regio.codec.roi import STRENGTH

    arrived, outcome = gr.State(None), gr.State(None)
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            upload = gr.File(label="Picture", elem_id="upload", height=130, file_types=None)
            message = gr.HTML(elem_id="message")
            region = gr.Radio([str(one) for one in Region], value=str(Region.EVEN), label="What matters",
                              elem_id="region")  # fmt: skip
            box = gr.Textbox("", label="Box", info="x, y, width, height in pixels", visible=False, elem_id="box")
            painter = gr.ImageEditor(
                label="Paint here", type="numpy", image_mode="RGBA", sources=(), transforms=(),
                brush=gr.Brush(colors=[PAINT], color_mode="fixed", default_size=40), layers=False, buttons=[],
                format="png", height=430, visible=False, elem_id="painter",
            )  # fmt: skip
            preview = gr.HTML(elem_id="preview")
            strength = gr.Slider(
                5, 60, value=STRENGTH, step=1, visible=False, elem_id="strength", label="How much more the region gets",
                info="points of quality between the region and the rest",
            )  # fmt: skip
            with gr.Row():
                codec = gr.Dropdown(list(desk.codecs), value=desk.codecs[0], label="Codec", min_width=130,
                                    elem_id="codec")  # fmt: skip
                size = gr.Number(
                    10, label="Size, at most, in kB", minimum=0.05, step=0.1, precision=2, min_width=130, elem_id="size"
                )
            metadata = gr.Checkbox(True, label="Keep metadata (EXIF, colour profile)", elem_id="metadata")
            go = gr.Button("Compress", variant="primary", interactive=False, elem_id="compress")
        with gr.Column(scale=8, min_width=320):
            outcome_line = gr.HTML(elem_id="outcome")
            with gr.Row(visible=False) as views:
                rival = gr.Radio(
                    [ORIGINAL], value=ORIGINAL, label="Beside Regio", scale=3, min_width=300, elem_id="rival"
                )
                view = gr.Radio([WHOLE, DETAIL], value=WHOLE, label="View", scale=2, min_width=240, elem_id="view")
            stage = comparison(EMPTY)
            table = gr.HTML(elem_id="scores")
            with gr.Row(visible=False) as downloads:
                rgo = gr.DownloadButton("Download .rgo", variant="primary", elem_id="rgo")
                png = gr.DownloadButton("Download PNG", elem_id="png")
                add = gr.Button("Add to the blind study", elem_id="add")
            added = gr.HTML(elem_id="added")
            maps = gr.HTML(elem_id="maps")

    shows = [outcome, outcome_line, stage, rival, views, table, rgo, png, downloads, added, maps]
    chosen = [arrived, region, painter, box, strength, codec, size, metadata]

    def arrive(path: str | None) -> Any:
        if path is None:
            return None, "", gr.update(value=None), "", gr.skip(), gr.update(interactive=False)
        found = desk.receive(path)
        return (
            found,
            notice(found.line),
            gr.update(value={"background": found.preview, "layers": [], "composite": None}),
            figure(found.preview, "", "The picture"),
            max(0.05, round(found.size / 1000, 2)),
            gr.update(interactive=True),
        )

    def look(found: Arrived | None, chosen: str, text: str | None) -> Any:
        region = Region(chosen)
        controls = gr.update(visible=region is Region.BOX), gr.update(visible=region is not Region.EVEN)
        if found is None:
            return gr.skip(), gr.update(visible=False), "", *controls
        if region is Region.PAINTED:
            return notice(found.line), gr.update(visible=True), "", *controls
        if region is Region.EVEN or (region is Region.BOX and not (text or "").strip()):
            line, image = found.line, figure(found.preview, "", "The picture")
        else:
            path, line = desk.look(found.path, Choices("", None, region, box=text or ""))
            image = figure(path, "Bright: what matters", "The picture, dark where it does not matter")
        return notice(line), gr.update(visible=False), image, *controls

    bar = gr.Progress()

    def run(
        found: Arrived | None,
        region: str,
        painter: Any,
        box: str,
        strength: float,
        codec: str,
        size: float | None,
        metadata: bool,
        progress: gr.Progress = bar,
    ) -> Iterator[Any]:
        if found is None:
            raise UsageError("Drop a picture first.")
        choices = _choices(region, painter, box, strength, codec, size, metadata)
        yield _cleared()
        for made in desk.compress(found.path, choices, lambda share, what: progress(share, desc=what)):
            yield _shown(made)

    def turn(made: Outcome | None, rival: str, view: str) -> Any:
        return gr.skip() if made is None else _stage(made, rival, view)

    def keep(made: Outcome) -> Any:
        count = desk.add_to_study(made)
        return notice(f"Added. The study has {count} picture{'s' * (count > 1)} now: see the tab “Blind study”.")

    looks = [message, painter, preview, box, strength]
    looked = [arrived, region, box]
    arrives = [arrived, message, painter, preview, size, go]
    nothing = {arrived: None, painter: gr.update(value=None), preview: "", go: gr.update(interactive=False)}
    came = upload.change(told(arrive, message, arrives, nothing), [upload], arrives, **WORK)
    came.success(told(look, message, looks), looked, looks, **WORK)
    gr.on([region.change, box.submit, box.blur], told(look, message, looks), looked, looks, **WORK)
    go.click(None, js=TO_RESULT)
    go.click(told(run, outcome_line, shows), chosen, shows, show_progress_on=[stage], **WORK)
    for control in (rival, view):
        control.change(told(turn, outcome_line, [stage]), [outcome, rival, view], [stage], **QUIET)
    return add.click(told(keep, added, [added]), [outcome], [added], **QUIET)


def _choices(
    region: str, painter: Any, box: str, strength: float, codec: str, size: float | None, metadata: bool
) -> Choices:
    return Choices(
        codec,
        None if size is None or not math.isfinite(size) else max(1, round(size * 1000)),
        Region(region),
        painted_in((painter or {}).get("layers")),
        box or "",
        float(strength),
        bool(metadata),
    )


def _stage(made: Outcome, rival: str, view: str) -> dict[str, Any]:
    names = [rival if rival in made.whole else ORIGINAL, OURS]
    closer = view == DETAIL
    paths = made.detail if closer else made.whole
    left, right = (Side(name, paths[name]) for name in names)
    return beside(left, right, made.detail_size if closer else made.whole_size, detail=closer)


def _cleared() -> tuple[Any, ...]:
    """In the order of `shows`: nothing of an earlier result stays while the next is made."""
    hidden = gr.update(visible=False)
    none = gr.update(value=None)
    return (None, notice("Working."), None, gr.skip(), hidden, "", none, none, hidden, "", "")


def _shown(made: Outcome) -> tuple[Any, ...]:
    """In the order of `shows`."""
    others = [name for name in made.whole if name != OURS]
    working = "Regio is done; the others are being made." if not made.done else ""
    return (
        made,
        notice(working),
        _stage(made, ORIGINAL, WHOLE),
        gr.update(choices=others, value=ORIGINAL),
        gr.update(visible=True),
        made.table,
        gr.update(value=made.rgo),
        gr.update(value=made.png),
        gr.update(visible=True),
        "",
        _maps(made),
    )


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
