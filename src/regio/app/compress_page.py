"""The tab "Compress": a picture, its region of interest and a size; then the result beside those of other codecs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from regio.app.choices import Choices, Region, box_share
from regio.app.controls import MARKED, Controls, controls
from regio.app.desk import Arrived, Desk, Outcome
from regio.app.events import QUIET, WORK, told, visitor_of
from regio.app.fields import box_in, choices_in
from regio.app.marker import BOX, PAINT, on_picture
from regio.app.markup import figure, notice, working
from regio.app.results import Results, cleared, going, results, shown, staged
from regio.app.workers import Step, Workers
from regio.errors import UsageError

TO_RESULT = "() => document.querySelector('#comparison').scrollIntoView({behavior: 'smooth', block: 'center'})"


def compress_page(desk: Desk, workers: Workers) -> Any:
    """Lay out the tab and connect it; call inside of `gr.Tab`. -> the event that adds a picture to the study."""
    arrived = gr.State(None)
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            left = controls(desk.codecs)
        with gr.Column(scale=8, min_width=320):
            right = results()
    _connect_picture(desk, workers, arrived, left, right)
    _connect_region(workers, arrived, left)
    _connect_work(workers, arrived, left, right)
    return _connect_result(desk, right)


def _connect_picture(desk: Desk, workers: Workers, arrived: Any, left: Controls, right: Results) -> None:
    """A file that comes, or is taken away; what was made of the one before goes."""
    outputs = [arrived, left.message, left.marker, left.size, left.go]
    nothing = {arrived: None, left.marker: None, left.go: gr.update(interactive=False)}

    def arrive(path: str | None) -> Any:
        if path is None:
            return None, "", None, gr.skip(), gr.update(interactive=False)
        found = desk.receive(path)
        size = max(0.05, round(found.size / 1000, 2))
        return found, notice(found.line), on_picture(found), size, gr.update(interactive=True)

    def forget(request: gr.Request) -> Any:
        workers.cancel(visitor_of(request), "compress", "look")
        return cleared("")

    left.sample.click(told(desk.sample, None, [left.upload]), [], [left.upload], **QUIET)
    left.upload.change(forget, [], right.outputs, queue=False, **QUIET)
    left.upload.change(told(arrive, left.message, outputs, nothing), [left.upload], outputs, **WORK)


def _connect_region(workers: Workers, arrived: Any, left: Controls) -> None:
    """The region: chosen, typed or dragged. Its controls are shown, and then what it covers, before any encoding."""

    def switch(found: Arrived | None, chosen: str, text: str | None, marked: Any, request: gr.Request) -> Any:
        workers.cancel(visitor_of(request), "look")  # the next one waits for the end of this one
        region = Region(chosen)
        hand = gr.update(visible=False)
        if found is not None and region in MARKED:
            hand = gr.update(
                visible=True, value=on_picture(found, marked, BOX if region is Region.BOX else PAINT, text)
            )
        box, strength = (gr.update(visible=one) for one in (region is Region.BOX, region is not Region.EVEN))
        return hand, unmarked(found, region), box, strength

    def unmarked(found: Arrived | None, region: Region) -> str:
        return "" if found is None or region in MARKED else figure(found.preview, "", "The picture")

    def look(found: Arrived | None, chosen: str, text: str | None, request: gr.Request) -> Iterator[Any]:
        region = Region(chosen)
        if found is None:
            yield gr.skip(), gr.skip()
        elif region is Region.EVEN or region in MARKED:
            yield notice(_line(found, text if region is Region.BOX else "")), unmarked(found, region)
        else:
            for said in workers.run(visitor_of(request), "look", found.path, Choices("", None, region)):
                if isinstance(said, Step):
                    yield working(*said), gr.skip()
                    continue
                path, line = said
                shown = figure(path, "Bright: what matters", "The picture, dark where it does not matter")
                yield notice(line), shown
            yield gr.skip(), gr.skip()  # Gradio says the last again at the end, when another choice may be shown

    def drag(found: Arrived | None, marked: Any) -> Any:
        text = box_in(marked)
        return text, notice(_line(found, text))

    # The browser drops an event ("once", what is usual but for `change`) or keeps the last for later ("always_last")
    # while it waits for the answer to the one before. For that, each function is connected once for all causes.
    last: dict[str, Any] = {"trigger_mode": "always_last"}
    switched, looked = [left.marker, left.preview, left.box, left.strength], [left.message, left.preview]
    inputs = [arrived, left.region, left.box]
    causes = [arrived.change, left.region.change, left.box.submit, left.box.blur]
    done = gr.on(causes, told(switch, None, switched), [*inputs, left.marker], switched, **last, **QUIET)
    done.success(told(look, left.message, looked), inputs, looked, **last, **WORK)
    outputs = [left.box, left.message]
    left.marker.input(told(drag, left.message, outputs), [arrived, left.marker], outputs, **last, **QUIET)


def _line(found: Arrived | None, box: str | None) -> str:
    """About a picture, or about the box in it if there is one. Raises as `box_share`."""
    if found is None or not (box or "").strip():
        return "" if found is None else found.line
    return f"a box, {box_share(box, found.width, found.height):.0%} of the picture"


def _connect_work(workers: Workers, arrived: Any, left: Controls, right: Results) -> None:
    """Compress, and Cancel, which ends the work at once."""
    buttons = [left.go, left.stop]
    busy = gr.update(visible=False), gr.update(visible=True)
    free = gr.update(visible=True), gr.update(visible=False)

    def begin() -> Any:
        return *cleared(notice("Waiting for a free place.")), *busy

    def run(request: gr.Request, found: Arrived | None, *chosen: Any) -> Iterator[Any]:
        if found is None:
            raise UsageError("Drop a picture first.")
        made: Outcome | None = None
        for said in workers.run(visitor_of(request), "compress", found.path, choices_in(*chosen)):
            if isinstance(said, Step):
                yield going(working(*said))
                continue
            yield shown(said, first=made is None)
            made = said
        if made is None or not made.done:  # again, as what the worker said last may stand over the line of `stop`
            yield going(cancelled(made))

    def stop(made: Outcome | None, request: gr.Request) -> Any:
        workers.cancel(visitor_of(request), "compress")
        return cancelled(made), *free  # at once: a run that begins before this is answered would be cancelled, too

    def cancelled(made: Outcome | None) -> str:
        return notice("Cancelled." if made is None else "Cancelled. What was finished is below.")

    begun = left.go.click(begin, [], [*right.outputs, *buttons], queue=False, **QUIET)
    left.go.click(None, js=TO_RESULT)
    ran = begun.then(told(run, right.line, right.outputs), [arrived, *left.chosen], right.outputs, **WORK | QUIET)
    ran.then(lambda: free, [], buttons, queue=False, **QUIET)
    left.stop.click(stop, [right.made], [right.line, *buttons], cancels=[ran], queue=False, **QUIET)


def _connect_result(desk: Desk, right: Results) -> Any:
    """Looking at the result. -> the event that adds it to the study."""

    def turn(made: Outcome | None, rival: str, view: str) -> Any:
        return gr.skip() if made is None else staged(made, rival, view)

    def keep(made: Outcome | None) -> Any:
        if made is None:
            raise UsageError("Compress a picture first.")
        count = desk.add_to_study(made)
        return notice(f"Added. The study has {count} picture{'s' * (count > 1)} now: see the tab “Blind study”.")

    for control in (right.rival, right.view):
        control.change(told(turn, right.line, [right.stage]), [right.made, right.rival, right.view], [right.stage],
                       **QUIET)  # fmt: skip
    return right.add.click(told(keep, right.added, [right.added]), [right.made], [right.added], **QUIET)
