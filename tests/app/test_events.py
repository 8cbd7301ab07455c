"""What goes wrong is said in words that help. In a process of its own: Gradio leaves event loops open."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

WORDS = """
import errno, sqlite3
from regio.app.events import _in_words
for error in (
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    sqlite3.OperationalError("database or disk is full"),
    FileNotFoundError(errno.ENOENT, "No such file"),
    ValueError("a fault of ours"),
):
    print(_in_words(error))
"""


@pytest.mark.skipif(find_spec("gradio") is None, reason="needs Gradio: pip install 'regio[app]'")
def test_a_full_disk_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", WORDS], capture_output=True, text=True, timeout=120, check=True)
    lines = done.stdout.splitlines()
    assert ["disk is full" in line for line in lines] == [True, True, True, False, False]
