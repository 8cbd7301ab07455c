"""Pictures out: a decoded picture as an image with its metadata, and as a file of any kind."""

import io
import logging
from typing import Any

import numpy as np
from PIL import Image

from regio.errors import RegioError, UsageError
from regio.images.blocks import EXIF_PREFIX, resolution_of
from regio.images.reading import Picture

log = logging.getLogger(__name__)
_DEFAULTS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 3},  # 6 takes over twice the time; five Kodak pictures: 9 % less to 10 % more bytes
    "JPEG": {"quality": 85, "optimize": True, "progressive": True},  # 95 takes twice the bytes of a picture with loss
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 75},
}
_WITH_QUALITY = ("JPEG", "WEBP", "AVIF")
_FINE = 90  # from this quality on, a JPEG file keeps all of the colours' resolution
_JPEG_SEGMENT = 65533  # bytes that one segment of a JPEG file holds
_ROOM = {"xmp": _JPEG_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\0"), "exif": _JPEG_SEGMENT}


def to_pil(picture: Picture) -> Image.Image:
    """The picture as L, LA, RGB or RGBA, its metadata in `info` under Pillow's names."""
    image = Image.fromarray(np.ascontiguousarray(picture.pixels[..., 0] if picture.grey else picture.pixels))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    image.info.update(metadata(icc=picture.icc, exif=picture.exif, xmp=picture.xmp))
    return image


def metadata(*, icc: bytes | None, exif: bytes | None, xmp: bytes | None) -> dict[str, Any]:
    """What is there, under the names that Pillow uses in `info` and as save options."""
    dpi = resolution_of(exif)
    found = {"icc_profile": icc, "exif": EXIF_PREFIX + exif if exif else None, "xmp": xmp, "dpi": dpi}
    return {name: value for name, value in found.items() if value}


def writable_kind(extension: str) -> str:
    """Pillow's name for the kind of picture that an extension (".jpg") stands for; UsageError if it writes none."""
    Image.preinit()  # the usual ones, in a fifth of the time of all
    kind = Image.EXTENSION.get(extension.lower()) or Image.registered_extensions().get(extension.lower())
    if kind is None or kind not in Image.SAVE or kind == "RGO":
        raise UsageError(f"cannot write pictures of type {extension or '(none)'}; try .png, .webp or .jpg")
    return kind


def quality_options(extension: str, quality: float | None) -> dict[str, Any]:
    """What Pillow is to write files of this kind with: by default JPEG of 85, AVIF of 75, WebP without loss.

    quality: 0 to 100, for JPEG, WebP and AVIF. UsageError for another kind, or a kind that nobody writes.
    """
    kind = writable_kind(extension)
    if quality is None:
        return dict(_DEFAULTS.get(kind, {}))
    if kind not in _WITH_QUALITY:
        raise UsageError(f"{kind} files have no quality; it is for .jpg, .webp and .avif")
    chosen: dict[str, Any] = {"quality": round(quality)}
    if kind == "JPEG":
        chosen |= {"optimize": True, "progressive": True, "subsampling": 0 if quality >= _FINE else 2}
    return chosen


def to_file(image: Image.Image, extension: str, *, strip: bool = False, quality: float | None = None) -> bytes:
    """An image as the bytes of a file of the kind that `extension` (".png") names, metadata kept unless `strip`.

    quality: see `quality_options`.

    Raises:
        UsageError: Pillow writes no such files, they have no quality, or they cannot hold this image.
    """
    kind, options = writable_kind(extension), quality_options(extension, quality)
    kept = ("icc_profile", "exif", "xmp", "dpi")
    if strip:
        image = image.copy()
        for name in kept:
            image.info.pop(name, None)
    options |= {name: image.info[name] for name in kept if image.info.get(name)}
    if kind == "JPEG":
        _leave_out_what_is_too_long(options)
    stream = io.BytesIO()
    try:
        image.save(stream, format=kind, **options)
    except RegioError:
        raise
    except Exception as error:  # each of Pillow's writers refuses in its own way
        raise UsageError(f"{kind} cannot store this {image.mode} picture: {error}; try .png") from error
    return stream.getvalue()


def _leave_out_what_is_too_long(options: dict[str, Any]) -> None:
    """A JPEG file holds EXIF and XMP of one segment each; longer ones are left out with a warning."""
    for name, room in _ROOM.items():
        if len(options.get(name, b"")) > room:
            log.warning("%s left out: %d bytes, a JPEG file holds %d", name.upper(), len(options.pop(name)), room)
