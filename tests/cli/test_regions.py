"""Regions of interest on the command line: the map, and what reaches the codec."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regio.cli.regions import roi_of
from regio.data.importance import ImportanceFolder
from regio.errors import UsageError
from regio.evaluation.marks import read_marks
from regio.regions import Labels

Regio = Callable[..., Any]
PictureFile = Callable[..., Path]


def test_a_box_is_shown_as_a_map(regio: Regio, picture_file: PictureFile) -> None:
    picture = picture_file(width=24, height=16)
    done = regio("regions", picture, "--roi-box", "2,3,4,5", "--roi-box", "20,0,4,1", "--json")
    assert done.code == 0
    (record,) = done.records
    assert record["target"].endswith(".roi.png")
    assert (record["roi"], record["found"]) == ("a box", True)
    assert record["share"] == pytest.approx(24 / (24 * 16))
    with Image.open(record["target"]) as image:
        assert (image.mode, image.size) == ("L", (24, 16))
        values = np.asarray(image)
    assert values.sum() == 24 * 255
    assert values[3:8, 2:6].min() == 255


def test_what_is_shown_can_be_given_back(regio: Regio, picture_file: PictureFile, stand_in: ModuleType) -> None:
    picture = picture_file(width=24, height=16)
    assert regio("regions", picture, "--roi-box", "2,3,4,5", "-o", "map.png").code == 0
    assert regio("encode", picture, "--roi", "map.png", "--roi-strength", "12", "-q", "40").code == 0
    call = next(iter(stand_in.LOADED.values())).calls[-1]
    assert (call["quality"], call["roi_strength"]) == (40, 12)
    assert call["roi"].values.sum() == 20 * 255


def test_maps_in_a_folder_have_the_names_that_training_and_marks_look_for(
    regio: Regio, picture_file: PictureFile, tmp_path: Path
) -> None:
    for name in ("in/p0.jpg", "in/more/p1.png"):
        picture_file(name, width=24, height=16)
    assert regio("regions", tmp_path / "in", "--roi-box", "2,3,4,5", "-o", tmp_path / "maps").code == 0
    assert {path.relative_to(tmp_path / "maps").as_posix() for path in (tmp_path / "maps").rglob("*.png")} == {
        "p0.png", "more/p1.png"
    }  # fmt: skip
    trained = ImportanceFolder(tmp_path / "maps").find(tmp_path / "in/p0.jpg", (16, 24))
    assert trained is not None
    assert int(trained.sum()) == 20 * 255
    marks = read_marks(tmp_path / "maps")
    for name in ("p0.jpg", "more/p1.png"):
        mask = marks.mask(name, 16, 24)
        assert mask is not None
        assert mask.sum() == 20
        assert marks.identity(name).startswith("region ")
    assert marks.mask("elsewhere/p1.png", 16, 24) is None
    again = regio("regions", tmp_path / "in", "--roi-box", "2,3,4,5", "-o", tmp_path / "in")
    assert (again.code, "would be written over itself" in again.err) == (2, True)


def test_an_overlay_is_the_picture_darker_outside(regio: Regio, picture_file: PictureFile) -> None:
    picture = picture_file(width=24, height=16)
    assert regio("regions", picture, "--roi-box", "0,0,12,16", "-o", "over.png", "--overlay").code == 0
    with Image.open(picture) as before, Image.open("over.png") as after:
        original, shaded = np.asarray(before.convert("RGB")).astype(int), np.asarray(after).astype(int)
    assert np.abs(shaded[:, :12] - original[:, :12]).max() <= 1
    assert np.abs(shaded[:, 12:] - original[:, 12:] / 4).max() <= 1


def test_background_and_labels_reach_the_codec(regio: Regio, picture_file: PictureFile, stand_in: ModuleType) -> None:
    picture = picture_file(width=24, height=16)
    labels = np.zeros((16, 24), np.uint8)
    labels[:, :6] = 9
    Image.fromarray(labels).save("labels.png")
    done = regio(
        "encode", picture, "--roi", "labels.png", "--roi-label", "9", "-q", "50", "--background", "20", "--json"
    )
    assert done.code == 0
    assert done.records[0]["roi"] == "labels"
    call = next(iter(stand_in.LOADED.values())).calls[-1]
    assert call["background"] == 20
    assert np.array_equal(call["roi"].values, (labels > 0) * 255)


def test_a_detector_that_finds_nothing_is_noted(regio: Regio, picture_file: PictureFile) -> None:
    pytest.importorskip("cv2")
    done = regio("encode", picture_file(), "--roi", "faces")
    assert done.code == 0
    assert "faces: none found; coded evenly" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("regions",), 2, "say what matters"),
        (("regions", "--roi", "cats"), 2, "'cats' is neither a file nor one of"),
        (("regions", "--roi-box", "1,2,3"), 2, "x,y,width,height"),
        (("regions", "--roi-box", "100,0,3,3"), 2, "outside the picture"),
        (("regions", "--roi-label", "3"), 2, "needs one label map"),
        (("regions", "--roi", "nowhere.png", "--roi-label", "3"), 2, "no such label map"),
        (("encode", "--roi-box", "0,0,3,3", "--roi-strength", "5", "--background", "3"), 2, "contradict"),
        (("encode", "--roi", "none.onnx"), 4, "none.onnx"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    regio: Regio, picture_file: PictureFile, arguments: tuple[str, ...], code: int, message: str
) -> None:
    picture = picture_file()
    if "none.onnx" in arguments:
        pytest.importorskip("onnxruntime")
    done = regio(arguments[0], picture, *arguments[1:])
    assert done.code == code
    assert message in done.err
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == [picture.name]


def test_nothing_wanted_is_none() -> None:
    assert roi_of(None, None, None) is None
    assert roi_of([], [], []) is None
    assert roi_of(["faces"], ["1,2,3,4"], None) == [(1, 2, 3, 4), "faces"]
    with pytest.raises(UsageError, match="needs one"):
        roi_of(["a", "b"], None, [1])


def test_labels_stand_beside_boxes(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    box, labels = roi_of([str(tmp_path / "a.png")], ["1,2,3,4"], [7]) or ()
    assert box == (1, 2, 3, 4)
    assert isinstance(labels, Labels)
