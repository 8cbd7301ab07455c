"""Files by their names: which endings folders are searched for, and files opened with plain errors."""

import os
from pathlib import Path
from typing import BinaryIO

from regio.errors import IsAFolder, NoSuchFile

RGO = frozenset({".rgo"})
PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".tga"}
    | {".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".jxl"}
)  # what a folder is searched for; a file that is named is read whatever it is called


def opened(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading. NoSuchFile, IsAFolder, or another OSError."""
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise NoSuchFile(path) from error
    except IsADirectoryError as error:
        raise IsAFolder(path) from error
