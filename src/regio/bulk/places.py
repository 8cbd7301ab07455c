"""Folders on disk or in object storage, by path or URL: list, read, and write whole files."""

from __future__ import annotations

import glob
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from regio.bulk.disk import Disk
from regio.errors import RegioError, UsageError, one_line, shown

# In these stores an object appears when it is complete. Other file systems get a temporary name and a rename.
_WHOLE_OBJECTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "hf", "memory"}


@dataclass(frozen=True)
class Store:
    """A folder of an fsspec file system. Same methods as `Disk`."""

    system: Any
    root: str

    def is_file(self) -> bool:
        """True when the path is a file and not a folder."""
        return bool(self.system.isfile(self.root))

    def is_folder(self) -> bool:
        """True when the path is a folder."""
        return bool(self.system.isdir(self.root))

    def exists(self, below: str = "") -> bool:
        """True when there is a file or folder of this name."""
        return bool(self.system.exists(self._at(below)))

    def find(self, depth: int | None = None) -> dict[str, int]:
        """Return the size in bytes of every file below. depth: levels of folders to look into; None for all."""
        return self._sizes(self.system.find(self.root, maxdepth=depth, detail=True))

    def names(self, below: str) -> list[str]:
        """Return the names in a folder, sorted. Empty when there is no such folder."""
        try:
            found = self.system.ls(self._at(below), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def read(self, below: str) -> bytes:
        """Return a whole file."""
        return bytes(self.system.cat_file(self._at(below)))

    def modified(self, below: str) -> int | None:
        """None: a store has times of its own."""
        return None

    def write(self, below: str, data: bytes, changed: int | None = None) -> None:
        """Write a whole file or nothing: what was there stays until the new one is complete. changed: not kept."""
        path = self._at(below)
        protocols = {self.system.protocol} if isinstance(self.system.protocol, str) else set(self.system.protocol)
        if protocols & _WHOLE_OBJECTS:
            self.system.pipe_file(path, data)
            return
        folder, _, name = path.rpartition("/")
        self.system.makedirs(folder, exist_ok=True)
        part = f"{folder}/.{name[:40]}.{secrets.token_hex(6)}.part"
        try:
            self.system.pipe_file(part, data)
            self._rename(part, path)
        except BaseException:
            with suppress(OSError):
                self.system.rm_file(part)
            raise

    def remove(self, below: str) -> None:
        """Delete a file. Does nothing when there is none."""
        with suppress(FileNotFoundError):
            self.system.rm_file(self._at(below))

    def _rename(self, old: str, new: str) -> None:
        from fsspec import AbstractFileSystem

        if type(self.system).mv is not AbstractFileSystem.mv:
            self.system.mv(old, new)
            return
        self.system.cp_file(old, new)  # fsspec's own mv would take "[2024]" for a pattern
        self.system.rm_file(old)

    def _sizes(self, found: dict[str, Any]) -> dict[str, int]:
        files = {path: about for path, about in found.items() if about["type"] != "directory"}
        return {path[len(self.root) :].lstrip("/"): int(about["size"] or 0) for path, about in files.items()}

    def _at(self, below: str) -> str:
        return f"{self.root}/{below}" if below else self.root


@dataclass(frozen=True)
class Place:
    """A folder by its path or URL ("photos", "s3://bucket/photos").

    pattern: the last parts may be a pattern ("photos/**/*.png"); a folder that is really called so comes first.
    Places are small and connect on first use, so they can be sent to other machines. Credentials and endpoints are
    those of fsspec: the environment and its configuration.
    """

    url: str
    pattern: bool = False

    @classmethod
    def of(cls, where: str | os.PathLike[str], *, pattern: bool = False) -> Place:
        """Return the place of a path or URL. Local paths are made absolute, for processes that start elsewhere."""
        text = os.fspath(where)
        if not text:
            raise UsageError("the name of the folder is empty")
        return cls(text if "://" in text else str(Path(text).absolute()), pattern)

    def __str__(self) -> str:
        return shown(self.url)

    @cached_property
    def _opened(self) -> tuple[Disk | Store, str]:
        """The folder, and the pattern below it ("" for every file)."""
        folder = self._folder(self.url)
        if not self.pattern or not glob.has_magic(self.url) or folder.exists():
            return folder, ""
        scheme = re.match(r"[^/]*://[^/]*/?|/", self.url)
        before = scheme[0] if scheme else "/"
        rest = [part for part in self.url[len(before) :].split("/") if part]
        while len(rest) > 1 and (not glob.has_magic(rest[0]) or self._folder(before + rest[0]).is_folder()):
            before += f"{rest.pop(0)}/"
        return self._folder(before), "/".join(rest)

    def _folder(self, url: str) -> Disk | Store:
        if "://" not in url:
            return Disk(Path(url))
        if url.startswith(("file://", "local://")):
            return Disk(Path(url.partition("://")[2]).absolute())
        import fsspec

        try:
            system, root = fsspec.core.url_to_fs(url)
        except ImportError as error:  # fsspec says which package is missing
            raise RegioError(f"{self}: {one_line(error)}") from error
        except ValueError as error:  # no such protocol
            raise UsageError(f"{self}: {one_line(error)}") from error
        return Store(system, str(root).rstrip("/"))

    def files(self) -> dict[str, int]:
        """Return every file below by its path there, with its size in bytes. Hidden files and folders are left out.

        UsageError when there is no such folder; OSError.
        """
        folder, pattern = self._opened
        if folder.is_file():
            raise UsageError(f"{self} is a file; give a folder or a pattern")
        if not folder.exists():
            raise UsageError(f"no such folder: {self}")
        depth = None if "**" in pattern or not pattern else pattern.count("/") + 1
        found = folder.find(depth)
        if pattern:
            from fsspec.utils import glob_translate

            fits = re.compile(glob_translate(pattern)).match
            found = {below: size for below, size in found.items() if fits(below)}
        return {below: size for below, size in found.items() if not _hidden(below)}

    @property
    def folder(self) -> Disk | Store:
        """What lies there."""
        return self._opened[0]

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "pattern": self.pattern}


def _hidden(below: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(below).parts)
