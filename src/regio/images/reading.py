"""Pictures in: a file, an image or an array becomes 8-bit pixels, an alpha plane and metadata.

Orientation is applied and its tag reset; grey stays grey; everything else becomes RGB; an ICC profile
is kept while it describes the pixels. `Picture.notes` names what is lost on the way.
"""

import io
from dataclasses import dataclass
from os import PathLike
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

from regio.arrays import image_of, is_array
from regio.errors import BadImage, LimitExceeded, RegioError, UsageError, one_line
from regio.images.blocks import (
    EXIF_PREFIX,
    ORIENTATION,
    Blocks,
    blocks_of,
    checked_exif,
    exif_with_resolution,
    orientation_of,
    upright_exif,
    upright_xmp,
    utf8_xmp,
    without_promises,
)
from regio.images.opening import RAW, check_format, check_raw, is_raw, open_picture
from regio.images.png import SIGNATURE, Png, opacity_by_key, split
from regio.names import opened

Pixels = npt.NDArray[np.uint8]


class Array(Protocol):
    """Objects from which NumPy can make an array, such as torch tensors."""

    def __array__(self, *arguments: Any, **options: Any) -> npt.NDArray[Any]:
        """The array."""
        ...


Source = str | PathLike[str] | bytes | BinaryIO | Image.Image | npt.NDArray[Any] | Array

_BITS_PER_SAMPLE = 258  # TIFF
_START = 12  # bytes that tell the kinds apart
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
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
        check_format(source)
        return _from_image(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(source))
    if isinstance(source, str | PathLike):
        with opened(source) as stream:
            return _decode(stream)
    if hasattr(source, "read"):
        return _decode(cast(BinaryIO, source))
    kind = type(source).__name__
    raise UsageError(f"cannot read a picture from {kind}: give a path, bytes, a PIL image, an array or a tensor")


def _decode(stream: BinaryIO) -> Picture:
    """Open and read the first frame. Pillow's readers raise whatever the damage leads to; a caller sees two errors."""
    start = b""
    try:
        start = stream.read(_START)
        if not isinstance(start, bytes):
            raise UsageError("cannot read a picture from a text stream; open it in binary mode")
        if not start:
            raise BadImage("not a picture: it is empty")
        if is_raw(start):
            raise BadImage(RAW)
        if start.startswith(SIGNATURE):
            png = split(start + stream.read())
            with open_picture(io.BytesIO(png.pixels)) as image:
                return _from_image(image, png if image.format == "PNG" else None)
        with open_picture(_again(stream, start)) as image:
            return _from_image(image)
    except RegioError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LimitExceeded(
            f"{error}; allow more with --max-pixels, or PIL.Image.MAX_IMAGE_PIXELS, if you trust the file"
        ) from error
    except UnidentifiedImageError as error:
        raise BadImage(f"not a picture of a kind that Pillow can read{_advice(start)}") from error
    except MemoryError as error:
        raise LimitExceeded("not enough memory to decode the picture") from error
    except Exception as error:
        raise BadImage(f"the picture cannot be decoded: {one_line(error)}") from error


def _advice(start: bytes) -> str:
    """The package that reads a file with these first bytes."""
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"heim", b"heis"):
        return ": HEIC needs the package pillow-heif"
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return ": JPEG XL needs the package pillow-jxl-plugin"
    return ""


def _again(stream: BinaryIO, start: bytes) -> BinaryIO:
    """The stream from before `start` was read; the whole in memory where it cannot go back."""
    try:
        stream.seek(-len(start), io.SEEK_CUR)
    except (AttributeError, OSError):
        return io.BytesIO(start + stream.read())
    return stream


def _from_image(image: Image.Image, png: Png | None = None) -> Picture:
    if 0 in image.size:
        raise BadImage(f"the picture is empty: {image.width} x {image.height} pixels")
    check_raw(image)
    notes = _notes_before_loading(image)
    try:
        image.load()  # some formats keep metadata behind the pixels
        blocks = blocks_of(image) if png is None else _blocks_of_png(image, png)
        key = None if png is None else opacity_by_key(png)
    except RegioError:
        raise
    except Exception as error:
        raise BadImage(f"the picture cannot be decoded: {one_line(error)}") from error
    exif, xmp = checked_exif(blocks.exif, blocks.notes), utf8_xmp(blocks.xmp)
    if key is not None:
        image.info.pop("transparency", None)
    plain, icc = _to_plain_mode(image, blocks.icc, notes)
    array, grey = np.asarray(plain), plain.mode in ("L", "LA")
    if png is not None and png.colour_type == 4 and plain.mode == "RGBA":  # Pillow reads 16-bit grey and alpha so
        array, grey = array[..., 2:], True
    elif key is not None:
        array = np.dstack([array[..., :3], key])
    channels = array.shape[2] if array.ndim == 3 else 1
    array = _turned(array, _orientation(image, exif, xmp))
    colours = array[..., None] if array.ndim == 2 else array[..., :1] if grey else array[..., :3]
    pixels = np.repeat(colours, 3, axis=2) if grey else np.array(colours)
    alpha = np.array(array[..., -1]) if channels in (2, 4) else None
    icc = _fitting_profile(icc, grey, notes)
    notes += blocks.notes
    xmp = without_promises(upright_xmp(xmp), notes)
    exif = exif_with_resolution(upright_exif(exif), blocks.dpi, notes)
    return Picture(pixels, grey, alpha, icc, exif, xmp, tuple(dict.fromkeys(notes)))


def _blocks_of_png(image: Image.Image, png: Png) -> Blocks:
    """The metadata that stands in the chunks Pillow was not given."""
    notes = list(png.notes)
    if png.iptc:
        notes.append("IPTC caption and keywords left out")
    exif = png.exif.removeprefix(EXIF_PREFIX) if png.exif else None
    return Blocks(png.icc, exif, png.xmp, png.dpi, notes)


def _orientation(image: Image.Image, exif: bytes | None, xmp: bytes | None) -> int:
    """1 to 8. A TIFF states it in a tag of its own, and Pillow has turned its pixels where it loads them."""
    if exif is None or hasattr(image, "tag_v2") or image.format is None:
        try:
            stated = image.getexif().get(ORIENTATION)
        except Exception:  # a damaged block, which has been noted
            stated = None
        if isinstance(stated, int) and 1 <= stated <= 8:
            return stated
    return orientation_of(exif, xmp)


def _turned(array: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """(H,W) or (H,W,C) as stored -> upright."""
    if orientation >= 5:
        array = np.swapaxes(array, 0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _notes_before_loading(image: Image.Image) -> list[str]:
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO is a photograph with previews, not a film
        notes.append(f"only the first of {frames} frames is used")
    raw_modes = str(getattr(image, "tile", None) or "")
    if ";16" in raw_modes and image.mode not in _SIXTEEN_BIT:
        notes.append("16 bits per channel reduced to 8")
    return notes


def _to_plain_mode(image: Image.Image, icc: bytes | None, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """Convert to L, LA, RGB or RGBA; also the profile that describes the result."""
    mode = image.mode
    if mode == "F":
        raise BadImage("the range of floating-point pixels is unknown: convert the picture to 8 bits first")
    if mode == "I" and max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))) > 16:
        raise BadImage("the range of 32-bit integers is unknown: convert the picture to 8 or 16 bits first")
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
    grey = Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


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
