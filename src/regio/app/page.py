"""The whole page: its head, tabs and style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from regio.app.compress_page import compress_page
from regio.app.desk import Desk
from regio.app.events import visitor_of
from regio.app.open_page import open_page
from regio.app.several_page import several_page
from regio.app.shelf import AGE
from regio.app.study_page import study_page
from regio.app.workers import TASKS, Workers

SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]  # no font is fetched
MONO = ["ui-monospace", "Menlo", "Consolas", "monospace"]
COLOURS = {  # where Gradio's are too pale to be read: 4.5 to 1 is wanted (WCAG 2.2, 1.4.3)
    "color_accent": "*primary_700",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_300",
    "block_info_text_color": "*neutral_600",
    "block_info_text_color_dark": "*neutral_300",
    "block_label_text_color": "*neutral_700",
    "block_label_text_color_dark": "*neutral_200",
    "block_title_text_color": "*neutral_700",
    "block_title_text_color_dark": "*neutral_200",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_400",
    "checkbox_background_color_selected": "*primary_700",
    "checkbox_background_color_selected_dark": "*primary_600",
    "checkbox_border_color": "*neutral_500",
    "checkbox_border_color_dark": "*neutral_400",
    "link_text_color": "*primary_700",
    "link_text_color_dark": "*primary_300",
    "slider_color": "*primary_700",
    "slider_color_dark": "*primary_500",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_800",
    "button_primary_text_color": "white",
    "button_primary_text_color_dark": "white",
}
WORDS = {"common.upload": "Upload"}  # Gradio's button that adds files has no words of its own, in any language
MASTHEAD = "<header><h1>Regio</h1><p>Small pictures whose bytes go where they matter.</p></header>"


def build(desk: Desk, workers: Workers, *, kept: bool) -> Any:
    """The page, ready to be launched. kept: whether votes outlast the server."""
    with gr.Blocks(title="Regio", analytics_enabled=False, delete_cache=(600, int(AGE))) as page:
        gr.HTML(MASTHEAD, elem_id="masthead")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Compress", id="compress"):
                added = compress_page(desk, workers)
            with gr.Tab("Several", id="several"):
                more = several_page(desk.codecs, workers)
            with gr.Tab("Open", id="open"):
                open_page(workers)
            with gr.Tab("Blind study", id="study") as study:
                study_page(desk, study, [added.success, more.success], kept)
        page.unload(_leaving(workers))
    return page


def _leaving(workers: Workers) -> Any:
    """Called when somebody closes the page: nobody waits for the work any more."""

    def leave(request: gr.Request) -> None:
        workers.cancel(visitor_of(request), *TASKS)

    return leave


def look() -> dict[str, Any]:
    """Options of `launch` that say how the page looks, light and dark, and words that Gradio lacks."""
    theme = gr.themes.Base(
        primary_hue="teal", secondary_hue="teal", neutral_hue="slate", font=SANS, font_mono=MONO, radius_size="md"
    ).set(**COLOURS)
    return {
        "theme": theme,
        "css_paths": [Path(__file__).with_name("page.css")],
        "favicon_path": None,
        "i18n": gr.I18n(en=WORDS),
    }
