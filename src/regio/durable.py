"""Write files on a local disk so that a crash, a full disk or a power cut leaves the old file or the new one."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, changed: int | None = None) -> None:
    """Write a whole file or nothing. It is on the disk, not only in memory, when this returns.

    A file that is replaced keeps its permissions, and a link stays a link. changed: as `set_modified` takes it.
    OSError, also for a pipe or a device.
    """
    path = Path(os.path.realpath(path))
    with replacing(path) as part:
        write_part(part, data, mode_of(path))
        set_modified(part, changed)
    sync_folder(path.parent)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to. It takes that name at the end, or is gone on an error. A link is replaced.

    For what a crash of the process must not leave half written; the data may still be in memory when this returns.
    An OSError names `target`.
    """
    part = target.with_name(f".regio-{os.urandom(6).hex()}.part")
    try:
        yield part
        part.replace(target)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError) and error.filename == os.fspath(part):
            error.filename = os.fspath(target)
        raise


def write_part(part: Path, data: bytes, mode: int | None = None) -> None:
    """Write a new file that will take another name later; nothing is left of it on an error.

    mode: permissions of the file it will replace; None for those of a new file.
    """
    try:
        # nobody else may read a private file, not even for the moment before its mode is set
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666 if mode is None else 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
            file.flush()
            if mode is not None:
                part.chmod(mode)
            os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


def mode_of(path: Path) -> int | None:
    """Return the permissions of a file, or None when there is no file yet. OSError for what is not a file."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(about.st_mode):
        raise OSError(f"{path} exists and is not a file")
    return stat.S_IMODE(about.st_mode)


def modified(path: Path) -> int | None:
    """When a file was last changed, in nanoseconds; None where the system does not tell."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def set_modified(path: Path, changed: int | None) -> None:
    """Give a result the time of the picture that it was made of, by which people sort; None: leave it as it is."""
    if changed is not None:
        with suppress(OSError):  # some file systems keep no times
            os.utime(path, ns=(changed, changed))


def make_folders(folder: Path) -> None:
    """Create a folder and those above it. Their names survive a power cut."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make new names and removals in a folder survive a power cut, where the system can do so."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
