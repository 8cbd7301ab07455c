"""Pictures coded at half and quarter size: the enlargement is that of the format, and the search takes what is best."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from toy_codec import paper, picture, tiling, toy

import regio
from regio.codec import Codec, preparation, scale
from regio.codec.layout import Box, Span
from regio.errors import CorruptFile, LimitExceeded, RegioError, UsageError
from regio.format import Limits, parse
from regio.models.catalog import DEFAULT
from regio.regions import Importance

Plane = NDArray[np.uint8]
MODELS: dict[str, Callable[[], Codec]] = {"toy": toy, "paper": paper}
WEIGHTS = {
    2: [(-3, (2, -17, 69, 228, -34, 8)), (-2, (8, -34, 228, 69, -17, 2))],
    4: [
        (-3, (4, -27, 112, 197, -38, 8)),
        (-3, (0, -8, 31, 250, -22, 5)),
        (-2, (5, -22, 250, 31, -8, 0)),
        (-2, (8, -38, 197, 112, -27, 4)),
    ],
}


def all_of(height: int, width: int) -> Box:
    return Box(Span(0, height), Span(0, width))


def noise(height: int, width: int, factor: int) -> Plane:
    """The coded picture of one of height x width."""
    size = (-(-height // factor), -(-width // factor), 3)
    return np.random.default_rng(height * 41 + width).integers(0, 256, size, np.uint8)


def enlarged(small: Plane, height: int, width: int, log2_scale: int) -> Plane:
    return scale.larger(small, all_of(*small.shape[:2]), all_of(height, width), log2_scale)


def as_the_page_says(small: Plane, height: int, width: int, factor: int) -> Plane:
    """The enlargement of docs/format.md, pixel by pixel."""
    out = np.zeros((height, width, 3), np.uint8)
    rows, columns = small.shape[:2]
    for y, x in np.ndindex(height, width):
        (top, down), (left, across) = WEIGHTS[factor][y % factor], WEIGHTS[factor][x % factor]
        total = np.zeros(3, np.int64)
        for i, j in np.ndindex(6, 6):
            row = min(max(y // factor + top + i, 0), rows - 1)
            column = min(max(x // factor + left + j, 0), columns - 1)
            total += down[i] * across[j] * small[row, column].astype(np.int64)
        out[y, x] = np.clip((total + 32768) // 65536, 0, 255)
    return out


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (9, 14), (17, 7)])
@pytest.mark.parametrize("log2_scale", [1, 2])
def test_pictures_are_enlarged_as_the_page_says(log2_scale: int, height: int, width: int) -> None:
    small = noise(height, width, 1 << log2_scale)
    expected = as_the_page_says(small, height, width, 1 << log2_scale)
    assert np.array_equal(enlarged(small, height, width, log2_scale), expected)


@pytest.mark.parametrize("log2_scale", [1, 2])
def test_the_weights_are_lanczos_and_keep_flat_areas_flat(log2_scale: int) -> None:
    factor = 1 << log2_scale
    for k, taps in enumerate(scale.TAPS[log2_scale]):
        x = np.arange(-3, 3) - ((k + 0.5) / factor - 0.5)
        exact = np.sinc(x) * np.sinc(x / 3)
        assert np.abs(256 * exact / exact.sum() - taps).max() < 1.01  # rounded, and made to add up
        assert sum(taps) == 256
    for value in (0, 1, 77, 255):
        assert (enlarged(np.full((5, 4, 3), value, np.uint8), 5 * factor, 4 * factor, log2_scale) == value).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2), st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_part_has_the_pixels_of_the_whole(log2_scale: int, height: int, width: int, data: st.DataObject) -> None:
    small = noise(height, width, 1 << log2_scale)
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    region, coded = Box(Span(top, bottom), Span(left, right)), all_of(*small.shape[:2])
    seen = scale.under(region, log2_scale, coded)
    part = scale.larger(np.ascontiguousarray(small[seen.seen_from(coded)]), seen, region, log2_scale)
    assert np.array_equal(part, enlarged(small, height, width, log2_scale)[top:bottom, left:right])


def test_a_tall_picture_is_enlarged_in_strips_without_seams() -> None:
    small = noise(600, 10, 2)
    assert np.array_equal(enlarged(small, 600, 10, 1)[500:540], as_the_page_says(small, 540, 10, 2)[500:])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(1, 1), (3, 130), (65, 63), (128, 192)])
@pytest.mark.parametrize(("chosen", "log2_scale"), [("1/2", 1), (0.25, 2)])
def test_a_picture_coded_smaller_decodes_at_its_size(
    name: str, size: tuple[int, int], chosen: Any, log2_scale: int
) -> None:
    codec, pixels = MODELS[name](), picture(*size)
    data = codec.encode(pixels, scale=chosen)
    header = parse(data).header
    assert (header.height, header.width, header.log2_scale) == (*size, log2_scale)
    small = codec.decode(codec.encode(scale.smaller(pixels, log2_scale)), as_="numpy")
    assert np.array_equal(codec.decode(data, as_="numpy"), enlarged(small, *size, log2_scale))
    codec.verify(data)
    assert regio.inspect(data).scale == 0.5**log2_scale


@pytest.mark.parametrize("tiled", [False, True])
def test_regions_of_it_are_decoded_alone(tiled: bool) -> None:
    codec, pixels = toy(), picture(300, 420)
    if tiled:
        with tiling(6, 64):
            data = codec.encode(pixels, scale="1/2")
    else:
        data = codec.encode(pixels, scale="1/2")
    assert (parse(data).tiles is not None) == tiled
    whole = codec.decode(data, as_="numpy")
    for x, y, width, height in [(0, 0, 420, 300), (417, 297, 3, 3), (5, 6, 1, 1), (100, 33, 77, 200), (127, 0, 2, 300)]:
        part = codec.decode(data, as_="numpy", region=(x, y, width, height))
        assert np.array_equal(part, whole[y : y + height, x : x + width])


def test_opacity_and_grey_keep_the_full_size() -> None:
    grey = Image.fromarray(picture(90, 70)[..., 0])
    grey.putalpha(Image.fromarray(np.tile(np.arange(70, dtype=np.uint8), (90, 1))))
    back = toy().decode(toy().encode(grey, scale="1/4"))
    assert (back.mode, back.size) == ("LA", (70, 90))
    assert np.array_equal(np.asarray(back)[..., 1], np.asarray(grey)[..., 1])


def test_a_pixel_that_matters_is_not_lost_when_the_picture_shrinks() -> None:
    values = np.zeros((250, 250), np.uint8)
    values[249, 101] = 255
    small = preparation._smaller_map(Importance(values, "a pixel"), 2).values
    assert small.shape == (63, 63)
    assert np.argwhere(small).tolist() == [[62, 25]]
    assert small.max() == 255


def test_a_region_of_interest_moves_bytes_in_a_smaller_picture_too() -> None:
    pixels = picture(512, 512)
    plain = toy().encode(pixels, scale="1/2")
    data = toy().encode(pixels, scale="1/2", roi=(0, 0, 256, 512))
    assert parse(data).header.varies
    assert len(data) <= len(plain)
    errors = [np.square(toy().decode(file, as_="numpy").astype(float) - pixels) for file in (plain, data)]
    before, after = (error[:, :256].mean() / error[:, 256:].mean() for error in errors)
    assert after < before


@pytest.mark.parametrize("wrong", ["1/3", "half", 0, 2, 0.3, -1, float("nan"), [1], True, ""])
def test_other_scales_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="auto, 1, 1/2 or 1/4"):
        toy().encode(picture(64, 64), scale=wrong)


@pytest.mark.parametrize("same", ["auto", "1", 1, 1.0, " AUTO "])
def test_a_quality_is_coded_at_full_size_unless_told_otherwise(same: Any) -> None:
    pixels = picture(96, 96)
    assert toy().encode(pixels, quality=5, scale=same) == toy().encode(pixels, quality=5)


@pytest.mark.parametrize("chosen", ["1/2", "1/4"])
def test_every_prefix_and_every_flipped_bit_of_its_header_is_noticed(chosen: str) -> None:
    data = toy().encode(picture(70, 50), scale=chosen, quality=20)
    for cut in range(len(data)):
        with pytest.raises(CorruptFile):
            toy().decode(data[:cut])
    for bit in range(8 * parse(data).header.size):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RegioError):
            toy().decode(bytes(damaged))


def test_limits_count_the_picture_that_is_made() -> None:
    data = toy().encode(picture(256, 256), scale="1/4")
    with pytest.raises(LimitExceeded):
        parse(data, Limits(pixels=256 * 256 - 1))
    parse(data, Limits(pixels=256 * 256, piece=64 * 64))


# What the search takes, with trained weights


def psnr(data: bytes, pixels: Plane) -> float:
    error = regio.decode(data, as_="numpy").astype(float) - pixels
    return float(10 * np.log10(255**2 / np.square(error).mean()))


@pytest.mark.weights
def test_the_best_scale_is_taken_where_bytes_are_few() -> None:
    codec, pixels, budget = regio.load(DEFAULT), picture(384, 512), int(384 * 512 * 0.03 / 8)
    files = {}
    for chosen in ("1", "1/2", "1/4"):
        try:
            files[chosen] = codec.encode(pixels, max_bytes=budget, scale=chosen)
        except UsageError:
            assert chosen == "1"  # too few bytes for the whole size
    best = max(files.values(), key=lambda data: psnr(data, pixels))
    assert codec.encode(pixels, max_bytes=budget) == best
    assert len(best) <= budget
    assert parse(best).header.log2_scale > 0


@pytest.mark.weights
@pytest.mark.parametrize("size", [(3, 500), (256, 256), (200, 40)])
def test_bits_per_pixel_out_of_reach_give_the_smallest_file_of_all_scales(size: tuple[int, int]) -> None:
    codec, pixels = regio.load(DEFAULT), picture(*size)
    found = codec.encode_noted(pixels, target_bpp=0.001)
    smallest = min(len(codec.encode(pixels, quality=0, scale=scale)) for scale in ("1", "1/2", "1/4"))
    assert len(found.data) == smallest
    assert f"takes {8 * smallest / pixels[..., 0].size:.4g} bpp" in found.notes[0]


@pytest.mark.weights
def test_a_strict_target_is_met_by_a_smaller_size_where_the_whole_cannot() -> None:
    codec, pixels = regio.load(DEFAULT), picture(3, 500)
    least = len(codec.encode(pixels, quality=0, scale="1/4"))
    assert least < len(codec.encode(pixels, quality=0, scale=1))
    bpp = 8 * least / 1500
    assert len(codec.encode(pixels, target_bpp=bpp, strict=True)) <= 1.02 * least
    with pytest.raises(UsageError, match="is out of reach"):
        codec.encode(pixels, target_bpp=bpp, strict=True, scale=1)
    with pytest.raises(UsageError, match="is out of reach"):
        codec.encode(pixels, target_bpp=bpp / 2, strict=True)


@pytest.mark.weights
def test_a_poor_psnr_is_reached_with_no_more_bytes_than_at_full_size() -> None:
    codec, pixels = regio.load(DEFAULT), picture(256, 256)
    data = codec.encode(pixels, target_psnr=22)
    assert psnr(data, pixels) >= 22
    assert len(data) <= len(codec.encode(pixels, target_psnr=22, scale=1))


@pytest.mark.weights
def test_what_no_scale_can_hold_is_refused_with_the_least_that_is_possible() -> None:
    with pytest.raises(UsageError, match=r"12 bytes are too few: the smallest file of this picture takes \d\d"):
        regio.encode(picture(256, 256), max_bytes=12)


def test_a_psnr_out_of_reach_names_the_chosen_scale() -> None:
    pixels = picture(96, 96)
    for chosen, told in (("1/2", " at scale 1/2"), (1, " at scale 1"), (0.25, " at scale 1/4"), ("auto", "")):
        (note,) = toy().encode_noted(pixels, target_psnr=59, scale=chosen).notes
        assert note.startswith(f"59 dB is out of reach{told}: the best is ")


# Smaller pictures than the file's


def means_of_squares(whole: Plane, side: int) -> Plane:
    """The mean of each square, pixel by pixel; at the edge, the last row and column count as often as are missing."""
    rows, columns = whole.shape[:2]
    out = np.zeros((-(-rows // side), -(-columns // side), *whole.shape[2:]), np.uint8)
    for y, x in np.ndindex(*out.shape[:2]):
        down = np.minimum(np.arange(y * side, (y + 1) * side), rows - 1)
        across = np.minimum(np.arange(x * side, (x + 1) * side), columns - 1)
        total = whole[down][:, across].astype(int).sum(axis=(0, 1))
        out[y, x] = (total + side * side // 2) // side**2
    return out


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(1, 1), (65, 63), (130, 197)])
@pytest.mark.parametrize("coded", [1, 2, 4])
@pytest.mark.parametrize("wanted", [1, 2, 4])
def test_a_reduced_picture_is_what_is_coded_reduced_or_enlarged(
    name: str, size: tuple[int, int], coded: int, wanted: int
) -> None:
    codec, pixels = MODELS[name](), picture(*size)
    data = codec.encode(pixels, scale=1 / coded)
    found = codec.decode(data, as_="numpy", reduced=f"1/{wanted}" if wanted > 1 else "1")
    small = codec.decode(codec.encode(scale.smaller(pixels, coded.bit_length() - 1)), as_="numpy")
    if wanted >= coded:
        expected = means_of_squares(small, wanted // coded)
    else:
        height, width = (-(-side // wanted) for side in size)
        expected = enlarged(small, height, width, (coded // wanted).bit_length() - 1)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("chosen", ["1", "1/2"])
@pytest.mark.parametrize("wanted", [0.5, 0.25])
def test_a_region_of_a_reduced_picture_is_what_the_region_meets(chosen: str, wanted: float) -> None:
    codec, pixels, side = toy(), picture(300, 420), round(1 / wanted)
    with tiling(6, 64):
        data = codec.encode(pixels, scale=chosen)
        whole = codec.decode(data, as_="numpy", reduced=wanted)
        assert whole.shape == (300 // side, 420 // side, 3)
        for x, y, width, height in [(0, 0, 420, 300), (417, 297, 3, 3), (5, 6, 1, 1), (100, 33, 77, 200)]:
            part = codec.decode(data, as_="numpy", region=(x, y, width, height), reduced=wanted)
            right, bottom = -(-(x + width) // side), -(-(y + height) // side)
            assert np.array_equal(part, whole[y // side : bottom, x // side : right])


def test_opacity_grey_and_metadata_are_reduced_with_the_picture() -> None:
    grey = Image.fromarray(picture(90, 70)[..., 0])
    alpha = np.tile(np.arange(70, dtype=np.uint8), (90, 1))
    grey.putalpha(Image.fromarray(alpha))
    data = toy().encode(grey, scale="1/2")
    back = toy().decode(data, reduced="1/4")
    assert (back.mode, back.size) == ("LA", (18, 23))
    assert np.array_equal(np.asarray(back)[..., 1], means_of_squares(alpha, 4))
    assert regio.decode(data, codec=toy(), reduced=0.25).tobytes() == back.tobytes()


def test_a_reduced_picture_fits_a_memory_that_the_whole_does_not() -> None:
    with tiling(6, 64):
        huge = toy().encode(np.zeros((2048, 2048, 3), np.uint8))
        limit = "1k"  # less than this process has: the message names what is needed
        with pytest.raises(LimitExceeded) as whole:
            toy().decode(huge, max_memory=limit)
        with pytest.raises(LimitExceeded) as quarter:
            toy().decode(huge, max_memory=limit, reduced="1/4")
    needed = [int(str(error.value).split("about ")[1].split()[0]) for error in (whole, quarter)]
    assert needed[0] - needed[1] >= 20  # MiB; 7 bytes for each of 4 million pixels


@pytest.mark.parametrize("wrong", ["auto", "1/3", 2, 0, True, [1], "", float("nan")])
def test_other_reductions_are_refused(wrong: Any) -> None:
    data = toy().encode(picture(20, 20))
    with pytest.raises(UsageError, match=r"reduced=.*: must be 1, 1/2 or 1/4"):
        toy().decode(data, reduced=wrong)
