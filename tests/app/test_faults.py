"""What people are told when something goes wrong."""

import errno
import logging
import sqlite3

import pytest

from regio.app.faults import in_words
from regio.errors import UsageError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "disk is full"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "no longer here"),
        (MemoryError(), "not enough memory"),
        (UsageError("two\n  lines"), "two lines"),
    ],
)
def test_what_a_person_can_do_something_about_is_named(error: Exception, told: str) -> None:
    assert told in in_words(error)


def test_our_own_faults_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert "secret" not in in_words(ValueError("a secret"))
    assert "a secret" in caplog.text
