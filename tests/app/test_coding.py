"""Encoding as the page asks for it: regions, sizes, and who else gets as many bytes."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regio.app.choices import Choices, Region, box_of, inside, region_of, usual_size
from regio.app.coding import codec_names, compress, picture_bytes
from regio.app.rivals import rivals
from regio.errors import UsageError
from regio.images import Picture, read_picture
from regio.info import inspect

Photo = Callable[..., Image.Image]
CHOICES = Choices("stand-in", 5000)


@pytest.fixture
def picture(photo: Photo) -> Picture:
    return read_picture(photo(48, 32))


def quiet(share: float, what: str) -> None:
    """Progress that nobody watches."""


def test_the_codec_gets_what_was_chosen(stand_in: ModuleType, picture: Picture) -> None:
    codec = stand_in.load()
    compress(picture, CHOICES, codec)
    assert codec.calls[-1] == {"max_bytes": 5000}
    compress(picture, replace(CHOICES, region=Region.BOX, box="8, 4, 20, 10", strength=30, keep_metadata=False), codec)
    call = codec.calls[-1]
    assert call.keys() == {"max_bytes", "roi", "roi_strength", "strip"}
    assert call["roi_strength"] == 30
    assert call["roi"].values.sum() == 255 * 200
    assert call["roi"].values[4:14, 8:28].all()


def test_paint_of_another_size_is_brought_to_the_picture(stand_in: ModuleType, picture: Picture) -> None:
    painted = np.zeros((64, 96), np.uint8)
    painted[:, 48:] = 120  # half-transparent paint is paint
    made = compress(picture, replace(CHOICES, region=Region.PAINTED, painted=painted), stand_in.load())
    assert made.mask is not None
    assert made.mask.shape == (32, 48)
    assert not made.mask[:, :23].any()
    assert made.mask[:, 25:].all()


def test_nothing_painted_is_said(picture: Picture) -> None:
    for painted in (None, np.zeros((32, 48), np.uint8)):
        with pytest.raises(UsageError, match="Nothing is painted"):
            region_of(replace(CHOICES, region=Region.PAINTED, painted=painted), picture)


def test_a_detector_that_finds_nothing_leaves_an_even_file_and_a_note(
    stand_in: ModuleType, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regio.regions.sources.of_faces", lambda pixels: (np.zeros(pixels.shape[:2], np.uint8), 0))
    codec = stand_in.load()
    made = compress(picture, replace(CHOICES, region=Region.FACES), codec)
    assert codec.calls[-1] == {"max_bytes": 5000}
    assert made.notes == ("faces: none found; the bytes are spread evenly",)
    assert made.mask is None


def test_the_file_decodes_to_what_is_shown_and_keeps_metadata(stand_in: ModuleType, photo: Photo) -> None:
    image = photo(48, 32, "RGBA")
    image.info["icc_profile"] = b"\0" * 16 + b"RGB " + bytes(range(100))
    made = compress(read_picture(image), CHOICES, stand_in.load())
    assert made.decoded.mode == "RGBA"
    assert np.array_equal(np.asarray(made.decoded), np.asarray(image))
    assert made.decoded.info["icc_profile"] == image.info["icc_profile"]
    assert inspect(made.data).metadata == ("icc",)
    aside = picture_bytes(made.info)
    assert 0 < aside < len(made.data) - 100  # neither the profile nor opacity
    assert np.array_equal(made.version.pixels, np.asarray(image.convert("RGB")))


def test_rivals_get_no_more_bytes_than_the_picture_takes(stand_in: ModuleType, photo: Photo) -> None:
    made = compress(read_picture(photo(160, 120)), CHOICES, stand_in.load())
    steps: list[float] = []
    found = rivals(made, lambda share, what: steps.append(share), names=("jpeg", "webp"))
    assert [one.name for one in found] == ["JPEG", "WebP"]
    assert all(one.size <= picture_bytes(made.info) and one.fits for one in found)
    assert all(one.pixels.shape == (120, 160, 3) for one in found)
    assert steps == sorted(steps)
    assert steps[0] == 0
    assert steps[-1] < 1


def test_a_rival_without_so_small_a_file_is_marked(stand_in: ModuleType, picture: Picture) -> None:
    made = compress(picture, CHOICES, stand_in.load())
    tiny = replace(made, info=replace(made.info, bytes_total=50, parts={}))
    (jpeg,) = rivals(tiny, quiet, names=("jpeg",))
    assert not jpeg.fits
    assert jpeg.size > 50


def test_a_rival_that_this_pillow_lacks_is_left_out(
    stand_in: ModuleType, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compress(picture, CHOICES, stand_in.load())
    monkeypatch.setattr("PIL.features.check", lambda name: name != "avif")
    assert [one.name for one in rivals(made, quiet)] == ["JPEG", "WebP"]


def test_a_codec_of_one_rate_is_not_asked_for_a_size(stand_in: ModuleType, picture: Picture) -> None:
    codec: Any = stand_in.load()
    codec.net = SimpleNamespace(rated=False)
    made = compress(picture, CHOICES, codec)
    assert codec.calls[-1] == {}
    assert made.notes == ("stand-in has one rate: the size cannot be chosen",)


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "1.5,2,3,4", "x 1 2 3 4", None, f"1,2,3,{10**9}", "9" * 5000 + ",1,1,1"],
)
def test_a_box_is_four_whole_numbers(text: str | None) -> None:
    with pytest.raises(UsageError, match="four whole numbers"):
        box_of(text)


def test_boxes_are_read_however_they_are_separated() -> None:
    assert box_of("40,60,200,120") == box_of(" 40 60  200;120 ") == (40, 60, 200, 120)


def test_a_region_of_everything_divides_nothing(picture: Picture) -> None:
    whole = region_of(replace(CHOICES, region=Region.PAINTED, painted=np.ones((32, 48), np.uint8)), picture)
    assert inside(whole) is None
    assert inside(None) is None


def test_the_usual_size_counts_what_comes_along(picture: Picture) -> None:
    assert usual_size(picture) == 48  # 0.25 bits for each of 1536 pixels
    with_profile = replace(picture, icc=b"x" * 500)
    assert usual_size(with_profile) == 548
    assert usual_size(with_profile, keep_metadata=False) == 48


def test_the_default_codec_comes_first(stand_in: ModuleType) -> None:
    assert codec_names() == ["stand-in"]


def test_all_bundled_codecs_are_offered() -> None:
    from regio.models.catalog import CATALOG, DEFAULT

    assert codec_names()[0] == DEFAULT
    assert set(codec_names()) == {entry.name for entry in CATALOG.values()}


def test_without_a_size_it_asks_for_one_and_says_nothing_false(stand_in: ModuleType, picture: Picture) -> None:
    codec = stand_in.load()
    with pytest.raises(UsageError, match="Enter a size"):
        compress(picture, Choices("stand-in", None), codec)
    assert codec.calls == []
