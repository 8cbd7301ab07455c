"""The tab "Blind study": versions of a picture without names, one vote at a time, and the results."""

from __future__ import annotations

import re
import uuid
from typing import Any

import gradio as gr
from PIL import Image

from regio.app.desk import Desk
from regio.app.events import QUIET, told
from regio.app.markup import notice, tally_table, url_of
from regio.app.shelf import Shelf
from regio.app.study import LETTERS, Ballot
from regio.app.viewer import in_one_place, viewer

VOTER = re.compile("[0-9a-f]{32}")
NONE = "I see no difference"
NOT_KEPT = "The votes are deleted when the server ends. Start it with --study FILE to keep them."
EMPTY = "There is no picture to judge yet. Compress one and press “Add to the blind study”."
THANKS = "You have judged every picture. Thank you."


def study_page(desk: Desk, tab: Any, added: list[Any], kept: bool) -> None:
    """Lay out the tab and connect it; call inside of `tab`. added: events after which there may be a picture more.

    kept: whether the votes outlast the server.
    """
    voter, ballot = gr.BrowserState("", storage_key="regio-voter"), gr.State(None)
    gr.HTML(
        "<p>Below are several versions of one picture. Which of them looks most like the original? The letters are "
        "shuffled for everybody, and nobody sees names before voting.</p>"
    )
    message = gr.HTML(elem_id="study-message")
    close = viewer()
    pictures = gr.HTML(elem_id="ballot")
    choice = gr.Radio([], label="Most like the original", visible=False, elem_id="choice")
    vote = gr.Button("Vote", variant="primary", visible=False, elem_id="vote")
    with gr.Accordion("Results, with names", open=False, elem_id="results"):
        gr.HTML("" if kept else notice(NOT_KEPT))
        refresh = gr.Button("Show results", elem_id="show-results")
        tally = gr.HTML(elem_id="tally")
        export = gr.DownloadButton("Download all votes (CSV)", visible=False, elem_id="votes")

    def ask(voter: str) -> Any:
        voter = _voter(voter)
        found = desk.study.ballot(voter)
        if found is None:
            line = notice(THANKS if desk.study.pictures() else EMPTY)
            return voter, None, line, None, "", gr.update(visible=False), gr.update(visible=False)
        letters = list(LETTERS[: len(found.versions)])
        return (
            voter,
            found.picture,
            notice(f"{found.left} picture{'s' * (found.left > 1)} to judge."),
            *_sheet(found, desk.shelf),
            gr.update(choices=[*letters, NONE], value=None, visible=True),
            gr.update(visible=True),
        )

    def answer(voter: str, picture: int | None, choice: str | None) -> Any:
        if picture is None or choice is None:
            skipped = [gr.skip() for _ in asks]
            skipped[2] = notice("Choose a letter first.", "alert")
            return tuple(skipped)
        desk.study.vote(_voter(voter), picture, None if choice == NONE else choice)
        return ask(voter)

    def results() -> Any:
        path = desk.shelf.folder() / "votes.csv"
        path.write_text(desk.study.votes_csv(), encoding="utf-8")
        return tally_table(desk.study.tally()), gr.update(value=str(path), visible=True)

    asks = [voter, ballot, message, close, pictures, choice, vote]
    for event in (tab.select, *added):
        event(told(ask, message, asks), [voter], asks, **QUIET)
    vote.click(told(answer, message, asks), [voter, ballot, choice], asks, **QUIET)
    refresh.click(told(results, message, [tally, export]), [], [tally, export], **QUIET)


def _voter(sent: object) -> str:
    """The secret id that a browser keeps; a new one where it sent none, or anything else."""
    return sent if isinstance(sent, str) and VOTER.fullmatch(sent) else uuid.uuid4().hex


def _sheet(ballot: Ballot, shelf: Shelf) -> tuple[dict[str, Any], str]:
    """The original and the versions, without any names of codecs: in one place, and side by side as HTML.

    Each picture is written once.
    """
    named = [("original", "Original", ballot.original)]
    named += [(str(number), letter, png) for letter, (number, png) in zip(LETTERS, ballot.versions, strict=False)]
    figures, paths = "", []
    for name, caption, png in named:
        path = str(shelf.once(f"study {ballot.picture} {name}", png))
        paths.append((caption, path))
        url = url_of(path)
        alt = "The original picture" if name == "original" else f"Version {caption}"
        figures += (
            f'<figure><a href="{url}" target="_blank" aria-label="{alt}, in full size">'
            f'<img src="{url}" alt="{alt}"></a><figcaption>{caption}</figcaption></figure>'
        )
    with Image.open(paths[0][1], formats=["PNG"]) as image:
        size = image.size
    return in_one_place(paths, size), f'<div class="ballot">{figures}</div>'
