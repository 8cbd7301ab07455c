"""A visitor who leaves in the middle of an upload is nothing that the server reports."""

import logging
import sys

from regio.app.server import no_hangup


class ClientDisconnect(Exception):
    """What Starlette calls it."""


def record(error: Exception | None) -> logging.LogRecord:
    if error is None:
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "hello", None, None)
    try:
        raise error
    except type(error):
        return logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception", None, sys.exc_info())


def test_only_hangups_are_left_out() -> None:
    assert not no_hangup(record(ClientDisconnect()))
    assert no_hangup(record(ValueError("a real one")))
    assert no_hangup(record(None))
