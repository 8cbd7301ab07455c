"""The tab "Blind study": versions of a picture without names, one vote at a time, and what came of it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import gradio as gr

from regio.app.desk import Desk
from regio.app.events import QUIET, told
from regio.app.markup import notice, tally_table, url_of
from regio.app.study import LETTERS, Ballot

NONE = "I see no difference"
EMPTY = "There is no picture to judge yet. Compress one and press “Add to the blind study”."
THANKS = "You have judged every picture. Thank you."


def study_page(desk: Desk, tab: Any, added: Any, kept: bool) -> None:
    """Lay out the tab and connect it; call inside of `tab`. added: the event after which there is a picture more.

    kept: whether the votes outlast the server.
    """
    voter, ballot = gr.BrowserState("", storage_key="regio-voter"), gr.State(None)
    gr.HTML(
        "<p>Below are several versions of one picture. Which of them looks most like the original? The letters are "
        "shuffled for everybody, and nobody sees names before voting.</p>"
    )
    message = gr.HTML(elem_id="study-message")
    pictures = gr.HTML(elem_id="ballot")
    choice = gr.Radio([], label="Most like the original", visible=False, elem_id="choice")
    vote = gr.Button("Vote", variant="primary", visible=False, elem_id="vote")
    with gr.Accordion("Results, with names", open=False, elem_id="results"):
        gr.HTML("" if kept else notice("Votes go when the server ends; start it with --study FILE to keep them."))
        refresh = gr.Button("Show results", elem_id="show-results")
        tally = gr.HTML(elem_id="tally")
        export = gr.DownloadButton("Download all votes (CSV)", visible=False, elem_id="votes")

    def ask(voter: str) -> Any:
        voter = voter or uuid.uuid4().hex
        found = desk.study.ballot(voter)
        if found is None:
            line = notice(THANKS if desk.study.pictures() else EMPTY)
            return voter, None, line, "", gr.update(visible=False), gr.update(visible=False)
        letters = list(LETTERS[: len(found.versions)])
        return (
            voter,
            found.picture,
            notice(f"{found.left} picture{'s' * (found.left > 1)} to judge."),
            _sheet(found, desk.shelf.folder()),
            gr.update(choices=[*letters, NONE], value=None, visible=True),
            gr.update(visible=True),
        )

    def answer(voter: str, picture: int | None, choice: str | None) -> Any:
        if picture is None or choice is None:
            skipped = [gr.skip() for _ in asks]
            skipped[2] = notice("Choose a letter first.", "alert")
            return tuple(skipped)
        desk.study.vote(voter, picture, None if choice == NONE else choice)
        return ask(voter)

    def results() -> Any:
        path = desk.shelf.folder() / "votes.csv"
        path.write_text(desk.study.votes_csv(), encoding="utf-8")
        return tally_table(desk.study.tally()), gr.update(value=str(path), visible=True)

    asks = [voter, ballot, message, pictures, choice, vote]
    tab.select(told(ask, message, asks), [voter], asks, **QUIET)
    added.success(told(ask, message, asks), [voter], asks, **QUIET)
    vote.click(told(answer, message, asks), [voter, ballot, choice], asks, **QUIET)
    refresh.click(told(results, message, [tally, export]), [], [tally, export], **QUIET)


def _sheet(ballot: Ballot, folder: Path) -> str:
    """The original and the versions as HTML; nothing in it tells which is which."""
    named = [("original", "Original", ballot.original)]
    named += [(letter, letter, png) for letter, (_, png) in zip(LETTERS, ballot.versions, strict=False)]
    figures = ""
    for name, caption, png in named:
        path = folder / f"{name}.png"
        path.write_bytes(png)
        url = url_of(str(path))
        alt = "The original picture" if name == "original" else f"Version {caption}"
        figures += (
            f'<figure><a href="{url}" target="_blank" aria-label="{alt}, in full size">'
            f'<img src="{url}" alt="{alt}"></a><figcaption>{caption}</figcaption></figure>'
        )
    return f'<div class="ballot">{figures}</div>'
