"""The header of a .rgo file: what comes before chunks and payload. docs/format.md shows this declaration as a table."""

from __future__ import annotations

from dataclasses import dataclass

from regio.errors import CorruptFile, UnsupportedFile, UsageError
from regio.format import fields
from regio.format.cursor import Cursor
from regio.format.fields import bits, constant, flag, raw, u32, varint

MAGIC = b"\xd7\x52"
VERSION = 1
MAX_SIDE = 1 << 20  # rows or columns
MAX_MODEL = (1 << 21) - 1  # three bytes of varint
STEPS_PER_QUALITY = 40  # rate steps to one unit of quality
MAX_RATE = 100 * STEPS_PER_QUALITY
CHECK_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Header:
    """The facts a decoder needs first; UsageError when a value does not fit.

    Compatibility: fields are never moved, widened or given a second meaning within a version. What is reserved here
    (bits of `later`, rate steps above 4000) is where version 1 may grow; anything else takes version 2.
    """

    magic: bytes = constant(MAGIC, doc="marks the file; not text, so no text file begins so")
    version: int = bits(4, lo=VERSION, hi=VERSION, default=VERSION, fault=UnsupportedFile, doc="version of the format")
    more: bool = flag(default=False, doc="1: a byte of further fields follows `grid`; one of them is not 0")
    varies: bool = flag(default=False, doc="1: rates vary over the picture, and each tile begins with a rate map")
    grey: bool = flag(default=False, doc="1: the picture is grey, 0: it is RGB")
    has_chunks: bool = flag(default=False, doc="1: chunks follow the header, 0: the payload does")
    model: int = varint(hi=MAX_MODEL, doc="catalog id of the weights; 0: custom weights, named in a weights chunk")
    fingerprint: bytes = raw(2, doc="first two bytes of the fingerprint of the weights")
    width: int = varint(lo=1, hi=MAX_SIDE, doc="columns of the picture, after EXIF orientation")
    height: int = varint(lo=1, hi=MAX_SIDE, doc="rows of the picture, after EXIF orientation")
    rate: int = bits(
        12, hi=MAX_RATE, doc="rate step: quality times 40, the lowest where rates vary; 0 where the model has one rate"
    )
    grid: int = bits(4, lo=1, hi=16, bias=1, default=1, doc="SegPIC: regions are a grid of this many by as many")
    later: int = bits(6, hi=0, when="more", default=0, fault=UnsupportedFile, doc="for later features")
    log2_scale: int = bits(
        2,
        hi=2,
        when="more",
        default=0,
        fault=UnsupportedFile,
        doc="the picture is coded at full (0), half (1) or quarter (2) size",
    )
    check: int = u32(default=0, doc="CRC-32 of the rest of the file and of the symbols, see Check")

    def __post_init__(self) -> None:
        fields.check(self)
        if self.more != (self.log2_scale > 0):  # so that a header has one spelling
            raise UsageError(f"more={self.more}, log2_scale={self.log2_scale}: one needs the other")

    @property
    def quality(self) -> float:
        """The user's 0..100 number."""
        return self.rate / STEPS_PER_QUALITY

    @property
    def pixels(self) -> int:
        """Rows times columns."""
        return self.width * self.height

    @property
    def coded(self) -> tuple[int, int]:
        """(width, height) of the picture as it is coded: the whole size, a half or a quarter of it, rounded up."""
        return scaled(self.width, self.log2_scale), scaled(self.height, self.log2_scale)

    @property
    def size(self) -> int:
        """Bytes of this header in the file."""
        return fields.size(self)

    def pack(self) -> bytes:
        """Write the header."""
        return fields.pack(self)


def scaled(length: int, log2_scale: int) -> int:
    """A side in pixels, divided by a power of two and rounded up."""
    return -(-length >> log2_scale)


_KINDS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"%PDF": "a PDF document",
    b"PK\3\4": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
}


def _foreign(start: bytes) -> str:
    """The kind of a file that is not a .rgo file, by its first bytes; "" for a .rgo file."""
    if (len(start) >= len(MAGIC) and start.startswith(MAGIC)) or start == MAGIC[:1]:
        return ""
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return "it is a WebP picture"
    if start[4:8] == b"ftyp":
        return f"it is an AVIF, HEIC or MP4 file ({start[8:].decode('ascii', 'replace').strip()})"
    known = next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), None)
    if known is not None:
        return f"it is {known}"
    return f"it begins with {start[:4].hex(' ').upper()}" if start else "it is empty"


def unpack(cursor: Cursor) -> Header:
    """Read a header; CorruptFile, or UnsupportedFile for a later version or feature."""
    if kind := _foreign(bytes(cursor.data[cursor.at : cursor.at + 12])):
        raise CorruptFile(f"not a .rgo file: {kind}")
    try:
        return fields.unpack(Header, cursor)
    except UsageError as error:
        raise cursor.fault("further fields are announced, and all of them are 0") from error


def rate_step(quality: float) -> int:
    """Return the rate step nearest to a quality 0..100; UsageError outside, NaN included."""
    if not 0 <= quality <= MAX_RATE / STEPS_PER_QUALITY:
        raise UsageError(f"quality {quality:g} is outside 0..100")
    return round(quality * STEPS_PER_QUALITY)
