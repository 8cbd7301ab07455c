"""Files that pages show or offer, in one folder that is removed when the server ends."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import shutil
import time
from pathlib import Path

import numpy as np
from PIL import Image

from regio.durable import replacing
from regio.errors import LimitExceeded
from regio.images import Pixels

AGE = 2 * 3600.0  # seconds after which a file is removed
QUOTA = 4_000_000_000  # bytes of all files of all visitors
SPARE = 100_000_000  # bytes of the disk that are left free


class Shelf:
    """Folders with names that nobody can guess, because whoever knows a name can fetch the file.

    quota: bytes that all files together may take.
    """

    def __init__(self, root: Path, quota: int = QUOTA) -> None:
        self.root, self.quota = root, quota
        self._secret = secrets.token_bytes(32)

    def folder(self) -> Path:
        """A new folder. Old files are removed first. LimitExceeded where the quota is used up."""
        self.check_room()
        made = self.root / secrets.token_hex(16)
        made.mkdir(parents=True)
        return made

    def once(self, key: str, data: bytes) -> Path:
        """The file with this key, written only where it is not there yet. `key` cannot be told from the name."""
        name = hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()[:32]
        path = self.root / name / "picture.png"
        if path.is_file():
            os.utime(path.parent)  # in use, so not old
            return path
        self.check_room(len(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_bytes(data)
        return path

    def check_room(self, size: int = 0) -> None:
        """Remove old files; raises LimitExceeded unless `size` more bytes fit the quota and the disk."""
        self.sweep()
        if self.used() + size > self.quota:
            raise LimitExceeded("The server has no room for more files. Please try again later.")
        if self.root.is_dir() and shutil.disk_usage(self.root).free < size + SPARE:
            raise LimitExceeded("The server's disk is full. Please try again later.")

    def used(self) -> int:
        """Bytes of all files."""
        total = 0
        for folder, _, names in os.walk(self.root):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    total += (Path(folder) / name).lstat().st_size
        return total

    def sweep(self, age: float = AGE) -> None:
        """Remove files that nobody has used for `age` seconds, uploads included."""
        oldest = time.time() - age
        for entry in self.root.iterdir() if self.root.is_dir() else ():
            try:
                if entry.stat().st_mtime < oldest:
                    shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
            except FileNotFoundError:
                pass  # another thread removed it


def save_png(pixels: Pixels | Image.Image, path: Path, *, icc: bytes | None = None, longest: int | None = None) -> str:
    """Write a picture for a browser -> its path. longest: pixels of the longer side, if it is to be made smaller."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.ascontiguousarray(pixels))
    if longest is not None and max(image.size) > longest:
        scale = longest / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.save(path, "PNG", compress_level=3, **({} if icc is None else {"icc_profile": icc}))
    return str(path)
