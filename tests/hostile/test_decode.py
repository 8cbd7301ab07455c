"""Damaged and hostile files, decoded in full: an error of regio.errors or the right picture, and nothing else."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toy_codec import paper, picture, toy

from regio.codec import Codec, decoding, preparation
from regio.errors import CorruptFile, RegioError
from regio.format import parse

CODECS: dict[str, Callable[[], Codec]] = {"toy": toy, "paper": paper, "region": toy}


@lru_cache(maxsize=3)
def sound(name: str) -> tuple[bytes, bytes]:
    """A small file with two chunks, and the pixels it decodes to."""
    image = Image.fromarray(picture(48, 60))
    image.putalpha(7)
    data = CODECS[name]().encode(image, roi=(4, 8, 30, 20) if name == "region" else None)
    return data, CODECS[name]().decode(data).tobytes()


def outcome(name: str, data: bytes) -> type[RegioError] | None:
    """The class of the error, or None for the right picture. Everything else fails the test."""
    codec, pixels = CODECS[name](), b""
    try:
        pixels = codec.decode(data).tobytes()
    except RegioError as error:
        message, kind = str(error), type(error)
    else:
        message, kind = "", None
    assert "\n" not in message
    if kind:
        return kind
    assert pixels == sound(name)[1], "a picture that differs from the original decode"
    return None


def test_one_of_the_files_has_a_rate_map() -> None:
    assert [parse(sound(name)[0]).header.varies for name in CODECS] == [False, False, True]


@pytest.mark.parametrize("name", CODECS)
def test_every_truncation_is_corrupt(name: str) -> None:
    data, _ = sound(name)
    cuts = range(len(data)) if name == "toy" else range(0, len(data), 11)  # each costs two attempts there
    for cut in cuts:
        assert outcome(name, data[:cut]) is CorruptFile, f"cut at {cut}"


@pytest.mark.parametrize(("name", "count"), [("toy", 1000), ("paper", 60), ("region", 200)])
def test_random_changes_of_a_byte_are_errors(name: str, count: int) -> None:
    data, _ = sound(name)
    generator = random.Random(1)
    for _ in range(count):
        changed = bytearray(data)
        at = generator.randrange(len(data))
        changed[at] ^= generator.randrange(1, 256)
        if (header := parse_quietly(changed)) and header > 2**20:
            continue  # a picture of so many pixels takes long, and fails its check all the same
        assert outcome(name, bytes(changed)) is not None, f"byte {at}"


def parse_quietly(data: bytearray) -> int | None:
    """Pixels that a file claims, or None for one that says nothing."""
    try:
        return parse(bytes(data)).header.pixels
    except RegioError:
        return None


@settings(max_examples=150, deadline=None)
@given(start=st.integers(0, 1000), removed=st.integers(0, 8), added=st.binary(max_size=8))
def test_inserted_and_removed_bytes_are_errors(start: int, removed: int, added: bytes) -> None:
    data, _ = sound("toy")
    start = min(start, len(data))
    changed = data[:start] + added + data[start + removed :]
    if (pixels := parse_quietly(bytearray(changed))) and pixels > 2**20:
        return
    assert (outcome("toy", changed) is None) == (changed == data)


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(0, 1000))
def test_halves_of_two_files_do_not_make_a_third(cut: int) -> None:
    data, _ = sound("toy")
    image = Image.fromarray(picture(48, 60, seed=1))
    image.putalpha(7)
    other = toy().encode(image)
    spliced = data[: min(cut, len(data) - 1)] + other[min(cut, len(data) - 1) :]
    assert spliced == other or outcome("toy", spliced) is not None


def test_zeros_at_the_end_are_noticed_though_a_reader_would_add_them() -> None:
    data, _ = sound("toy")
    assert outcome("toy", data + b"\0") is CorruptFile


# From here on the attacker fits the check to the symbols, which anybody can do.


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "verify_check", lambda data, symbol_crc: True)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CODECS)
def test_any_payload_makes_a_picture_or_corrupt_file(name: str) -> None:
    data, _ = sound(name)
    start = len(data) - len(parse(data).payload)
    generator = np.random.default_rng(2)
    payloads = [b"", b"\0", b"\xff" * 300, b"\xfe" * 300, bytes(generator.integers(0, 256, 2000, np.uint8))]
    payloads += [generator.integers(0, 256, generator.integers(1, 500), np.uint8).tobytes() for _ in range(40)]
    payloads += [data[start:][:k] + generator.integers(0, 256, 50, np.uint8).tobytes() for k in range(0, 200, 10)]
    for payload in payloads:
        try:
            image = CODECS[name]().decode(data[:start] + payload)
        except CorruptFile:
            continue
        assert (image.mode, image.size) == ("RGBA", (60, 48))


def png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, body in ((b"IHDR", head), *chunks, (b"IEND", b"")):
        parts.append(len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big"))
    return b"".join(parts)


def rows(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))


TURNED = Image.Exif()
TURNED[0x0112] = 6
ALPHAS = {
    "no pixels at all": png(60, 48),
    "damaged pixels": png(60, 48, (b"IDAT", b"\x78\x9cnoise")),
    "no end": png(60, 48, rows(60, 48))[:-12],
    "a text of 64 MiB in a few bytes": png(60, 48, (b"zTXt", b"k\0\0" + zlib.compress(bytes(64 << 20))), rows(60, 48)),
    "pixels turned by metadata": png(60, 48, (b"eXIf", TURNED.tobytes()[6:]), rows(60, 48)),
}


@pytest.mark.parametrize("name", ALPHAS)
def test_a_hostile_alpha_plane_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "pack_alpha", lambda alpha: ALPHAS[name])
    image = Image.fromarray(picture(48, 60))
    image.putalpha(1)
    data = toy().encode(image)
    monkeypatch.undo()
    assert ALPHAS[name] in data
    with pytest.raises(CorruptFile, match=r"alpha"):
        toy().decode(data)


def test_a_sound_alpha_plane_made_by_hand_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "pack_alpha", lambda alpha: png(60, 48, rows(60, 48)))
    image = Image.fromarray(picture(48, 60))
    image.putalpha(1)
    assert toy().decode(toy().encode(image)).getchannel("A").getextrema() == (0, 0)
    assert Image.open(io.BytesIO(png(60, 48, rows(60, 48)))).size == (60, 48)
