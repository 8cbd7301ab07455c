"""Folders, on disk or in object storage, by URL: listed, read, and written to so that no half file is ever seen."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from regio.errors import RegioError, UsageError, one_line, shown

# Stores where an object is there when it is complete and not before. Elsewhere a temporary name does that.
_WHOLE_OBJECTS = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oci", "oss", "hf", "memory"}
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Place:
    """A folder by its path or URL ("photos", "s3://bucket/photos"), or a pattern below one ("photos/**/*.png").

    Small and without connections until used, so that it can be sent to other machines. Credentials and endpoints are
    those of fsspec: what the environment and its configuration say.
    """

    url: str

    @classmethod
    def of(cls, where: str | os.PathLike[str]) -> Place:
        """The place of a path or URL; local ones are made absolute, for processes that start elsewhere."""
        text = os.fspath(where)
        if not text:
            raise UsageError("an empty name of a folder")
        return cls(text if "://" in text else str(Path(text).absolute()))

    def __str__(self) -> str:
        return shown(self.url)

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        folder = _before_magic(self.url)
        try:
            system, root = fsspec.core.url_to_fs(folder)
        except ImportError as error:  # fsspec says which package is wanted
            raise RegioError(f"{self}: {one_line(error)}") from error
        except ValueError as error:  # no such protocol
            raise UsageError(f"{self}: {one_line(error)}") from error
        return system, str(root).rstrip("/")

    def files(self) -> dict[str, int]:
        """Every file below, by its path there, and its size in bytes; what lies in hidden folders is left out.

        UsageError where there is no such folder; OSError.
        """
        system, root = self._opened
        if _MAGIC.search(self.url):
            found = system.glob(root + self.url[len(_before_magic(self.url)) :], detail=True)
        elif not system.exists(root):
            raise UsageError(f"no such folder: {self}")
        elif system.isfile(root):
            raise UsageError(f"{self} is a file; a folder or a pattern is wanted")
        else:
            found = system.find(root, detail=True)
        files = {}
        for path, about in found.items():
            below = path[len(root) :].lstrip("/")
            if about["type"] == "file" and not any(part.startswith(".") for part in PurePosixPath(below).parts):
                files[below] = int(about["size"] or 0)
        return files

    def exists(self, below: str = "") -> bool:
        """Whether there is such a file or folder."""
        system, root = self._opened
        return bool(system.exists(_join(root, below)))

    def names(self, below: str) -> list[str]:
        """Names of the files right in a folder, sorted; none where there is no folder."""
        system, root = self._opened
        try:
            found = system.ls(_join(root, below), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def read(self, below: str) -> bytes:
        """A whole file."""
        system, root = self._opened
        return bytes(system.cat_file(_join(root, below)))

    def write(self, below: str, data: bytes) -> None:
        """A whole file, or nothing: what was there stays until all of the new one is."""
        system, root = self._opened
        path = _join(root, below)
        protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
        if protocols & _WHOLE_OBJECTS:
            system.pipe_file(path, data)
            return
        folder, _, name = path.rpartition("/")
        system.makedirs(folder, exist_ok=True)
        part = f"{folder}/.{name[:40]}.{secrets.token_hex(6)}.part"
        try:
            system.pipe_file(part, data)
            if protocols & {"file", "local"}:
                Path(part).replace(path)
            else:
                system.mv(part, path)
        except BaseException:
            with suppress(OSError):
                system.rm_file(part)
            raise

    def remove(self, below: str) -> None:
        """Take a file away; none is fine."""
        system, root = self._opened
        with suppress(FileNotFoundError):
            system.rm_file(_join(root, below))

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}


def _before_magic(url: str) -> str:
    """The folder that a pattern begins with."""
    magic = _MAGIC.search(url)
    return url if magic is None else url[: magic.start()].rpartition("/")[0] or "/"


def _join(root: str, below: str) -> str:
    return f"{root}/{below}" if below else root
