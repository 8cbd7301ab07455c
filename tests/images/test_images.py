"""Everything Pillow can open becomes one kind of picture, and nothing is lost in silence."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from regio.errors import BadImage, LimitExceeded, UsageError
from regio.images import EXIF_PREFIX, read_picture, to_file, to_pil

Photo = Callable[..., Image.Image]
ORIENTATION, MAKE = 0x0112, 0x010F


def as_file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def profile(space: str = "sRGB") -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[MAKE] = "Regio"
    exif[ORIENTATION] = orientation
    return exif


def test_a_picture_reads_alike_from_path_bytes_stream_image_and_array(tmp_path: Path, photo: Photo) -> None:
    image = photo()
    path = tmp_path / "a.png"
    image.save(path)
    sources = [path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), image, np.asarray(image)]
    for source in sources:
        picture = read_picture(source)
        assert (picture.height, picture.width, picture.grey, picture.alpha, picture.notes) == (16, 24, False, None, ())
        np.testing.assert_array_equal(picture.pixels, np.asarray(image))


def test_reading_a_picture_again_changes_nothing(photo: Photo) -> None:
    picture = read_picture(photo())
    assert read_picture(picture) is picture


@pytest.mark.parametrize(
    ("mode", "grey", "alpha"),
    [
        ("1", True, False),
        ("L", True, False),
        ("LA", True, True),
        ("RGB", False, False),
        ("RGBA", False, True),
        ("RGBa", False, True),
        ("P", False, False),
        ("YCbCr", False, False),
        ("HSV", False, False),
        ("CMYK", False, False),
        ("RGBX", False, False),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (24, 16)])
def test_every_mode_is_sorted_into_grey_or_colour_with_or_without_alpha(
    photo: Photo, mode: str, grey: bool, alpha: bool, size: tuple[int, int]
) -> None:
    image = photo(*size).convert("RGBA").convert(mode) if mode == "RGBa" else photo(*size, mode=mode)
    picture = read_picture(image)
    assert picture.pixels.shape == (size[1], size[0], 3)
    assert picture.pixels.dtype == np.uint8
    assert (picture.grey, picture.alpha is not None) == (grey, alpha)
    if grey:
        assert (picture.pixels[..., 0] == picture.pixels[..., 2]).all()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_plain_modes_come_back_pixel_for_pixel(photo: Photo, mode: str) -> None:
    image = photo(mode=mode)
    back = to_pil(read_picture(image))
    assert back.mode == mode
    np.testing.assert_array_equal(np.asarray(back), np.asarray(image))


def test_a_transparent_palette_gives_an_alpha_plane(photo: Photo) -> None:
    image = photo().quantize(8)
    picture = read_picture(as_file(image, transparency=0))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha == 0, np.asarray(image) == 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_and_its_tag_reset(photo: Photo, orientation: int, kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {})
    stored = as_file(photo(), kind, exif=exif_with(orientation), **options)
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a.transpose(1, 0, 2), 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    picture = read_picture(stored)
    expected = undo(np.asarray(photo()))
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels.astype(int) - expected).max() <= (30 if kind == "JPEG" else 0)  # JPEG is not lossless
    assert picture.exif is not None
    kept = Image.Exif()
    kept.load(EXIF_PREFIX + picture.exif)
    assert kept.get(ORIENTATION, 1) == 1
    assert kept[MAKE] == "Regio"
    again = read_picture(as_file(to_pil(picture), "PNG", exif=to_pil(picture).info["exif"]))
    np.testing.assert_array_equal(again.pixels, picture.pixels)


def test_only_the_orientation_value_differs_in_a_kept_exif_block(photo: Photo) -> None:
    block = exif_with(6).tobytes()
    picture = read_picture(as_file(photo(), "JPEG", exif=block))
    before = block.removeprefix(EXIF_PREFIX)
    assert picture.exif is not None
    assert len(picture.exif) == len(before)
    assert [(a, b) for a, b in zip(before, picture.exif, strict=True) if a != b] == [(6, 1)]


def test_orientation_in_xmp_is_applied_once(photo: Photo) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="t"/></x:xmpmeta>'
    picture = read_picture(as_file(photo(24, 16), "WEBP", xmp=xmp, lossless=True))
    assert (picture.width, picture.height) == (16, 24)
    assert picture.xmp == xmp.replace(b'Orientation="6"', b'Orientation="1"')


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_profile_exif_and_xmp_survive_reading_and_writing(photo: Photo, kind: str) -> None:
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    options = {"icc_profile": profile(), "exif": exif_with(1)} | ({"xmp": xmp} if kind in ("JPEG", "WEBP") else {})
    picture = read_picture(as_file(photo(), kind, **options))
    assert picture.icc == profile()
    assert picture.exif
    assert picture.xmp == options.get("xmp")
    again = read_picture(to_file(to_pil(picture), ".webp"))
    assert (again.icc, again.exif, again.xmp) == (picture.icc, picture.exif, picture.xmp)
    bare = read_picture(to_file(to_pil(picture), ".webp", strip=True))
    assert (bare.icc, bare.exif, bare.xmp) == (None, None, None)


def test_a_profile_for_other_colours_is_left_out_with_a_note(photo: Photo) -> None:
    picture = read_picture(as_file(photo(mode="L"), icc_profile=profile()))
    assert picture.icc is None
    assert picture.notes == ("colour profile left out: it does not describe grey pixels",)


def test_cmyk_becomes_srgb_with_a_note_and_without_its_profile(photo: Photo) -> None:
    picture = read_picture(as_file(photo(mode="CMYK"), "JPEG", quality=100, icc_profile=b"no profile at all"))
    assert picture.icc is None
    assert picture.notes == ("CMYK colours converted to sRGB",)
    assert np.abs(picture.pixels.astype(int) - np.asarray(photo())).mean() < 3  # JPEG at quality 100


def test_sixteen_bit_grey_is_scaled_with_a_note() -> None:
    values = np.array([[0, 128, 129, 257, 65535]], np.uint16)  # 128 is below the middle between 0 and 257, 129 above
    picture = read_picture(as_file(Image.fromarray(values)))
    assert picture.grey
    assert picture.pixels[0, :, 1].tolist() == [0, 0, 1, 1, 255]
    assert picture.notes == ("16-bit grey reduced to 8 bits",)


def test_thirty_two_bit_grey_beyond_sixteen_bits_is_refused() -> None:
    with pytest.raises(BadImage, match="fit neither 8 nor 16 bits"):
        read_picture(Image.fromarray(np.array([[0, 70000]], np.int32)))


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(BadImage, match="floating-point"):
        read_picture(Image.fromarray(np.zeros((2, 2), np.float32)))


def test_an_animation_gives_its_first_frame_and_a_note(photo: Photo) -> None:
    frames = [photo(mode="P"), photo(mode="P").transpose(Image.Transpose.ROTATE_180)]
    picture = read_picture(as_file(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert picture.notes == ("only the first of 2 frames is used",)
    assert np.abs(picture.pixels.astype(int) - np.asarray(frames[0].convert("RGB"))).max() == 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4, 3), 255.0, np.float32), "from 255 to 255: must be from 0 to 1"),
        (np.full((4, 4, 3), np.nan), "must be from 0 to 1"),
        (np.zeros((4, 4, 3), np.uint16), "pixels of uint16: must be uint8 from 0 to 255"),
        (np.zeros((4, 4, 5), np.uint8), "1 to 4 channels"),
        (np.zeros((4,), np.uint8), "1 to 4 channels"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(BadImage, match=message):
        read_picture(array)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_the_channels_of_an_array_say_what_it_is(channels: int, mode: str) -> None:
    array = np.arange(2 * 3 * channels, dtype=np.uint8).reshape(2, 3, channels)
    back = to_pil(read_picture(array))
    assert back.mode == mode
    np.testing.assert_array_equal(np.asarray(back).reshape(array.shape), array)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_every_truncation_is_a_bad_image_or_a_picture(photo: Photo, kind: str) -> None:
    whole = as_file(photo(), kind)
    for cut in range(0, len(whole), 7):
        with contextlib.suppress(BadImage):  # some formats do not notice that their last bytes are missing
            read_picture(whole[:cut])


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_foreign_bytes_are_a_bad_image(data: bytes) -> None:
    with pytest.raises(BadImage):
        read_picture(data)


def test_a_missing_file_is_the_error_that_python_has_for_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "nothing.png")


def test_something_else_is_refused_by_its_type() -> None:
    with pytest.raises(UsageError, match="cannot read a picture from int"):
        read_picture(7)  # type: ignore[arg-type]


def test_pillows_pixel_limit_is_ours(photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    data = as_file(photo(24, 16))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(LimitExceeded, match="MAX_IMAGE_PIXELS"):
        read_picture(data)


def test_the_callers_image_is_left_as_it_was(photo: Photo) -> None:
    image = Image.open(io.BytesIO(as_file(photo(), "JPEG", exif=exif_with(6))))
    read_picture(image)
    assert image.size == (24, 16)
    assert image.getexif()[ORIENTATION] == 6


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tif", ".bmp", ".PNG"])
def test_an_image_is_written_as_the_kind_its_extension_names(photo: Photo, extension: str) -> None:
    data = to_file(photo(), extension)
    assert Image.open(io.BytesIO(data)).size == (24, 16)
    if extension != ".jpg":
        np.testing.assert_array_equal(read_picture(data).pixels, np.asarray(photo()))


@pytest.mark.parametrize("extension", ["", ".xyz", ".rgo"])
def test_a_kind_that_nobody_writes_is_a_usage_error(photo: Photo, extension: str) -> None:
    with pytest.raises(UsageError, match="cannot write pictures of type"):
        to_file(photo(), extension)


def test_transparency_is_not_dropped_in_silence(photo: Photo) -> None:
    with pytest.raises(UsageError, match=r"JPEG cannot store this RGBA picture.*try \.png"):
        to_file(photo(mode="RGBA"), ".jpg")
