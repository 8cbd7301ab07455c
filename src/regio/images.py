"""Pictures in and out: any file Pillow reads becomes 8-bit pixels, an alpha plane and metadata, and back.

Policy, in one place: EXIF orientation is applied and its tag reset; grey stays grey; everything else becomes RGB;
an ICC profile is kept while it still describes the pixels; what gets lost on the way is said in `Picture.notes`.
"""

import io
import re
import struct
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from regio.arrays import image_of, is_array
from regio.errors import BadImage, LimitExceeded, RegioError, UsageError

Pixels = npt.NDArray[np.uint8]


class Array(Protocol):
    """What NumPy can make an array of; torch's tensors among them."""

    def __array__(self, *arguments: Any, **options: Any) -> npt.NDArray[Any]:
        """The array."""
        ...


Source = str | PathLike[str] | bytes | BinaryIO | Image.Image | npt.NDArray[Any] | Array

EXIF_PREFIX = b"Exif\0\0"  # what JPEG and Pillow put before the TIFF block; not part of the block
_ORIENTATION = 0x0112
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
_BEST: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}
_ICC_SPACE = {"grey": b"GRAY", "rgb": b"RGB "}


@dataclass(frozen=True, eq=False)
class Picture:
    """An upright 8-bit picture, ready to be coded."""

    pixels: Pixels
    """(H,W,3); of a grey picture, three equal planes."""
    grey: bool = False
    alpha: Pixels | None = None
    """(H,W), 255 is opaque."""
    icc: bytes | None = None
    exif: bytes | None = None
    """A TIFF block, without the prefix that JPEG puts before it."""
    xmp: bytes | None = None
    notes: tuple[str, ...] = ()
    """One line for each thing that reading changed beyond orientation and colour model."""

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


def read_picture(source: Source | Picture) -> Picture:
    """Read a path, the bytes of a file, a binary stream, a PIL image, or an array or tensor (see `regio.arrays`).

    Arrays are (H,W) or (H,W,1..4), torch tensors (H,W) or (1..4,H,W), uint8 or floating point from 0 to 1.

    Raises:
        BadImage: not a picture, a damaged one, or pixels that 8 bits cannot hold (images in floating point or 32-bit
            integers, arrays out of range).
        LimitExceeded: more pixels than Pillow is willing to decode (`PIL.Image.MAX_IMAGE_PIXELS`).
        OSError: the file cannot be opened.
    """
    if isinstance(source, Picture):
        return source
    if is_array(source):
        return _from_image(image_of(source))
    if isinstance(source, Image.Image):
        return _from_image(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(source))
    if isinstance(source, str | PathLike):
        with Path(source).open("rb") as stream:
            return _decode(stream)
    if hasattr(source, "read"):
        return _decode(cast(BinaryIO, source))
    kind = type(source).__name__
    raise UsageError(f"cannot read a picture from {kind}: a path, bytes, PIL image, array or tensor is wanted")


def to_pil(picture: Picture) -> Image.Image:
    """The picture as L, LA, RGB or RGBA, its metadata in `info` under Pillow's names."""
    image = Image.fromarray(np.ascontiguousarray(picture.pixels[..., 0] if picture.grey else picture.pixels))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    image.info.update(metadata(icc=picture.icc, exif=picture.exif, xmp=picture.xmp))
    return image


def metadata(*, icc: bytes | None, exif: bytes | None, xmp: bytes | None) -> dict[str, bytes]:
    """What is there, under the names that Pillow uses in `info` and as save options."""
    found = {"icc_profile": icc, "exif": EXIF_PREFIX + exif if exif else None, "xmp": xmp}
    return {name: value for name, value in found.items() if value}


def writable_kind(extension: str) -> str:
    """Pillow's name for the kind of picture that an extension (".jpg") stands for; UsageError if it writes none."""
    kind = Image.registered_extensions().get(extension.lower())
    if kind is None or kind not in Image.SAVE or kind == "RGO":
        raise UsageError(f"no pictures of type {extension or '(none)'} can be written; try .png, .webp or .jpg")
    return kind


def to_file(image: Image.Image, extension: str, *, strip: bool = False) -> bytes:
    """An image as the bytes of a file of the kind that `extension` (".png") names, metadata kept unless `strip`.

    Raises:
        UsageError: Pillow writes no such files, or they cannot hold this image.
    """
    kind = writable_kind(extension)
    options = dict(_BEST.get(kind, {}))
    kept = ("icc_profile", "exif", "xmp")
    if strip:
        image = image.copy()
        for name in kept:
            image.info.pop(name, None)
    options |= {name: image.info[name] for name in kept if image.info.get(name)}
    stream = io.BytesIO()
    try:
        image.save(stream, format=kind, **options)
    except RegioError:
        raise
    except Exception as error:  # each of Pillow's writers refuses in its own way
        raise UsageError(f"{kind} cannot hold this {image.mode} picture: {error}; try .png") from error
    return stream.getvalue()


def _decode(stream: BinaryIO) -> Picture:
    """Open and read the first frame. Pillow's readers raise whatever the damage leads to; a caller sees two errors."""
    try:
        with Image.open(stream) as image:
            return _from_image(image)
    except RegioError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LimitExceeded(
            f"{error}; allow more with --max-pixels, or PIL.Image.MAX_IMAGE_PIXELS, if you trust the file"
        ) from error
    except UnidentifiedImageError as error:
        raise BadImage("not a picture of a kind that Pillow can read") from error
    except MemoryError as error:
        raise LimitExceeded("not enough memory to decode the picture") from error
    except Exception as error:
        raise BadImage(f"the picture cannot be decoded: {_one_line(error)}") from error


def _from_image(image: Image.Image) -> Picture:
    if 0 in image.size:
        raise BadImage(f"the picture is empty: {image.width} x {image.height} pixels")
    notes = _notes_before_loading(image)
    try:
        image.load()  # some formats keep metadata behind the pixels
        exif, xmp = _exif_of(image), _xmp_of(image)
        upright = ImageOps.exif_transpose(image)
    except RegioError:
        raise
    except Exception as error:
        raise BadImage(f"the picture cannot be decoded: {_one_line(error)}") from error
    plain, icc = _to_plain_mode(upright, notes)
    array = np.asarray(plain)
    grey = plain.mode in ("L", "LA")
    colours = array[..., None] if array.ndim == 2 else array[..., :1] if grey else array[..., :3]
    pixels = np.repeat(colours, 3, axis=2) if grey else np.array(colours)
    alpha = np.array(array[..., -1]) if plain.mode in ("LA", "RGBA") else None
    icc = _fitting_profile(icc, grey, notes)
    return Picture(pixels, grey, alpha, icc, _upright_exif(exif), _upright_xmp(xmp), tuple(notes))


def _notes_before_loading(image: Image.Image) -> list[str]:
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO is a photograph with previews, not a film
        notes.append(f"only the first of {frames} frames is used")
    raw_modes = str(getattr(image, "tile", None) or "")
    if ";16" in raw_modes and image.mode not in _SIXTEEN_BIT:
        notes.append("16 bits per channel reduced to 8")
    return notes


def _to_plain_mode(image: Image.Image, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """Convert to L, LA, RGB or RGBA; also the profile that describes the result."""
    icc = image.info.get("icc_profile") or None
    mode = image.mode
    if mode == "F":
        raise BadImage("floating-point pixels have no agreed range: convert the picture to 8 bits first")
    if mode in (*_SIXTEEN_BIT, "I"):
        return _grey_from_16_bits(image, notes), icc
    if mode in ("CMYK", "LAB"):
        notes.append(f"{mode} colours converted to sRGB")
        return _to_srgb(image, icc), None
    if mode in ("La", "RGBa"):  # premultiplied
        return image.convert(mode[:-1] + "A"), icc
    if mode in ("1", "L", "LA"):
        return image.convert("LA" if image.has_transparency_data else "L"), icc
    return image.convert("RGBA" if image.has_transparency_data else "RGB"), icc


def _grey_from_16_bits(image: Image.Image, notes: list[str]) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadImage(f"pixel values {values.min()} to {values.max()} fit neither 8 nor 16 bits")
    notes.append("16-bit grey reduced to 8 bits")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc and image.mode == "CMYK":
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that does not work is as good as none
    return image.convert("RGB")


def _fitting_profile(icc: bytes | None, grey: bool, notes: list[str]) -> bytes | None:
    """The profile, if its colour space (bytes 16 to 19 of its header) is that of the pixels."""
    if icc is None or icc[16:20] == _ICC_SPACE["grey" if grey else "rgb"]:
        return icc
    notes.append("colour profile left out: it does not describe " + ("grey" if grey else "RGB") + " pixels")
    return None


def _exif_of(image: Image.Image) -> bytes | None:
    """The EXIF block as it stands in the file; of a TIFF, the tags that describe the picture and not the file."""
    block = image.info.get("exif")
    if block is None and "Raw profile type exif" in image.info:  # ImageMagick's way of putting EXIF into PNG
        block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    if block is None and hasattr(image, "tag_v2"):
        block = _exif_of_tiff(image)
    if not block:
        return None
    return bytes(block).removeprefix(EXIF_PREFIX)


def _exif_of_tiff(image: Image.Image) -> bytes | None:
    descriptive = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)  # description, make, model … copyright
    sub_blocks = (0x8769, 0x8825)  # EXIF, GPS
    found, kept = image.getexif(), Image.Exif()
    for tag in descriptive:
        if tag in found:
            kept[tag] = found[tag]
    for tag in sub_blocks:
        if block := found.get_ifd(tag):
            kept.get_ifd(tag).update(block)
            kept[tag] = kept.get_ifd(tag)
    return kept.tobytes() if len(kept) else None


def _xmp_of(image: Image.Image) -> bytes | None:
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    return (xmp.encode() if isinstance(xmp, str) else bytes(xmp)) if xmp else None


def _upright_exif(exif: bytes | None) -> bytes | None:
    """Set the orientation tag to 1 where it stands. Writing the block anew would lose thumbnails and maker notes."""
    if exif is None:
        return None
    patched = bytearray(exif)
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        for at in range(first + 2, first + 2 + 12 * count, 12):
            if struct.unpack_from(order + "H", exif, at) == (_ORIENTATION,):
                struct.pack_into(order + "HIHH", patched, at + 2, 3, 1, 1, 0)  # one SHORT of value 1
    except (KeyError, struct.error):
        return None  # not a TIFF block: no reader would find anything in it
    return bytes(patched)


def _upright_xmp(xmp: bytes | None) -> bytes | None:
    return re.sub(rb'(tiff:Orientation(?:="|>))[0-9]', rb"\g<1>1", xmp) if xmp else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
