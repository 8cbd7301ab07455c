"""Pillow reads and writes .rgo: `Image.open("a.rgo")`, `im.save("a.rgo", quality=60)`.

Opening looks at the container only, so size, mode and metadata cost milliseconds and no torch; the model is loaded when
pixels are asked for. `import regio` registers this; Pillow itself finds nothing by installation alone.
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageFile

from regio.errors import CorruptFile, LimitExceeded, MissingWeights, UnsupportedFile, UsageError
from regio.format import container
from regio.format.chunks import Kind
from regio.format.header import MAGIC

if TYPE_CHECKING:
    from regio.codec import BaseCodec

FORMAT, EXTENSION, MIME = "RGO", ".rgo", "image/x-rgo"
_INFO_NAMES = "icc_profile", "exif", "xmp"


class DamagedImage(CorruptFile, OSError):
    """CorruptFile, for programs that expect of Pillow that damaged pictures are an OSError."""


class UnsupportedImage(UnsupportedFile, OSError):
    """UnsupportedFile, likewise."""


class UndecodableImage(MissingWeights, OSError):
    """MissingWeights, likewise."""


class TooLargeImage(LimitExceeded, OSError):
    """LimitExceeded, likewise."""


_ALSO_OS_ERRORS = {
    CorruptFile: DamagedImage,
    UnsupportedFile: UnsupportedImage,
    MissingWeights: UndecodableImage,
    LimitExceeded: TooLargeImage,
}


@contextmanager
def _as_pillow() -> Iterator[None]:
    """Errors of Regio as what they are and, too, as what Pillow raises."""
    try:
        yield
    except tuple(_ALSO_OS_ERRORS) as error:
        raise _ALSO_OS_ERRORS[type(error)](str(error)) from error


def accept(prefix: bytes) -> bool:
    """Whether a file that begins so is meant to be a .rgo file."""
    return prefix.startswith(MAGIC)


class RgoImageFile(ImageFile.ImageFile):
    """A .rgo file. Damage raises Regio's errors, when opening or when loading, whichever finds it.

    `info` has icc_profile, exif and xmp as elsewhere in Pillow, and the codec and quality of the file.
    """

    format = FORMAT
    format_description = "Regio learned image"
    codec: "BaseCodec | str | os.PathLike[str] | None" = None
    """Weights for a file made with custom ones (what `regio.load` returns, a path, a hub id); set before loading."""
    device: str = "auto"
    """The device for decoding; set it before loading."""

    def _open(self) -> None:
        from regio.info import inspect

        assert self.fp is not None
        self._data = self.fp.read()
        with _as_pillow():
            file = container.parse(self._data)
            self.about = inspect(self._data)
        self._size = (file.header.width, file.header.height)
        self._mode = ("L" if file.header.grey else "RGB") + ("A" if file.body(Kind.ALPHA) else "")
        if self.about.metadata:
            from regio.images import metadata, stored_in

            known = metadata(**stored_in(file)._asdict())
            self.info |= {name: known[name] for name in _INFO_NAMES if name in known}
        self.info |= {"codec": self.about.codec, "quality": self.about.quality}
        # Until load() puts pixels behind it, the tile only says that there is something to load.
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), 0, self._mode)]

    def load(self) -> Any:
        """Decode, once; afterwards an image like any other."""
        if self.tile and self._data:
            from regio.codec import decode

            with _as_pillow():
                pixels = decode(self._data, codec=self.codec, device=self.device).tobytes()
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp, self._exclusive_fp, self._data = io.BytesIO(pixels), True, b""
        return super().load()

    def load_seek(self, pos: int) -> None:
        """Its mere presence keeps Pillow from mapping the file into memory and taking its bytes for pixels."""


def save(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Write `image`, with the keyword arguments of `Image.save`.

    codec (a name, a path or a loaded Codec), device, those of `Codec.encode`, and exif, icc_profile, xmp as elsewhere
    in Pillow: left out, the image's own are kept; None or empty, they are dropped. Other
    options are left out with a warning.
    """
    from regio.codec import BaseCodec, encode
    from regio.codec.options import NAMES

    given: dict[str, Any] = image.encoderinfo
    known = {*NAMES, *_INFO_NAMES, "codec", "device"}
    for name in given:
        if name not in known:
            warnings.warn(f"{name}= has no effect on a .rgo file; these have: {', '.join(sorted(known))}", stacklevel=2)
    overrides = {name: given[name] for name in _INFO_NAMES if name in given}
    for name, value in overrides.items():
        if not isinstance(value, bytes | str | Image.Exif | None):
            raise UsageError(f"{name} is a {type(value).__name__}: must be bytes")
    if overrides:
        image = image.copy()
        for name, value in overrides.items():
            image.info[name] = value.tobytes() if isinstance(value, Image.Exif) else value
    from regio.images import read_picture

    with _as_pillow():
        picture = read_picture(image)
    for name, kept in (("exif", picture.exif), ("xmp", picture.xmp), ("icc_profile", picture.icc)):
        if overrides.get(name) and kept is None:
            warnings.warn(f"{name}= is damaged, or does not fit the picture, and is left out", stacklevel=2)
    options: Any = {name: given[name] for name in NAMES if given.get(name) is not None}
    codec = given.get("codec")
    if not (codec is None or isinstance(codec, BaseCodec | str | os.PathLike)):
        raise UsageError(f"codec is a {type(codec).__name__}: give a name, a path or what regio.load returns")
    with _as_pillow():
        stream.write(encode(picture, codec=codec, device=given.get("device", "auto"), **options))


def save_all(image: Image.Image, stream: IO[bytes], filename: str | bytes) -> None:
    """Refuse several pictures in one file."""
    raise UsageError("a .rgo file holds one picture: save each frame to a file of its own, without save_all")


def register() -> None:
    """Make the format known to Pillow; once more does no harm."""
    Image.register_open(FORMAT, RgoImageFile, accept)
    Image.register_save(FORMAT, save)
    Image.register_save_all(FORMAT, save_all)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME)
