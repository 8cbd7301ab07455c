"""Label maps from every source."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared import SHARED, needs_shared

from regio.data.labels import MaskFolder, Panoptic, Segmented, segment
from regio.data.pictures import load_pictures
from regio.errors import UsageError
from regio.regions import read_labels

REAL = SHARED / "data" / "coco_panoptic"
BLANK = np.zeros((4, 6, 3), np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def halves(low: int, high: int) -> np.ndarray:
    """(4,6): left half `low`, right half `high`."""
    return np.repeat([[low] * 3 + [high] * 3], 4, axis=0)


def test_the_kinds_of_png_a_label_map_may_be(tmp_path: Path) -> None:
    expected = halves(5, 200)
    assert np.array_equal(read_labels(save(tmp_path / "grey.png", expected.astype(np.uint8))), expected)
    palette = Image.fromarray(expected.astype(np.uint8)).copy()
    palette.putpalette([c for n in range(256) for c in (255 - n, n // 2, 9)])
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_labels(tmp_path / "palette.png"), expected)  # the index, not the colour it stands for
    deep = save(tmp_path / "deep.png", halves(5, 40_000).astype(np.uint16))
    assert np.array_equal(read_labels(deep), halves(5, 40_000))
    ids = np.stack([halves(1, 2), halves(0, 1), halves(0, 3)], axis=2).astype(np.uint8)
    assert np.array_equal(read_labels(save(tmp_path / "colour.png", ids)), halves(1, 2 + 256 + 3 * 65536))


def test_a_label_map_that_does_not_fit_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = MaskFolder(tmp_path)
    save(tmp_path / "wide.png", np.zeros((4, 7), np.uint8))
    save(tmp_path / "alpha.png", np.zeros((4, 6, 2), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    for stem in ("wide", "alpha", "broken", "absent"):
        assert folder.find(Path(f"{stem}.jpg"), BLANK) is None
    assert [stem in caplog.text for stem in ("wide", "alpha", "broken", "absent")] == [True, True, True, False]
    with pytest.raises(UsageError, match="no such folder"):
        MaskFolder(tmp_path / "none")


@pytest.fixture
def panoptic(tmp_path: Path) -> Callable[..., Path]:
    """A function: writes the layout of COCO 2017 panoptic, with one picture."""

    def write(ids: np.ndarray, segments: list[int]) -> Path:
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        save(tmp_path / "panoptic_tiny" / "000000000042.png", colours)
        content = {
            "images": [{"id": 42, "file_name": "000000000042.jpg", "width": 6, "height": 4}],
            "annotations": [
                {
                    "image_id": 42,
                    "file_name": "000000000042.png",
                    "segments_info": [{"id": i, "category_id": 1, "iscrowd": 0, "area": 1} for i in segments],
                }
            ],
            "categories": [{"id": 1, "name": "thing", "isthing": 1}],
        }
        path = tmp_path / "panoptic_tiny.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


def test_panoptic_segments_are_regions_and_the_rest_is_one_more(panoptic: Callable[..., Path]) -> None:
    ids = halves(70_000, 300)
    ids[0] = 0  # unlabelled
    ids[1, 0] = 999  # in no segment
    found = Panoptic(panoptic(ids, [70_000, 300])).find(Path("train2017/000000000042.jpg"), BLANK)
    assert found is not None
    assert found.tolist() == [[0] * 6, [0, 2, 2, 1, 1, 1], [2, 2, 2, 1, 1, 1], [2, 2, 2, 1, 1, 1]]


def test_panoptic_annotations_that_are_none_are_refused(panoptic: Callable[..., Path], tmp_path: Path) -> None:
    known = Panoptic(panoptic(halves(1, 2), [1, 2]))
    assert known.find(Path("000000000043.jpg"), BLANK) is None
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "half.json").write_text('{"images": [', encoding="utf-8")
    for name in ("list.json", "half.json"):
        with pytest.raises(UsageError, match="not COCO panoptic annotations"):
            Panoptic(tmp_path / name)
    with pytest.raises(UsageError, match="No such file"):
        Panoptic(tmp_path / "none.json")


@needs_shared
def test_the_real_layout_of_coco() -> None:
    annotations = REAL / "panoptic_examples.json"
    found = load_pictures([REAL / "input_images"], 64, [Panoptic(annotations)])
    entries = json.loads(annotations.read_text(encoding="utf-8"))["annotations"]
    segments = {Path(entry["file_name"]).stem: len(entry["segments_info"]) for entry in entries}
    assert len(found.names) == found.labelled == 2
    for name, labels in zip(found.names, found.labels, strict=True):
        assert labels is not None
        assert int(labels.max()) + 1 - segments[Path(name).stem] in (0, 1)  # one more where pixels are unlabelled


def test_a_segmentation_separates_what_looks_different() -> None:
    pytest.importorskip("skimage")
    pixels = np.zeros((60, 800, 3), np.uint8)
    pixels[:, 400:] = (200, 40, 40)
    labels = segment(pixels)
    assert labels.shape == (60, 800)
    assert len(np.unique(labels[:, :380])) == len(np.unique(labels[:, 420:])) == 1  # but for where it is blurred
    assert labels[0, 0] != labels[0, -1]
    assert len(np.unique(segment(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)))) <= 1 / 0.006


def test_a_segmentation_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    source, pixels = Segmented(tmp_path / "kept"), np.zeros((40, 50, 3), np.uint8)
    pixels[20:] = 255
    first = source.find(Path("a/x.png"), pixels)
    monkeypatch.setattr("regio.data.labels.segment", lambda _: pytest.fail("made again"))
    again = source.find(Path("b/x.png"), pixels)
    assert first is not None
    assert again is not None
    assert first.tolist() == again.tolist()
    (kept,) = (tmp_path / "kept").iterdir()
    assert np.array_equal(read_labels(kept), first)
    monkeypatch.setattr("regio.data.labels.segment", lambda given: np.zeros(given.shape[:2], np.uint16))
    assert source.find(Path("x.png"), 255 - pixels) is not None  # another picture of the same name
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_the_first_source_that_knows_a_picture_is_believed(tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / "pictures" / f"{name}.png", np.zeros((64, 64, 3), np.uint8))
        save(tmp_path / "second" / f"{name}.png", np.repeat(np.uint8([[1], [2]]), 64, axis=1).repeat(32, axis=0))
    save(tmp_path / "first" / "a.png", np.zeros((64, 64), np.uint8))
    sources = [MaskFolder(tmp_path / "first"), MaskFolder(tmp_path / "second")]
    a, b = load_pictures([tmp_path / "pictures"], 64, sources).labels
    assert a is not None
    assert b is not None
    assert (int(a.max()), int(b.max())) == (0, 1)


FOREIGN = {
    "the first plane alone": lambda ids: (ids % 256).astype(np.uint8),
    "planes in another order": lambda ids: np.stack([ids * 0, ids // 256, ids % 256], 2).astype(np.uint8),
    "all unlabelled": lambda ids: np.zeros((*ids.shape, 3), np.uint8),
    "classes": lambda ids: (ids > 500).astype(np.uint8),
    "16 bits": lambda ids: (ids // 2).astype(np.uint16),
    "other ids": lambda ids: np.stack([ids % 256 + 1, ids // 256, ids * 0], 2).astype(np.uint8),
}


def foreign_set(folder: Path, form: Callable[[np.ndarray], np.ndarray], sound: int) -> Path:
    """Three pictures of 8 x 8 with panoptic labels, of which the first `sound` fit their annotations."""
    ids = np.repeat([[300] * 4 + [700] * 4], 8, axis=0)
    for k in range(3):
        save(folder / "pictures" / f"{k}.png", np.full((8, 8, 3), 40 * k, np.uint8))
        right = np.stack([ids % 256, ids // 256, ids * 0], 2).astype(np.uint8)
        save(folder / "panoptic" / f"{k}.png", right if k < sound else form(ids))
    entries = [{"image_id": k, "file_name": f"{k}.png", "segments_info": [{"id": 300}, {"id": 700}]} for k in range(3)]
    content = {"images": [{"id": k, "file_name": f"{k}.png"} for k in range(3)], "annotations": entries}
    (folder / "panoptic.json").write_text(json.dumps(content), encoding="utf-8")
    return folder / "panoptic.json"


@pytest.mark.parametrize("name", list(FOREIGN))
def test_panoptic_pngs_without_a_listed_id_are_counted_or_refused(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    for sound in (1, 0):
        source = Panoptic(foreign_set(tmp_path / str(sound), FOREIGN[name], sound))
        if sound:
            found = load_pictures([tmp_path / "1" / "pictures"], 8, [source])
            assert found.names == ["0.png"]
            assert "2 of 3 pictures have panoptic PNGs without any listed id" in caplog.text
        else:
            with pytest.raises(UsageError, match="3 of 3 pictures have panoptic PNGs without any listed id"):
                load_pictures([tmp_path / "0" / "pictures"], 8, [source])


def test_another_source_labels_what_a_foreign_panoptic_png_does_not(tmp_path: Path) -> None:
    source = Panoptic(foreign_set(tmp_path, FOREIGN["classes"], 1))
    for k in range(3):
        save(tmp_path / "masks" / f"{k}.png", np.eye(8, dtype=np.uint8))
    found = load_pictures([tmp_path / "pictures"], 8, [source, MaskFolder(tmp_path / "masks")])
    assert found.labelled == 3
