"""Metadata in .rgo files: codes for common colours, deflated blocks, and what comes back."""

import io
import random
import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from regio.format import Chunk, Header, Kind, RgoFile, pack, parse
from regio.format.metadata import COLOURS
from regio.images import Picture, metadata_chunks, stored_in
from regio.images.colour import ADOBE_RGB, PRIMARIES, SRGB, SRGB_CURVE, profile
from regio.images.stored import code_of, profile_of

Photo = Callable[..., Image.Image]
PLAIN = Picture(np.zeros((2, 3, 3), np.uint8))
HEADER = Header(model=1, fingerprint=b"\xab\xcd", width=3, height=2, rate=0)

# Colorants as the makers of profiles print them, XYZ of red, green and blue under D50.
APPLE_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
REC_2020 = ((0.67348, 0.27904, -0.00193), (0.16566, 0.67535, 0.02998), (0.12505, 0.04561, 0.79686))


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def para(kind: int, *numbers: float) -> bytes:
    return b"para" + struct.pack(">IHH", 0, kind, 0) + fixed(*numbers)


def curv(*numbers: int) -> bytes:
    return b"curv" + struct.pack(">II", 0, len(numbers)) + struct.pack(f">{len(numbers)}H", *numbers)


def sampled(curve: Callable[[float], float], count: int) -> bytes:
    return curv(*(round(65535 * curve(k / (count - 1))) for k in range(count)))


def srgb_curve(v: float) -> float:
    return ((v + 0.055) / 1.055) ** 2.4 if v >= 0.04045 else v / 12.92


def icc(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    """A version 2 profile, as others write them: no tag shared, a description, white."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9505, 1, 1.0891), b"cprt": b"text\0\0\0\0nobody\0"} | tags
    table, bodies, first = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", first + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", first + len(bodies), b"none", 0x02100000, kind, space, b"XYZ ")
    head += struct.pack(">6H", 2004, 8, 13, 12, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + bodies


def rgb(colorants: tuple[tuple[float, ...], ...], *curves: bytes, **more: bytes) -> bytes:
    tags = {
        name: b"XYZ \0\0\0\0" + fixed(*one) for name, one in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True)
    }
    each = curves if len(curves) == 3 else curves * 3
    tags |= dict(zip((b"rTRC", b"gTRC", b"bTRC"), each, strict=True))
    return icc(b"RGB ", tags | {name.encode(): body for name, body in more.items()})


def grey(curve: bytes) -> bytes:
    return icc(b"GRAY", {b"kTRC": curve})


KNOWN = {
    "Display P3, parameters": (rgb(APPLE_P3, para(3, 2.4, 0.94787, 0.05213, 0.07739, 0.04045)), 1),
    "Display P3, all parameters": (rgb(APPLE_P3, para(4, 2.4, 0.94787, 0.05213, 0.07739, 0.04045, 0, 0)), 1),
    "Display P3, a table": (rgb(APPLE_P3, sampled(srgb_curve, 1024)), 1),
    "Adobe RGB": (rgb(ADOBE, curv(0x0233)), 2),
    "Adobe RGB, parameters": (rgb(ADOBE, para(0, 2.19922)), 2),
    "Adobe RGB, gamma 2.2 with a shift of nothing": (rgb(ADOBE, para(1, 2.2, 1, 0)), 2),
    "Rec. 2020": (rgb(REC_2020, para(3, 1 / 0.45, 0.90967, 0.09033, 0.22222, 0.08124)), 3),
    "Rec. 2020, gamma 2.4": (rgb(REC_2020, curv(round(2.4 * 256))), 4),
    "grey 2.2": (grey(curv(0x0233)), 5),
    "grey 1.8": (grey(curv(round(1.8 * 256))), 6),
    "grey, linear, no entries": (grey(curv()), 7),
    "grey, linear, two entries": (grey(curv(0, 65535)), 7),
}
UNKNOWN = {
    "P3 with another gamma": rgb(APPLE_P3, curv(0x0266)),
    "a blue of its own": rgb((*ADOBE[:2], (0.14919, 0.06322, 0.74157)), curv(0x0233)),
    "one curve of its own": rgb(ADOBE, curv(0x0233), curv(0x0233), curv(0x0200)),
    "tables besides": rgb(ADOBE, curv(0x0233), A2B0=b"mft1" + bytes(40)),
    "for a printer": icc(b"RGB ", {}, b"prtr"),
    "a curve that falls": rgb(ADOBE, sampled(lambda v: 1 - v, 64)),
    "a curve beyond numbers": rgb(ADOBE, para(3, 32000, 32000, 32000, 0, 0)),
    "a curve of kind 9": rgb(ADOBE, para(9, 2.2)),
    "no curve": rgb(ADOBE, b"curv"),
    "grey with a dark toe": grey(sampled(lambda v: max(0.0, v - 0.05) ** 2.2, 256)),
    "sixteen million tags": b"\0" * 12 + b"mntrRGB XYZ " + bytes(104) + b"\xff" * 4,
    "rubbish": b"rubbish",
    "nothing": b"",
}


def shown(profile_bytes: bytes, mode: str) -> np.ndarray:
    """What a colour management system makes of all greys, and of a grid of colours, in wide linear-ish colours."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    pixels = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    if mode == "L":
        pixels = np.arange(256, dtype=np.uint8)[None]
    wide = profile(PRIMARIES[9], SRGB_CURVE)
    given, target = (ImageCms.ImageCmsProfile(io.BytesIO(one)) for one in (profile_bytes, wide))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    made = ImageCms.profileToProfile(Image.fromarray(pixels), given, target, intent, "RGB")
    assert made is not None
    return np.asarray(made).astype(int)


@pytest.mark.parametrize("name", KNOWN)
def test_common_colours_are_known_by_what_they_mean(name: str) -> None:
    given, code = KNOWN[name]
    assert code_of(given) == code
    mode = "L" if COLOURS[code].grey else "RGB"
    difference = np.abs(shown(given, mode) - shown(profile_of(COLOURS[code]), mode))
    assert difference.max() <= 1  # by another program's arithmetic, which rounds to 8 bits


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_profiles_have_no_code(name: str) -> None:
    assert code_of(UNKNOWN[name]) is None


@pytest.mark.parametrize("code", COLOURS)
def test_a_made_profile_is_known_again(code: int) -> None:
    made = profile_of(COLOURS[code])
    assert code_of(made) == code
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(made))).strip() == COLOURS[code].name


def test_colours_that_are_not_coded_are_other_colours() -> None:
    assert code_of(profile(SRGB, (2.2,))) is None
    assert code_of(profile(ADOBE_RGB, SRGB_CURVE)) is None
    assert code_of(profile(PRIMARIES[11], SRGB_CURVE)) is None  # P3 with the white of cinemas


def there_and_back(picture: Picture, grey: bool = False) -> tuple[RgoFile, int]:
    data = pack(RgoFile(replace(HEADER, grey=grey), metadata_chunks(picture)), 0)
    return parse(data), len(data)


@pytest.mark.parametrize("name", KNOWN)
def test_common_colours_take_seven_bytes(name: str) -> None:
    given, code = KNOWN[name]
    picture = replace(PLAIN, icc=given)
    file, size = there_and_back(picture, COLOURS[code].grey)
    assert size == there_and_back(PLAIN)[1] + 8  # kind, length, code and CRC, and the end of the chunks
    assert file.chunks == (Chunk(Kind.COLOUR, bytes([code])),)
    assert stored_in(file) == (profile_of(COLOURS[code]), None, None)


def test_grey_with_the_curve_of_srgb_takes_nothing() -> None:
    for curve in (para(3, 2.4, 0.94787, 0.05213, 0.07739, 0.04045), sampled(srgb_curve, 1024)):
        assert metadata_chunks(replace(PLAIN, icc=grey(curve))) == ()


def test_other_blocks_are_deflated_and_come_back_byte_for_byte() -> None:
    blocks = {
        "icc": rgb(ADOBE, sampled(lambda v: v**2.1, 512)),
        "exif": b"II*\0\x08\0\0\0" + bytes(400),
        "xmp": b"<x:xmpmeta>" + 40 * b"<a/>",
    }
    file, size = there_and_back(replace(PLAIN, **blocks))
    assert [chunk.kind for chunk in file.chunks] == [8, 130, 131]
    assert stored_in(file)._asdict() == blocks
    assert size < sum(map(len, blocks.values()))


def test_what_does_not_become_smaller_stays_as_it_is() -> None:
    noise = random.Random(1).randbytes(300)
    file, _ = there_and_back(replace(PLAIN, icc=noise, exif=b"MM\0*", xmp=b""))
    assert file.chunks == (Chunk(Kind.ICC, noise), Chunk(Kind.EXIF, b"MM\0*"), Chunk(Kind.XMP, b""))
    assert stored_in(file) == (noise, b"MM\0*", b"")


def test_a_block_too_long_to_inflate_is_not_deflated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regio.format.metadata.MOST_INFLATED", 1000)
    assert metadata_chunks(replace(PLAIN, xmp=bytes(1001))) == (Chunk(Kind.XMP, bytes(1001)),)
    assert metadata_chunks(replace(PLAIN, xmp=bytes(1000)))[0].kind == Kind.XMP_DEFLATED
