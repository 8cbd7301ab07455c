"""Boxes, polygons, masks and labels become maps; what does not fit is one line."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regio.errors import UsageError
from regio.regions import Importance, Labels, Polygon, importance, read_labels

PIXELS = np.zeros((40, 60, 3), np.uint8)


def values(roi: Any) -> np.ndarray:
    found = importance(roi, PIXELS)
    assert found.values.dtype == np.uint8
    assert found.values.shape == (40, 60)
    return found.values


def test_a_box_is_white_inside_and_cut_at_the_picture() -> None:
    assert np.argwhere(values((10, 5, 2, 3))).tolist() == [[y, x] for y in (5, 6, 7) for x in (10, 11)]
    assert set(values((-5, -5, 7, 6)).nonzero()[1]) == {0, 1}
    assert values((50, 30, 100, 100)).sum() == 10 * 10 * 255
    assert values((np.int64(1), 2.0, 3, 4)).sum() == 12 * 255


@pytest.mark.parametrize("box", [(60, 0, 5, 5), (-5, 0, 5, 5), (0, 40, 5, 5), (0, 0, 0, 5), (0, 0, 5, -1)])
def test_a_box_outside_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match="outside the picture of 60 x 40"):
        importance(box, PIXELS)


@pytest.mark.parametrize("box", [(0.5, 0, 4, 4), (float("nan"), 0, 4, 4), (0, 0, float("inf"), 4)])
def test_a_box_is_four_whole_numbers(box: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="four whole numbers"):
        importance(box, PIXELS)


def test_a_polygon_is_filled() -> None:
    triangle = values(Polygon(((0, 0), (30, 0), (0, 30))))
    assert triangle[2, 2] == 255
    assert triangle[20, 20] == 0
    with pytest.raises(UsageError, match="outside"):
        importance(Polygon(((100, 100), (120, 100), (100, 120))), PIXELS)
    for corners in (((0, 0), (1, 1)), ((0, 0), (1, 1), (0, float("nan")))):
        with pytest.raises(UsageError, match="three corners"):
            Polygon(corners)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_masks_of_any_kind_mean_the_same(kind: Any) -> None:
    mask = np.zeros((40, 60), kind)
    mask[3:9, 4:8] = 255 if kind == np.uint8 else 1
    assert np.array_equal(values(mask), values((4, 3, 4, 6)))
    assert np.array_equal(values(mask[..., None]), values((4, 3, 4, 6)))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((40, 60)), "empty"),
        (np.full((40, 60), 2.0), "from 0 to 1"),
        (np.full((40, 60), np.nan), "from 0 to 1"),
        (np.ones((40, 60), np.int64), "not int64"),
        (np.ones((40, 60, 3), np.uint8), r"shape \(40, 60, 3\)"),
        (np.ones((0, 60), bool), "not one of shape"),
        (np.ones((60, 40), bool), "a mask of 40 x 60 does not fit a picture of 60 x 40"),
    ],
)
def test_what_is_no_mask_is_refused(mask: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        importance(mask, PIXELS)


def test_a_mask_of_another_size_is_scaled() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:15, 10:20] = True
    scaled = values(mask)
    assert scaled[20, 30] == 255
    assert scaled[5, 5] == 0
    assert abs(float(scaled.mean()) / 255 - 1 / 6) < 0.01


def test_painted_pictures_are_masks(tmp_path: Path) -> None:
    strokes = np.zeros((40, 60), np.uint8)
    strokes[10:20, 5:15] = 255
    expected = values(strokes)
    grey = Image.fromarray(strokes)
    clear = Image.new("RGBA", (60, 40))
    clear.paste((9, 9, 9, 255), (5, 10, 15, 20))
    deep = Image.fromarray(strokes.astype(np.uint16) * 257)
    for k, image in enumerate([grey, grey.convert("RGB"), clear, grey.convert("1"), grey.convert("P"), deep]):
        path = tmp_path / f"{k}.png"
        image.save(path)
        assert np.array_equal(values(path), expected), k
        assert np.array_equal(values(str(path)), expected)
        assert np.array_equal(values(image), expected)
    assert np.array_equal(values(io.BytesIO((tmp_path / "0.png").read_bytes())), expected)


def test_a_mask_that_is_lying_on_its_side_is_turned_as_its_tag_says(tmp_path: Path) -> None:
    strokes = np.zeros((40, 60), np.uint8)
    strokes[:5] = 255
    image = Image.fromarray(strokes).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(values(tmp_path / "a.png"), strokes)


def test_a_mask_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.new("L", (60, 40)).save(tmp_path / "empty.png")
    Image.new("L", (40, 60), 255).save(tmp_path / "bent.png")
    for name, message in {"a.png": "not a picture", "empty.png": "is empty", "bent.png": "bent.png: a mask of"}.items():
        with pytest.raises(UsageError, match=message) as caught:
            importance(tmp_path / name, PIXELS)
        assert "\n" not in str(caught.value)


def test_labels_matter_as_much_as_is_said(tmp_path: Path) -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[:10], labels[10:20] = 3, 700
    assert np.unique(values(Labels(labels, [3]))).tolist() == [0, 255]
    assert values(Labels(labels, {3: 1.0, 700: 0.5}))[15, 0] == 128
    with pytest.raises(UsageError, match="no label 4"):
        importance(Labels(labels, [4]), PIXELS)
    with pytest.raises(UsageError, match="0 to 1"):
        importance(Labels(labels, {3: 2.0}), PIXELS)
    with pytest.raises(UsageError, match="whole numbers"):
        importance(Labels(labels.astype(float), [3]), PIXELS)
    coded = np.stack([labels % 256, labels // 256, labels * 0], axis=2).astype(np.uint8)
    Image.fromarray(coded).save(tmp_path / "panoptic.png")
    assert np.array_equal(read_labels(tmp_path / "panoptic.png"), labels)
    indices = Image.fromarray((labels % 256).astype(np.uint8))
    indices.putpalette([7] * 768)
    indices.save(tmp_path / "palette.png")
    assert np.array_equal(read_labels(tmp_path / "palette.png"), labels % 256)
    Image.fromarray(coded).convert("LA").save(tmp_path / "grey.png")
    with pytest.raises(UsageError, match="of mode LA; use grey, palette or RGB"):
        read_labels(tmp_path / "grey.png")


def test_several_regions_are_one() -> None:
    both = importance([(0, 0, 5, 5), (10, 10, 5, 5), np.ones((40, 60)) * 0.2], PIXELS)
    assert np.array_equal(both.values, np.maximum(values([(0, 0, 5, 5), (10, 10, 5, 5)]), 51))
    assert both.what == "a box, a mask"
    assert importance(((0, 0, 5, 5), (10, 10, 5, 5)), PIXELS).values.sum() == 50 * 255
    with pytest.raises(UsageError, match="empty list"):
        importance([], PIXELS)


def test_a_finished_map_passes_if_it_is_the_pictures() -> None:
    ready = importance((0, 0, 5, 5), PIXELS)
    assert importance(ready, PIXELS) is ready
    with pytest.raises(UsageError, match="importance map is"):
        importance(Importance(np.zeros((4, 4), np.uint8), "other"), PIXELS)


def test_a_map_shows_itself() -> None:
    values = np.zeros((4, 10), np.uint8)
    values[:2] = 255
    found = Importance(values, "a box")
    assert repr(found) == "<Importance 10x4, a box, 50.0% of the picture>"
    with Image.open(io.BytesIO(found._repr_png_())) as image:
        np.testing.assert_array_equal(np.asarray(image), values)


MASKS = {
    "0 and 1": (0, 1),
    "0 and 2": (0, 2),
    "3 and 7": (3, 7),
    "0 and 128": (0, 128),
    "254 and 255": (254, 255),
    "0 and 255": (0, 255),
}


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "array"])
@pytest.mark.parametrize("name", list(MASKS))
def test_of_a_mask_with_two_values_the_larger_marks_the_region(tmp_path: Path, name: str, mode: str) -> None:
    rest, region = MASKS[name]
    mask = np.full((40, 60), rest, np.uint8)
    mask[5:20, 10:30] = region
    image = Image.fromarray(mask)
    if mode == "P":
        image.putpalette([c for n in range(256) for c in (n, n, n)])
    elif mode == "RGB":
        image = image.convert("RGB")
    image.save(tmp_path / "mask.png")
    found = importance(mask if mode == "array" else tmp_path / "mask.png", PIXELS).values
    assert np.array_equal(found, np.where(mask == region, 255, 0))


@pytest.mark.parametrize("highest", [2, 3, 7, 20, 32])
@pytest.mark.parametrize("as_file", [False, True])
def test_a_mask_that_looks_like_labels_is_refused_with_a_line(tmp_path: Path, highest: int, as_file: bool) -> None:
    mask = (np.arange(40 * 60).reshape(40, 60) % (highest + 1)).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with pytest.raises(UsageError, match=f"values from 0 to {highest}"):
        importance(tmp_path / "mask.png" if as_file else mask, PIXELS)


def test_a_mask_in_steps_is_kept_as_it_is() -> None:
    mask = (np.arange(40 * 60).reshape(40, 60) % 3 * 60).astype(np.uint8)
    assert np.array_equal(importance(mask, PIXELS).values, mask)


@pytest.mark.parametrize("name", ["mask.png", "mask.jpg", "mask"])
def test_a_mask_or_label_map_that_is_eps_is_not_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(UsageError, match="not a picture that can be read"):
        importance(tmp_path / name, PIXELS)
    with pytest.raises(UsageError, match="not a picture that can be read"):
        read_labels(tmp_path / name)
