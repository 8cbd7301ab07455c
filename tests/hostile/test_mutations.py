"""What benchmarks/robustness.py and fuzz.py do at length, in short: every kind of damage, with and without checks."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from scripts import benchmark
from toy_codec import paper, picture, tiling, toy

import regio
from regio.codec import Codec
from regio.errors import CorruptFile, RegioError
from regio.format import pack, parse
from regio.format.header import CHECK_BYTES

damage: ModuleType = benchmark("damage")
KINDS = [kind.__name__ for kind in damage.DAMAGES]
LIMIT = 2**14  # pixels that damaged files may claim here: the toys take milliseconds for so many


@lru_cache(maxsize=1)
def files() -> list[tuple[Codec, bytes, bytes]]:
    """Codec, file, pixels: plain, with a region of interest, with opacity and metadata, with guard lists, in tiles."""
    plain = Image.fromarray(picture(40, 70))
    dressed = plain.convert("L")
    dressed.putalpha(Image.fromarray(picture(40, 70, seed=1)[..., 0]))
    dressed.info["exif"] = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    made = [(toy(), toy().encode(plain)), (toy(), toy().encode(plain, roi=(0, 0, 30, 30)))]
    made += [(toy(), toy().encode(dressed)), (paper(), paper().encode(plain))]
    with tiling(6, 512):
        made += [(toy(), toy().encode(plain, roi=(0, 0, 30, 30))), (toy(), toy().encode(dressed))]
    return [(codec, data, codec.decode(data).tobytes()) for codec, data in made]


def damaged(kind: str, count: int) -> list[tuple[Codec, bytes, bytes]]:
    """(codec, damaged file, pixels of the sound one)."""
    dice = random.Random(kind)
    made = []
    for _ in range(count):
        codec, data, pixels = dice.choice(files())
        made.append((codec, damage.__dict__[kind](data, dice.choice(files())[1], dice), pixels))
    return made


@contextmanager
def errors_of_one_line() -> Iterator[None]:
    """Let Regio's errors pass, if people can read them; no others."""
    message = ""
    try:
        yield
    except RegioError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_container_is_refused_or_says_what_its_bytes_say(kind: str) -> None:
    for _, data, _ in damaged(kind, 100):
        with errors_of_one_line():
            regio.inspect(data)
            file = parse(data)
            again, end = pack(file, 0), file.header.size
            assert again[: end - CHECK_BYTES] + again[end:] == data[: end - CHECK_BYTES] + data[end:]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_an_error_or_the_same_picture(kind: str) -> None:
    for codec, data, pixels in damaged(kind, 8):
        with errors_of_one_line():
            assert codec.decode(data, max_pixels=LIMIT).tobytes() == pixels


@pytest.mark.parametrize("kind", KINDS)
def test_a_forged_file_is_an_error_or_a_picture_of_its_size(kind: str) -> None:
    for codec, data, _ in damaged(kind, 8):
        checks: list[int] = []
        with errors_of_one_line():
            with damage.forged(checks):
                image = codec.decode(data, max_pixels=LIMIT)
            header = parse(data).header
            assert image.size == (header.width, header.height)
            if parse(data).tiles is None:  # with a check that fits, it passes as it is
                honest = codec.decode(damage.with_check(data, checks[0]))
                assert np.array_equal(np.asarray(honest), np.asarray(image))


def test_a_forged_check_is_that_of_the_format() -> None:
    codec, data, _ = files()[0]
    checks: list[int] = []
    with damage.forged(checks):
        codec.decode(data)
    assert damage.with_check(data, checks[0]) == data
    with pytest.raises(CorruptFile):
        codec.decode(damage.with_check(data, checks[0] ^ 1))


def test_a_file_taken_apart_goes_together_again() -> None:
    for _, data, _ in files():
        parts = damage.Parts.of(data)
        packed = parts.pack()
        assert parse(packed).payload == parse(data).payload
        assert sorted(parse(packed).chunks, key=lambda chunk: chunk.kind) == sorted(
            parse(data).chunks, key=lambda chunk: chunk.kind
        )
