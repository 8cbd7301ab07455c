"""Running the programs of other codecs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from regio.errors import RegioError

LONGEST = 600  # seconds that a program may take


def run_program(command: Sequence[str], fed: bytes | None = None) -> bytes:
    """Standard output of a program. Raises RegioError with the first line of its standard error if it fails."""
    made = subprocess.run(command, input=fed, capture_output=True, timeout=LONGEST, check=False)
    if made.returncode:
        lines = made.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise RegioError(f"{Path(command[0]).name} failed: {lines[0]}")
    return bytes(made.stdout)


def version_of(command: Sequence[str]) -> str:
    """The first version number in what a program says of itself."""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found.group() if found else "of unknown version"
