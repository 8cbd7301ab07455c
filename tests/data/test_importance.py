"""What matters in a picture, from grey files, COCO's instances and CelebAMask-HQ's masks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from regio.data.importance import CocoInstances, FaceParts, ImportanceFolder, importance_source
from regio.errors import UsageError

SIZE = (20, 30)  # rows, columns


def grey(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def instances(folder: Path, *shapes: Any, pictures: tuple[str, ...] = ("7.jpg", "8.jpg")) -> Path:
    """A file in which all shapes belong to the first picture."""
    images = [{"id": n, "file_name": name, "height": 20, "width": 30} for n, name in enumerate(pictures)]
    annotations = [
        {"id": n, "image_id": 0, "category_id": 3, "bbox": [0, 0, 1, 1], "segmentation": s}
        for n, s in enumerate(shapes)
    ]
    path = folder / "instances.json"
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": annotations}), encoding="utf-8")
    return path


def test_polygons_and_runs_of_coco_instances_are_filled(tmp_path: Path) -> None:
    square, strip = [[2, 3, 9, 3, 9, 12, 2, 12]], {"counts": [20 * 25, 20 * 2, 20 * 3], "size": [20, 30]}
    found = importance_source(instances(tmp_path, square, strip)).find(Path("train2017/7.jpg"), SIZE)
    expected = torch.zeros(SIZE, dtype=torch.uint8)
    expected[3:13, 2:10] = 255  # Pillow fills the edge as well
    expected[:, 25:27] = 255  # runs go down the columns
    assert found is not None
    assert torch.equal(found, expected)


def test_a_listed_picture_without_objects_has_an_empty_map(tmp_path: Path) -> None:
    source = CocoInstances(instances(tmp_path, [[1, 1, 5, 1, 5, 5]], [[1, 1, 2, 2]]))  # the second is no area
    empty = source.find(Path("8.jpg"), SIZE)
    assert empty is not None
    assert not empty.any()
    assert source.find(Path("9.jpg"), SIZE) is None
    other = source.find(Path("7.jpg"), (40, 60))
    assert other is not None
    assert other.shape == (40, 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not COCO instances"),
        ("{}", "not COCO instances"),
        ('{"images": [], "annotations": [{"image_id": 4, "segmentation": []}]}', "not COCO instances"),
        ('{"images": [], "annotations": [{"image_id": 4, "segmentation": {"counts": "a"}}]}', "compressed run lengths"),
    ],
)
def test_other_json_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        importance_source(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="No such file"):
        importance_source(tmp_path / "none.json")


def test_the_masks_of_a_face_are_joined(tmp_path: Path) -> None:
    left, right = np.zeros(SIZE), np.zeros(SIZE)
    left[:, :5], right[:, 9:] = 255, 255
    grey(tmp_path / "0" / "00012_skin.png", left)
    grey(tmp_path / "0" / "00012_hair.png", right)
    grey(tmp_path / "1" / "02003_nose.png", right)
    source = importance_source(tmp_path)
    assert isinstance(source, FaceParts)
    found = source.find(Path("CelebA-HQ-img/12.jpg"), (1024, 1024))
    assert found is not None
    assert torch.equal(found, torch.from_numpy((left + right).astype(np.uint8)))
    second = source.find(Path("2003.jpg"), (1024, 1024))
    assert second is not None
    assert int((second > 0).sum()) == 20 * 21
    assert source.find(Path("13.jpg"), SIZE) is None
    assert source.find(Path("face.jpg"), SIZE) is None


def test_grey_files_are_as_ever(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    grey(tmp_path / "a.png", np.full(SIZE, 9))
    (tmp_path / "b.png").write_bytes(b"nothing")
    source = importance_source(tmp_path)
    assert isinstance(source, ImportanceFolder)
    found = source.find(Path("a.jpg"), (40, 60))
    assert found is not None
    assert found.shape == SIZE
    assert source.find(Path("a.jpg"), (60, 40)) is None
    assert source.find(Path("b.jpg"), SIZE) is None
    assert [name in caplog.text for name in ("a.png is left out", "b.png is left out")] == [True, True]
    with pytest.raises(UsageError, match="no such folder of importance maps"):
        importance_source(tmp_path / "none")
