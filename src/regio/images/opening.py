"""Which files are opened: only the formats listed here, whatever a file's name.

Pillow has readers that start other programs: its EPS reader runs Ghostscript. A list of formats
keeps them out.
"""

from contextlib import suppress
from importlib import import_module
from os import PathLike
from typing import BinaryIO

from PIL import Image

from regio.errors import BadImage

FORMATS = (
    *("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "JXL", "JPEG2000", "TIFF", "GIF", "BMP", "DIB", "PPM", "TGA"),
    *("QOI", "RGO"),
)
"""Pillow's names. HEIF and JXL need a plugin (pillow-heif, pillow-jxl-plugin)."""


def formats() -> list[str]:
    """Those of FORMATS that can be read here; loads the readers that need a plugin, where it is installed."""
    Image.init()
    if "HEIF" not in Image.OPEN:
        with suppress(ImportError):
            import_module("pillow_heif").register_heif_opener()
    if "JXL" not in Image.OPEN:
        with suppress(ImportError):
            import_module("pillow_jxl")  # importing it registers its reader
    return [name for name in FORMATS if name in Image.OPEN]


def open_picture(source: str | PathLike[str] | BinaryIO) -> Image.Image:
    """`PIL.Image.open` for the formats of FORMATS only.

    Raises what Pillow raises: UnidentifiedImageError for all other files, OSError,
    DecompressionBombError.
    """
    return Image.open(source, formats=formats())


_SUBFILE, _DNG = 254, 50706  # tags of TIFF: what a directory holds; the version of a DNG file
RAW = "camera raw files are not read, only their small previews could be: develop it to TIFF, PNG or JPEG first"


def is_raw(start: bytes) -> bool:
    """Whether a file that begins with these 12 bytes is a camera raw file; others, such as DNG, look like TIFF."""
    cr2 = start[:4] == b"II*\0" and start[8:10] == b"CR"
    return cr2 or start[4:12] == b"ftypcrx " or start.startswith((b"FUJIFILMCCD", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"))


def check_raw(image: Image.Image) -> None:
    """BadImage for a raw file that looks like TIFF: its first directory is a preview."""
    tags = getattr(image, "tag_v2", {})
    subfile = tags.get(_SUBFILE, 0)
    if _DNG in tags or (isinstance(subfile, int) and subfile & 1):
        raise BadImage(RAW)


def check_format(image: Image.Image) -> None:
    """BadImage for an image that the caller has opened by a reader that starts another program."""
    if image.format in ("EPS", "WMF"):
        raise BadImage(f"{image.format} files are not read: convert the picture to PNG first")
