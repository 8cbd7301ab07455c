"""Whole files, in and out: standard streams, temporary file and rename."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from regio.cli.paths import Source, Transfer
from regio.durable import modified, replacing, set_modified
from regio.errors import UsageError
from regio.names import opened


def read_whole(source: Source) -> bytes:
    """All bytes of a file or of standard input."""
    if source.path is not None:
        if source.path.is_char_device():  # /dev/zero never ends
            raise UsageError(f"{source.name} is a device, not a file")
        with opened(source.path) as stream:
            return stream.read()
    return _stdin().read()


def _stdin() -> BinaryIO:
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; give a file name, or pipe a file in")
    return sys.stdin.buffer


def read_rgo(source: Source) -> bytes:
    """The same of a .rgo file; what does not begin like one is refused before the rest of it is read."""
    from regio.format import read

    return read(_stdin() if source.path is None else source.path)


def write_whole(job: Transfer, data: bytes, *, force: bool) -> None:
    """Write a result all or not at all: a temporary file in the same folder takes the name when it is complete."""
    if job.target is None:
        _write_stdout(data)
        return
    if job.target.exists() and not job.target.is_file():  # /dev/null, a pipe: nothing to protect, nothing to rename
        job.target.write_bytes(data)
        return
    target = Path(os.path.realpath(job.target))  # a link stays a link
    if target.exists() and not force:
        raise UsageError(f"{target} has appeared meanwhile; --force overwrites")
    if job.in_folder:
        target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        part.write_bytes(data)
        if job.source.path is not None:
            set_modified(part, modified(job.source.path))


def _write_stdout(data: bytes) -> None:
    if sys.stdout.isatty():
        raise UsageError("standard output is a terminal; use -o FILE, or pipe it on")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
