"""Metadata blocks: what is kept beside the pixels, and the notes on what is not.

EXIF, XMP and the resolution are kept. What cannot be kept is named in a note: gain maps, IPTC,
comments, pictures that stand behind the first.
"""

import re
import struct
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from regio.errors import RegioError

EXIF_PREFIX = b"Exif\0\0"  # what JPEG and Pillow put before the TIFF block; not part of the block
ORIENTATION = 0x0112
_RESOLUTION = (0x011A, 0x011B)
_PER_CENTIMETRE = 3
_MOST_DPI = 65535.0  # what a JPEG file can state
_SCREEN_DPI = 72.0  # what EXIF readers assume when nothing is stated
_TIFF_SPACE = b"http://ns.adobe.com/tiff/1.0/"
_PROMISES = (  # XMP of these namespaces describes data that stands outside the picture
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
    b"http://ns.google.com/photos/1.0/container/",
    b"http://ns.google.com/photos/1.0/container/item/",
    b"http://ns.google.com/photos/1.0/depthmap/",
    b"http://ns.adobe.com/xmp/note/",
)
_MOTION = rb"GCamera:(?:MotionPhoto|MicroVideo)\w*"


@dataclass
class Blocks:
    """The metadata of a file."""

    icc: bytes | None = None
    exif: bytes | None = None
    """A TIFF block without JPEG's prefix, as it stands in the file."""
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)


def blocks_of(image: Image.Image) -> Blocks:
    """The metadata that Pillow found. Damaged blocks are left out with a note."""
    info, found = image.info, Blocks()
    found.icc = info.get("icc_profile") or None
    found.xmp = _bytes(info.get("xmp") or info.get("XML:com.adobe.xmp"))
    found.dpi = _pair(info.get("dpi"))
    try:
        found.exif = _exif_of(image)
    except RegioError:
        raise
    except Exception:  # each kind of damage has an exception of its own
        found.notes.append("EXIF left out: damaged")
    _note_lost(image, found.notes)
    return found


def _bytes(value: Any) -> bytes | None:
    return (value.encode() if isinstance(value, str) else bytes(value)) if value else None


def _pair(dpi: Any) -> tuple[float, float] | None:
    try:
        across, down = (float(number) for number in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down)


def _exif_of(image: Image.Image) -> bytes | None:
    """The EXIF block as it stands in the file; of a TIFF, the tags that describe the picture and not the file."""
    block = image.info.get("exif")
    if block is None and "Raw profile type exif" in image.info:  # ImageMagick's way of putting EXIF into PNG
        block = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    if block is None and hasattr(image, "tag_v2"):
        block = _exif_of_tiff(image)
    return bytes(block).removeprefix(EXIF_PREFIX) or None if block else None


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


def _note_lost(image: Image.Image, notes: list[str]) -> None:
    tags = getattr(image, "tag_v2", {})
    photoshop = image.info.get("photoshop")
    if (isinstance(photoshop, dict) and 0x0404 in photoshop) or 33723 in tags:
        notes.append("IPTC caption and keywords left out")
    if image.info.get("comment") and image.format in ("JPEG", "MPO", "GIF"):
        notes.append("comment left out")
    applications = getattr(image, "applist", ())
    if any(body.startswith(b"urn:iso:std:iso:ts:21496:-1") for _, body in applications):
        notes.append(GAIN_MAP)
    elif image.format == "MPO" and (more := getattr(image, "n_frames", 1) - 1) > 0:
        notes.append(f"{more} further picture{'s' * (more > 1)} of the file left out (previews, gain map or depth)")


GAIN_MAP = "gain map left out: the picture is kept as SDR"


def checked_exif(exif: bytes | None, notes: list[str]) -> bytes | None:
    """The block if a reader would find its tags; else None and a note."""
    if exif is None or _entries(exif) is not None:
        return exif
    notes.append("EXIF left out: damaged")
    return None


def _entries(exif: bytes | None) -> dict[int, tuple[str, int]] | None:
    """The tags of the first directory: byte order and place of each; None for a damaged block."""
    if exif is None:
        return None
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        magic, first = struct.unpack_from(order + "HI", exif, 2)
        (count,) = struct.unpack_from(order + "H", exif, first)
        places = range(first + 2, first + 2 + 12 * count, 12)
        if magic != 42 or first < 8 or places.stop > len(exif):
            return None
        return {struct.unpack_from(order + "H", exif, at)[0]: (order, at) for at in places}
    except (KeyError, struct.error):
        return None


def orientation_of(exif: bytes | None, xmp: bytes | None) -> int:
    """1 to 8, from EXIF, or from XMP where EXIF has none; 1 where neither says anything sound."""
    place = (_entries(exif) or {}).get(ORIENTATION)
    if exif and place is not None:
        order, at = place
        kind, _, value = struct.unpack_from(order + "HIH", exif, at + 2)
        if kind == 4:
            (value,) = struct.unpack_from(order + "I", exif, at + 8)
    else:
        match = _orientation_pattern(xmp).search(xmp) if xmp else None
        value = int(match["value"]) if match else 1
    return value if 1 <= value <= 8 else 1


def upright_exif(exif: bytes | None) -> bytes | None:
    """Set the orientation tag to 1 where it stands. Writing the block anew would lose thumbnails and maker notes."""
    place = (_entries(exif) or {}).get(ORIENTATION)
    if exif is None or place is None:
        return exif
    patched, (order, at) = bytearray(exif), place
    struct.pack_into(order + "HIHH", patched, at + 2, 3, 1, 1, 0)  # one SHORT of value 1
    return bytes(patched)


def _orientation_pattern(xmp: bytes) -> re.Pattern[bytes]:
    """The orientation as an attribute or an element, by any prefix that the packet binds to TIFF's namespace."""
    name = rb"(?:" + b"|".join([b"tiff", *map(re.escape, _prefixes(xmp, _TIFF_SPACE))]) + rb"):Orientation"
    attribute = rb"\b" + name + rb"\s*=\s*[\"']\s*"
    element = rb"<" + name + rb"(?:\s[^>]*)?>\s*"
    return re.compile(rb"(?P<before>" + attribute + rb"|" + element + rb")(?P<value>[0-9]+)")


def _prefixes(xmp: bytes, space: bytes) -> list[bytes]:
    return re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(space) + rb"[\"']", xmp)


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """The packet with orientation 1 wherever it states one."""
    return _orientation_pattern(xmp).sub(rb"\g<before>1", xmp) if xmp else None


def utf8_xmp(xmp: bytes | None) -> bytes | None:
    """The packet in UTF-8; XMP may also be UTF-16."""
    if not xmp:
        return None
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
    coding = marks.get(xmp[:2])
    if coding is None:
        return xmp
    try:
        return xmp.decode(coding).encode()
    except UnicodeError:
        return None


def without_promises(xmp: bytes | None, notes: list[str]) -> bytes | None:
    """The packet without what describes data that is not kept: gain maps, motion, depth, an extended packet."""
    if not xmp:
        return None
    names = [re.escape(p) + rb":[\w.-]+" for space in _PROMISES for p in _prefixes(xmp, space)] + [_MOTION]
    name = rb"(?:" + b"|".join(names) + rb")"
    shorter = re.sub(rb"<(" + name + rb")(?:\s[^>]*)?(?<!/)>.*?</\1\s*>", b"", xmp, flags=re.DOTALL)
    shorter = re.sub(rb"<" + name + rb"(?:\s[^>]*)?/>", b"", shorter)
    shorter = re.sub(rb"\s" + name + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", shorter)
    if shorter == xmp:
        return xmp
    if b"dr-gain-map" in xmp or b"HDRGainMap" in xmp or b"GainMap" in xmp:
        if GAIN_MAP not in notes:
            notes.append(GAIN_MAP)
    else:
        notes.append("data outside the picture left out (motion, depth or an extended XMP packet)")
    return shorter


def exif_with_resolution(exif: bytes | None, dpi: tuple[float, float] | None, notes: list[str]) -> bytes | None:
    """The block, or a new one of 66 bytes that states the resolution. 72 dpi is what readers assume anyway."""
    if dpi is None or not all(1 < number <= _MOST_DPI for number in dpi):
        return exif
    if all(abs(number - _SCREEN_DPI) < 0.05 for number in dpi):
        return exif
    if exif is not None:
        if resolution_of(exif) is None:
            notes.append(f"resolution of {dpi[0]:.4g} x {dpi[1]:.4g} dpi left out: EXIF has no place for it")
        return exif
    ratios = [(round(n), 1) if abs(n - round(n)) < 0.02 else (round(n * 1000), 1000) for n in dpi]
    entries = struct.pack("<HHII", _RESOLUTION[0], 5, 1, 50) + struct.pack("<HHII", _RESOLUTION[1], 5, 1, 58)
    entries += struct.pack("<HHIHH", 0x0128, 3, 1, 2, 0)
    values = struct.pack("<4I", *ratios[0], *ratios[1])
    return b"II*\0" + struct.pack("<IH", 8, 3) + entries + bytes(4) + values


def resolution_of(exif: bytes | None) -> tuple[float, float] | None:
    """The resolution in dots per inch that an EXIF block states, or None."""
    entries = _entries(exif) or {}
    if exif is None or not all(tag in entries for tag in _RESOLUTION):
        return None
    try:
        numbers = []
        for tag in _RESOLUTION:
            order, at = entries[tag]
            (place,) = struct.unpack_from(order + "I", exif, at + 8)
            above, below = struct.unpack_from(order + "II", exif, place)
            numbers.append(above / below)
        order, at = entries.get(0x0128, ("", 0))
        unit = struct.unpack_from(order + "H", exif, at + 8)[0] if order else 2
    except (struct.error, ZeroDivisionError):
        return None
    scale = {2: 1.0, _PER_CENTIMETRE: 2.54}.get(unit)
    if scale is None or not all(1 <= number * scale <= _MOST_DPI for number in numbers):
        return None
    return (numbers[0] * scale, numbers[1] * scale)
