"""Files that people drop: what is refused, from the header alone, and in which words."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from regio.app.limits import Limits, megapixels, only_kinds, read_rgo, read_upload
from regio.errors import BadImage, CorruptFile, LimitExceeded


def huge_png(path: Path, width: int, height: int) -> Path:
    """A PNG whose header promises that many pixels; a whole one, of zeros, would be a few hundred kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)))
    return path


def test_a_picture_within_the_limits_is_read_whole(picture_file: Callable[..., Path]) -> None:
    picture = read_upload(picture_file(width=40, height=30), Limits(pixels=1200))
    assert (picture.width, picture.height) == (40, 30)


def test_one_pixel_too_many_is_refused(picture_file: Callable[..., Path]) -> None:
    with pytest.raises(LimitExceeded, match=r"\(40 × 30\)"):
        read_upload(picture_file(width=40, height=30), Limits(pixels=1199))


@pytest.mark.parametrize(("width", "height"), [(10_000, 5_000), (20_000, 10_000), (60_000, 60_000)])
def test_huge_pictures_are_refused_by_their_header(tmp_path: Path, width: int, height: int) -> None:
    told = f"has {width * height // 1_000_000} megapixels"
    with pytest.raises(LimitExceeded, match=told):  # if it read on, the missing pixels would be the complaint
        read_upload(huge_png(tmp_path / "huge.png", width, height), Limits())


def test_too_many_bytes_are_refused(picture_file: Callable[..., Path]) -> None:
    path = picture_file(width=40, height=30)
    size = path.stat().st_size
    assert read_upload(path, Limits(upload=size))
    with pytest.raises(LimitExceeded, match="this server takes up to"):
        read_upload(path, Limits(upload=size - 1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"Dear diary, today I learned about picture formats.", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a picture"),
        (b"\x89PNG\r\n\x1a\nand then something else", "not a picture"),
        (b"\xd7\x52\x01", "is a .rgo file already"),
    ],
)
def test_what_is_no_picture_is_refused_in_plain_words(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(BadImage, match=message) as caught:
        read_upload(path, Limits())
    assert "\n" not in str(caught.value)


def test_half_a_picture_is_refused(picture_file: Callable[..., Path]) -> None:
    path = picture_file(width=200, height=150)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(BadImage, match="Is it complete"):
        read_upload(path, Limits())


def test_a_rgo_file_is_told_from_a_picture_and_measured_before_it_is_decoded(
    tmp_path: Path, picture_file: Callable[..., Path], stand_in: object
) -> None:
    from regio.codec import load

    made = load().encode(np.zeros((30, 40, 3), np.uint8))
    path = tmp_path / "a.rgo"
    path.write_bytes(made)
    data, info = read_rgo(path, Limits(pixels=1200))
    assert data == made
    assert (info.width, info.height) == (40, 30)
    with pytest.raises(LimitExceeded, match="40 × 30"):
        read_rgo(path, Limits(pixels=1199))
    with pytest.raises(CorruptFile, match=r"not a \.rgo file"):
        read_rgo(picture_file(), Limits())
    path.write_bytes(made[:5])
    with pytest.raises(CorruptFile, match="truncated"):
        read_rgo(path, Limits())


def test_animated_pictures_are_read_as_their_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((9, 9, 3), value, np.uint8)) for value in (10, 200)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    path = tmp_path / "a.gif"
    path.write_bytes(stream.getvalue())
    picture = read_upload(path, Limits())
    assert (picture.pixels == 10).all()
    assert picture.notes == ("only the first of 2 frames is used",)


def test_megapixels_have_as_many_digits_as_one_reads() -> None:
    assert [megapixels(n) for n in (400_000, 2_000_000, 12_300_000, 200_000_000)] == [
        "0.4 megapixels",
        "2 megapixels",
        "12 megapixels",
        "200 megapixels",
    ]


@pytest.mark.parametrize("name", ["layer.png", "layer.jpg", "layer.webp", "layer", "layer.eps"])
def test_no_other_program_starts_for_a_layer_whatever_its_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio opens layers by a plain `Image.open`; Pillow would take this file for EPS and run Ghostscript on it."""

    def started(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was started")

    path = tmp_path / name
    Image.new("RGB", (8, 8)).save(path, "EPS")
    with Image.open(path) as image:
        assert image.format == "EPS"
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    before = list(Image.ID), Image.MAX_IMAGE_PIXELS
    with only_kinds(1000):
        with pytest.raises(UnidentifiedImageError):
            Image.open(path)
        assert Image.MAX_IMAGE_PIXELS == 1000
    assert (list(Image.ID), Image.MAX_IMAGE_PIXELS) == before
    with pytest.raises(BadImage):
        read_upload(path, Limits())
