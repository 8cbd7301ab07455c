"""Folders on a local disk: list, read, and write files so that a power cut leaves the old or the new one.

Names are taken literally. `*`, `?` and `[` mean nothing special here, so a folder may be called "out [2024]".
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regio.durable import make_folders, modified, sync_folder, write_whole


@dataclass(frozen=True)
class Disk:
    """A folder by its absolute path. Names below it are relative paths with slashes."""

    root: Path

    def is_file(self) -> bool:
        """True when the path is a file and not a folder."""
        return self.root.is_file()

    def is_folder(self) -> bool:
        """True when the path is a folder."""
        return self.root.is_dir()

    def exists(self, below: str = "") -> bool:
        """True when there is a file or folder of this name."""
        return (self.root / below).exists()

    def find(self, depth: int | None = None) -> dict[str, int]:
        """Return the size in bytes of every file below, hidden folders left out.

        Links to files and to folders are followed; a folder that contains itself through a link is entered once.
        A broken link and a device count as files of size 0: reading them fails and says why.
        depth: levels of folders to look into, this folder included; None for all.
        """
        return dict(_walk(self.root, "", depth, ()))

    def names(self, below: str) -> list[str]:
        """Return the names in a folder, sorted. Empty when there is no such folder."""
        try:
            return sorted(os.listdir(self.root / below))  # noqa: PTH208 - names are wanted, not paths
        except FileNotFoundError:
            return []

    def read(self, below: str) -> bytes:
        """Return a whole file. OSError, also for a pipe or a device, which might never end."""
        path = self.root / below
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise OSError(f"{path} is a pipe or a device, not a file")
        return path.read_bytes()

    def modified(self, below: str) -> int | None:
        """When a file was last changed, in nanoseconds; None where the disk does not tell."""
        return modified(self.root / below)

    def write(self, below: str, data: bytes, changed: int | None = None) -> None:
        """Write a whole file or nothing. It is on the disk, not only in memory, when this returns.

        A file that is replaced keeps its permissions, and a link stays a link. changed: the time of its last change.
        """
        path = self.root / below
        make_folders(path.parent)
        write_whole(path, data, changed)

    def remove(self, below: str) -> None:
        """Delete a file for good. Does nothing when there is none."""
        path = self.root / below
        if path.exists() or path.is_symlink():
            path.unlink(missing_ok=True)
            sync_folder(path.parent)


def _walk(folder: Path, below: str, depth: int | None, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[str, int]]:
    """Yield (name below the root, bytes). above: device and inode of the folders that led here."""
    about = folder.stat()
    here = (about.st_dev, about.st_ino)
    if here in above:
        return
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name.startswith("."):
            continue
        name = f"{below}{entry.name}"
        if entry.is_dir():
            if depth is None or depth > 1:
                yield from _walk(folder / entry.name, f"{name}/", depth and depth - 1, (*above, here))
            continue
        try:
            yield name, entry.stat().st_size
        except OSError:  # a broken link
            yield name, 0
