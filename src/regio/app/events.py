"""How the page calls functions: at most two run at once, and an error becomes a line on the page."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import gradio as gr

from regio.app.faults import in_words
from regio.app.markup import notice

AT_ONCE = 2
WORK: dict[str, Any] = {"concurrency_limit": AT_ONCE, "concurrency_id": "work", "api_visibility": "private"}
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def visitor_of(request: gr.Request) -> str:
    """The visitor who asks: a page that somebody has open."""
    return str(request.session_hash)


def told(
    function: Callable[..., Any], line: Any, outputs: list[Any], after: Mapping[Any, Any] | None = None
) -> Callable[..., Any]:
    """The function, whose errors become a line on the page.

    line: which of the `outputs` shows lines; without one among them, a message pops up. after: what else changes then,
    by output; the rest stays as it is. What is nobody's fault but ours is logged with its traceback.
    """

    def answer(error: Exception) -> Any:
        text = in_words(error)
        if line not in outputs:
            raise gr.Error(text, print_exception=False)
        changes = {**(after or {}), line: notice(text, "alert")}
        updates = [changes.get(one, gr.skip()) for one in outputs]
        return updates[0] if len(updates) == 1 else tuple(updates)

    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def steps(*arguments: Any, **options: Any) -> Iterator[Any]:
            try:
                yield from function(*arguments, **options)
            except Exception as error:
                yield answer(error)

        return steps

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except Exception as error:
            return answer(error)

    return call
