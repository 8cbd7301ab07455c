"""Which files are opened: only the formats named here, whatever a file is called.

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


def check_format(image: Image.Image) -> None:
    """BadImage for an image that the caller has opened by a reader that starts another program."""
    if image.format in ("EPS", "WMF"):
        raise BadImage(f"{image.format} files are not read: convert the picture to PNG first")
