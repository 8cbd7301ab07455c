"""Regions of interest from boxes and from masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regio.errors import UsageError
from regio.evaluation.marks import read_marks


def boxes(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_boxes_of_a_picture_are_united_and_remarks_passed_over(tmp_path: Path) -> None:
    marks = read_marks(
        boxes(tmp_path / "m.json", {"_": "by hand", "a": {"face": [1, 2, 3, 1], "text": [[0, 0, 1, 1], [5, 3, 1, 2]]}})
    )
    region = marks.mask("sub/a.png", 5, 6)
    assert region is not None
    assert "\n".join("".join("#" if p else "." for p in row) for row in region) == (
        "#.....\n"
        "......\n"
        ".###..\n"
        ".....#\n"
        ".....#"
    )  # fmt: skip
    assert marks.mask("b.png", 5, 6) is None
    assert marks.identity("b.png") == ""
    assert marks.identity("a.png").startswith("region ")


def test_masks_lie_in_a_folder_under_the_names_of_the_pictures(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 127, 128, 255]], np.uint8)).save(tmp_path / "a.png")
    marks = read_marks(tmp_path)
    assert marks.mask("a.jpg", 1, 4).tolist() == [[False, False, True, True]]  # type: ignore[union-attr]
    before = marks.identity("a.jpg")
    Image.fromarray(np.array([[255, 127, 128, 255]], np.uint8)).save(tmp_path / "a.png")
    assert marks.identity("a.jpg") != before
    with pytest.raises(UsageError, match=r"4 x 1 pixels, but a.jpg has 5 x 1"):
        marks.mask("a.jpg", 1, 5)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1], "not a file of boxes"),
        ({"a": {"face": [1, 2, 3]}}, "a box is"),
        ({"a": {"face": [1, 2, 3.5, 4]}}, "a box is"),
        ({"a": {"face": [-1, 2, 3, 4]}}, "outside every picture"),
        ({"a": {"face": [1, 2, 0, 4]}}, "outside every picture"),
        ({"a": {"face": 7}}, "a box is"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_marks(boxes(tmp_path / "m.json", content))
    assert "\n" not in str(caught.value)


def test_boxes_beyond_the_picture_and_empty_folders_are_refused(tmp_path: Path) -> None:
    marks = read_marks(boxes(tmp_path / "m.json", {"a": {"face": [3, 0, 3, 1]}}))
    with pytest.raises(UsageError, match="reaches beyond a"):
        marks.mask("a.png", 5, 5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no masks here"):
        read_marks(tmp_path / "empty")
    with pytest.raises(UsageError, match="not a file of boxes"):
        read_marks(tmp_path / "nowhere.json")
