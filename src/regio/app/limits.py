"""Which files are accepted: checked from the file's size and its header, before any pixel is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from regio.errors import BadImage, CorruptFile, LimitExceeded
from regio.format.header import MAGIC
from regio.images import Picture, read_picture
from regio.info import Info, inspect

KINDS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "HEIF", "TIFF", "JPEG2000", "JXL", "GIF", "BMP", "PPM")
"""Pillow's names of what is read. Not all that Pillow can: some of its readers (EPS) start other programs."""


@dataclass(frozen=True)
class Limits:
    """Limits of one picture or file."""

    pixels: int = 25_000_000
    upload: int = 50_000_000
    """Bytes of one file."""
    memory: int = 5 << 29
    """Bytes that the process may occupy while it decodes a .rgo file; a picture in one piece has a pixel for 512."""
    total: int = 4_000_000_000
    """Bytes of the files of all visitors together."""


def kinds() -> list[str]:
    """The names in `KINDS` that this Pillow can read, for `Image.open(..., formats=kinds())`."""
    Image.init()  # fills the table of formats
    return [kind for kind in KINDS if kind in Image.OPEN]


@contextmanager
def only_kinds(pixels: int) -> Iterator[None]:
    """Pillow reads nothing but `KINDS` in this process meanwhile, and no picture of more than twice `pixels`.

    Gradio opens painted layers and backgrounds by itself and passes no `formats`, so an EPS file among them would start
    Ghostscript.
    """
    allowed = kinds()
    before = list(Image.ID), Image.MAX_IMAGE_PIXELS
    Image.ID[:] = [kind for kind in Image.ID if kind in allowed]
    Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        Image.ID[:], Image.MAX_IMAGE_PIXELS = before


def read_upload(path: Path, limits: Limits) -> Picture:
    """A picture that somebody sent.

    Raises LimitExceeded for too many bytes or pixels, BadImage for what is no picture, damaged, or a .rgo file: each
    with a line for people who do not know what a header is.
    """
    _check_bytes(path, limits)
    width, height = _size_in_header(path)
    _check_pixels(width, height, limits)
    try:
        with Image.open(path, formats=kinds()) as image:
            return read_picture(image)
    except BadImage as error:
        raise BadImage(f"{error}. Is it complete? Try to open it elsewhere and to save it again.") from error
    except OSError as error:
        raise BadImage(f"The picture cannot be decoded: {' '.join(str(error).split())}. Is it complete?") from error


def read_rgo(path: Path, limits: Limits) -> tuple[bytes, Info]:
    """A .rgo file that somebody sent, undecoded, and what it says about itself. CorruptFile, LimitExceeded."""
    _check_bytes(path, limits)
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise CorruptFile("This is not a .rgo file. Pictures go to the tab “Compress”.")
    info = inspect(data)
    _check_pixels(info.width, info.height, limits)
    return data, info


def megapixels(pixels: int) -> str:
    """25000000 -> "25 megapixels"; less than ten with a digit more."""
    millions = pixels / 1e6
    return f"{millions:.0f} megapixels" if millions >= 9.95 else f"{millions:.2g} megapixels"


def _check_bytes(path: Path, limits: Limits) -> None:
    size = path.stat().st_size
    if size == 0:
        raise BadImage("The file is empty.")
    if size > limits.upload:
        raise LimitExceeded(f"The file has {size / 1e6:.1f} MB; this server takes up to {limits.upload / 1e6:g} MB.")


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise LimitExceeded(
            f"The picture has {megapixels(width * height)} ({width} × {height}); here, up to "
            f"{megapixels(limits.pixels)} are allowed. Make it smaller, or use the regio command, which takes more."
        )


def _size_in_header(path: Path) -> tuple[int, int]:
    """Width and height of a picture, of which no pixel is decoded."""
    with path.open("rb") as stream:
        if stream.read(len(MAGIC)) == MAGIC:
            raise BadImage("This is a .rgo file already. The tab “Open” shows what is in it.")
    try:
        with Image.open(path, formats=kinds()) as image:
            return image.size
    except Image.DecompressionBombError as error:  # Pillow refuses before it tells the size
        count = re.search(r"\((\d+) pixels\)", str(error))
        told = megapixels(int(count[1])) if count else "far too many pixels"
        raise LimitExceeded(f"The picture has {told}, more than can be read safely.") from error
    except OSError as error:  # UnidentifiedImageError is one
        raise BadImage("This is not a picture that can be read here. Try JPEG, PNG, WebP, AVIF or TIFF.") from error
    except Exception as error:  # Pillow's readers raise whatever the damage leads to
        raise BadImage("The beginning of this picture is damaged.") from error
