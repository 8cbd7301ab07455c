"""PNG, read chunk by chunk: damaged metadata is left out with a note, and the picture is still read.

`split` gives Pillow the chunks that hold pixels and keeps the rest apart. Pillow refuses a whole file
for one bad text chunk, drops transparency of 16-bit pictures, and does not read cICP.
"""

import io
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from regio.images.colour import Said, from_cicp, from_gamma

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT")
_LONGEST_TEXT = 64 << 20  # bytes of an inflated text or profile; more is an attack
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass
class Png:
    """A PNG file in parts."""

    pixels: bytes
    """A PNG file without metadata."""
    head: bytes = b""
    """The body of IHDR."""
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bool = False
    dpi: tuple[float, float] | None = None
    transparent: bytes | None = None
    """The body of tRNS."""
    notes: list[str] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """Bits per sample."""
        return self.head[8]

    @property
    def colour_type(self) -> int:
        """0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha."""
        return self.head[9]


def split(data: bytes) -> Png:
    """The bytes of a PNG file -> its parts. Damage to what holds pixels stays for Pillow to find."""
    kept, others, rest = [SIGNATURE], dict[bytes, list[bytes]](), b""
    notes, at = list[str](), len(SIGNATURE)
    while at < len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            rest = data[at:]
            break
        body = data[at + 8 : end - 4]
        if name == b"tRNS":
            kept.append(_scaled_key(body, others.get(b"IHDR", [b""])[0], data[at:end]))
        elif name in _PIXELS or name[:1].isupper():
            kept.append(data[at:end])
        if zlib.crc32(name + body) == int.from_bytes(data[end - 4 : end], "big"):
            others.setdefault(name, []).append(body)
        elif name not in _PIXELS and name[:1].islower():
            _note(notes, f"{name.decode('latin-1')} left out: damaged")
        at = end
        if name == b"IEND":
            break
    png = Png(b"".join(kept) + rest, others.get(b"IHDR", [bytes(13)])[0].ljust(13, b"\0"), notes=notes)
    png.transparent = others[b"tRNS"][0] if b"tRNS" in others else None
    _read_texts(png, others)
    if b"eXIf" in others:
        png.exif = others[b"eXIf"][0]
    _read_density(png, others)
    _read_colour(png, others)
    return png


def _scaled_key(body: bytes, head: bytes, chunk: bytes) -> bytes:
    """A tRNS chunk as Pillow understands it: it scales grey of 2 and 4 bits to 8, but not the key."""
    if len(body) != 2 or len(head) != 13 or head[9] != 0 or head[8] not in (2, 4):
        return chunk
    step = 85 if head[8] == 2 else 17
    key = min(int.from_bytes(body, "big") * step, 65535).to_bytes(2, "big")
    return struct.pack(">I", 2) + b"tRNS" + key + struct.pack(">I", zlib.crc32(b"tRNS" + key))


def _note(notes: list[str], line: str) -> None:
    if line not in notes:
        notes.append(line)


def inflate(data: bytes) -> bytes:
    """zlib data -> bytes; ValueError where it is damaged, cut or too long."""
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(data, _LONGEST_TEXT)
    except zlib.error as error:
        raise ValueError("damaged") from error
    if not machine.eof:
        raise ValueError("damaged or too long")
    return found


def _read_texts(png: Png, others: dict[bytes, list[bytes]]) -> None:
    dropped: list[str] = []
    for name in (b"tEXt", b"zTXt", b"iTXt"):
        for body in others.get(name, ()):
            keyword = body.partition(b"\0")[0].decode("latin-1")
            shown = keyword[:79] if keyword.isprintable() and keyword else name.decode()
            try:
                _keep_text(png, keyword, _text(name, body), dropped)
            except ValueError:
                _note(png.notes, f"text {shown!r} left out: damaged")
    names = list(dict.fromkeys(name if name.isprintable() else "?" for name in dropped))
    if names:
        png.notes.append(f"text left out: {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}")


def _text(name: bytes, body: bytes) -> bytes:
    """The text of a text chunk; ValueError."""
    _, found, after = body.partition(b"\0")
    if not found:
        raise ValueError("no keyword")
    if name == b"tEXt":
        return after
    if name == b"zTXt":
        if after[:1] != b"\0":
            raise ValueError("unknown compression")
        return inflate(after[1:])
    flags, (_, _, text) = after[:2], after[2:].split(b"\0", 2)
    return inflate(text) if flags[:1] == b"\1" else text


def _keep_text(png: Png, keyword: str, text: bytes, dropped: list[str]) -> None:
    """Sort a text into EXIF, XMP, IPTC or those left out; ValueError for a damaged block."""
    kind = keyword.removeprefix("Raw profile type ").lower()
    if keyword == "XML:com.adobe.xmp":
        png.xmp = png.xmp or text
    elif kind == keyword.lower():
        dropped.append(keyword)
    else:
        block = _raw_profile(text)
        if kind in ("exif", "app1") and block.startswith((b"Exif\0\0", b"II", b"MM")):
            png.exif = png.exif or block.removeprefix(b"Exif\0\0")
        elif kind == "xmp" or block.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            png.xmp = png.xmp or block.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
        elif kind in ("iptc", "8bim"):
            png.iptc = True
        elif kind in ("icc", "icm"):
            png.icc = png.icc or block
        else:
            dropped.append(keyword)


def _raw_profile(text: bytes) -> bytes:
    """ImageMagick's form: a newline, the name, the length, then hexadecimal lines. ValueError."""
    _, _, length, *lines = text.decode("latin-1").split("\n")
    block = bytes.fromhex("".join(lines))
    if int(length) != len(block):
        raise ValueError("another length than stated")
    return block


def _read_density(png: Png, others: dict[bytes, list[bytes]]) -> None:
    body = others.get(b"pHYs", [b""])[0]
    if len(body) == 9 and body[8] == 1:
        across, down = struct.unpack(">II", body[:8])
        png.dpi = (across * 0.0254, down * 0.0254)


def _read_colour(png: Png, others: dict[bytes, list[bytes]]) -> None:
    """By the precedence of PNG's third edition: cICP, iCCP, sRGB, then gAMA and cHRM."""
    grey = png.colour_type in (0, 4)
    said = Said()
    if b"cICP" in others:
        said = from_cicp(others[b"cICP"][0], grey)
        if said.icc or said.note is None:
            png.icc = said.icc
            others.pop(b"iCCP", None)
    if b"iCCP" in others:
        try:
            png.icc = inflate(others[b"iCCP"][0].partition(b"\0")[2][1:])
            said = said if said.note and said.icc is None else Said()
        except ValueError:
            png.notes.append("colour profile left out: damaged")
    elif not said.icc and b"cICP" not in others and png.icc is None and b"sRGB" not in others:
        gama, chrm = (others[name][0] if name in others else None for name in (b"gAMA", b"cHRM"))
        if gama is not None or chrm is not None:
            said = from_gamma(gama, chrm, grey)
            png.icc = said.icc
    if said.note:
        png.notes.append(said.note)


def opacity_by_key(png: Png) -> npt.NDArray[np.uint8] | None:
    """The opacity (H,W), 0 or 255, of a 16-bit RGB picture with tRNS; None for all others.

    Pillow reads only the upper bytes of such a picture. PNG's filters work on each byte of a pixel apart,
    so the upper and the lower bytes are two 8-bit pictures with the same filters.
    """
    if png.depth != 16 or png.colour_type != 2 or png.transparent is None or len(png.transparent) != 6:
        return None
    width, height = struct.unpack(">II", png.head[:8])
    parts = [(0, 0, 1, 1)] if png.head[12] == 0 else _ADAM7
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in parts]
    wanted = sum(h * (1 + 6 * w) for w, h in sizes if w > 0 and h > 0)
    rows = zlib.decompressobj().decompress(_idat(png.pixels), wanted)
    if len(rows) < wanted:
        raise ValueError("the pixels are cut short")
    key = np.frombuffer(png.transparent, np.uint8)
    opacity = np.empty((height, width), np.uint8)
    at = 0
    for (x, y, dx, dy), (w, h) in zip(parts, sizes, strict=True):
        if w <= 0 or h <= 0:
            continue
        lines = np.frombuffer(rows, np.uint8, h * (1 + 6 * w), at).reshape(h, 1 + 6 * w)
        at += lines.size
        same = np.ones((h, w), bool)
        for lane in (0, 1):
            part = np.concatenate([lines[:, :1], lines[:, 1 + lane :: 2]], axis=1)
            same &= (_eight_bits(part.tobytes(), w, h) == key[lane::2]).all(axis=2)
        opacity[y::dy, x::dx] = np.where(same, 0, 255)
    return opacity


def _idat(data: bytes) -> bytes:
    found, at = [], len(SIGNATURE)
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            found.append(data[at + 8 : at + 8 + length])
        at += 12 + length
    return b"".join(found)


def _eight_bits(rows: bytes, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Filtered rows of an 8-bit RGB picture -> (H,W,3)."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    bodies = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    file = SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in bodies
    )
    with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
        return np.asarray(image)
