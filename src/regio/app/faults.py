"""Error messages for the page."""

from __future__ import annotations

import errno
import logging
import sqlite3

from regio.errors import RegioError

DISK_FULL = "The server's disk is full. Please try again later."


def in_words(error: Exception) -> str:
    """A line about an error. What is nobody's fault but ours is logged with its traceback."""
    if isinstance(error, RegioError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "There is not enough memory for this picture."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL
    if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
        return DISK_FULL
    if isinstance(error, FileNotFoundError):
        return "The file is no longer here: files are kept for two hours. Please choose it again."
    logging.getLogger(__name__).error("the page met an error", exc_info=error)
    return "Something went wrong here, and it is not your fault. The server keeps running; its log says more."
