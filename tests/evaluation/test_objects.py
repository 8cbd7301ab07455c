"""What a detector sees in versions of a picture, drawn by `regio compare`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from seeing import detector, network
from typer.testing import CliRunner

from regio.cli.compare import compare
from regio.data.importance import CocoInstances
from regio.errors import MissingWeights, UsageError
from regio.evaluation.compare import at_bytes
from regio.evaluation.contestants import OPPONENTS
from regio.evaluation.judges.agreement import Detector, Labeller, labeller_named
from regio.evaluation.judges.instances import Instances, instances_in
from regio.evaluation.objects import COLOURS, TINT, WIDTH, objects_sheet, people_saw, tinted, with_objects
from regio.evaluation.side_by_side import GAP


def app() -> typer.Typer:
    commands = typer.Typer()
    commands.command()(compare)
    commands.callback()(lambda: None)
    return commands


def coco(path: Path) -> Path:
    """Annotations of a.png: a wolf on the left, given for twice its size; and a class that nobody marked."""
    corners = [[0, 0, 40, 0, 40, 80, 0, 80]]
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": 80, "width": 100}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "segmentation": corners}],
        "categories": [{"id": 1, "name": "wolf"}, {"id": 2, "name": "owl"}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def found_in(pixels: np.ndarray, masked: bool = True) -> Instances:
    """Two objects of a picture of 40 x 50 pixels, the second unsure."""
    masks = np.zeros((2, 1, 40, 50), np.float32)
    masks[0, 0, 10:20, 10:30], masks[1, 0, 25:35, 5:45] = 0.9, 0.9
    boxes, labels = np.array([[10.0, 10, 30, 20], [5, 25, 45, 35]]), np.array([1, 2])
    given = [boxes, labels, np.array([0.9, 0.6]), masks]
    return instances_in(given if masked else given[:3], (40, 50), "x")


def test_objects_are_drawn_where_they_are_with_class_and_score() -> None:
    grey = np.full((40, 50, 3), 128, np.uint8)
    scale = WIDTH / 50
    shown = with_objects(grey, found_in(grey), {1: "wolf"})
    assert shown.shape == (384, WIDTH, 3)
    for label, x, y in ((1, 28, 18), (2, 40, 30)):  # inside, away from the lettering
        expected = (1 - TINT) * 128 + TINT * COLOURS[label]
        assert np.abs(shown[int(y * scale), int(x * scale)] - expected).max() <= 1
        edge = shown[int(35 * scale) if label == 2 else int(20 * scale), int(x * scale)]
        assert (edge == COLOURS[label]).all()
    assert (shown[: int(9 * scale)] == 128).all()  # nothing where nothing was found
    outlines = with_objects(grey, found_in(grey, masked=False), {1: "wolf"})
    assert (outlines[int(18 * scale), int(28 * scale)] == 128).all()  # a box without an area
    others = with_objects(grey, found_in(grey), {1: "lynx"})
    changed = np.argwhere((shown != others).any(-1))  # the name, and nothing else
    assert len(changed)
    assert changed.min(0).tolist() >= [int(10 * scale), int(10 * scale)]
    assert changed.max(0)[0] < 20 * scale
    unnamed = with_objects(grey, found_in(grey), {})
    assert (unnamed != shown).any()


def test_boxes_of_a_detector_with_a_size_of_its_own_are_scaled_to_the_picture() -> None:
    wide = np.full((80, 100, 3), 128, np.uint8)
    assert (with_objects(wide, found_in(wide), {}) == with_objects(wide[:40, :50], found_in(wide), {})).all()


def test_labels_have_colours_and_the_background_has_none() -> None:
    labels = np.array([[0, 3]])
    shown = tinted(np.full((2, 4, 3), 100, np.uint8), labels)
    assert (shown[:, :2] == 100).all()
    assert np.abs(shown[:, 2:] - ((1 - TINT) * 100 + TINT * COLOURS[2])).max() <= 1


def test_the_sheet_has_a_panel_for_people_original_and_each_version(tmp_path: Path) -> None:
    pixels = np.full((40, 50, 3), (250, 10, 200), np.uint8)
    versions = [at_bytes(pixels, OPPONENTS[name], 700) for name in ("jpeg", "webp")]
    people = people_saw(CocoInstances(coco(tmp_path / "instances.json")), "a.png", pixels)
    assert people is not None
    assert people.boxes.tolist() == [[0, 0, 41, 80]]
    assert people.size == (80, 100)
    seer = Detector("x", found_in)
    assert objects_sheet(pixels, versions, seer).width == GAP + 3 * (WIDTH + GAP)
    sheet = np.asarray(objects_sheet(pixels, versions, seer, people, {1: "wolf"}))
    assert sheet.shape[1] == GAP + 4 * (WIDTH + GAP)
    inside = sheet[-GAP - 30, GAP + 30]  # of what people marked, low on the left
    assert np.abs(inside - ((1 - TINT) * pixels[0, 0] + TINT * COLOURS[1])).max() <= 1
    assert people_saw(CocoInstances(tmp_path / "instances.json"), "b.png", pixels) is None
    labels = objects_sheet(pixels, versions, Labeller("y", lambda given: np.ones(given.shape[:2], np.int64)))
    assert labels.width == GAP + 3 * (WIDTH + GAP)


def test_compare_draws_what_an_onnx_detector_finds(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    Image.new("RGB", (50, 40), (250, 10, 200)).save(tmp_path / "a.png")
    command = ["compare", str(tmp_path / "a.png"), "--bpp", "3", "--codecs", "jpeg", "-o", str(tmp_path / "sheet.png")]
    command += ["--segmenter", detector(tmp_path / "rcnn.onnx"), "--truth", str(coco(tmp_path / "instances.json"))]
    result = CliRunner().invoke(app(), command)
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["codec", "jpeg"]
    with Image.open(tmp_path / "sheet.png") as opened:
        sheet = np.asarray(opened.convert("RGB"))
    assert sheet.shape[1] == GAP + 3 * (WIDTH + GAP)
    for panel in (1, 2):  # original and JPEG: the wolf's box, whose right edge is at 10 of 50 pixels, and the owl's
        left = GAP + panel * (WIDTH + GAP)
        for column, label in ((9.95, 1), (29.95, 2)):
            inked = (sheet[:, left + int(column * WIDTH / 50)] == COLOURS[label]).all(-1)
            assert inked.sum() > 50, (panel, label)


def test_what_cannot_be_drawn_is_said_before_any_work(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    Image.new("RGB", (50, 40)).save(tmp_path / "b.png")
    truth, rcnn = str(coco(tmp_path / "instances.json")), detector(tmp_path / "rcnn.onnx")
    start = ["compare", str(tmp_path / "b.png"), "--codecs", "jpeg", "--bpp", "3"]
    for options, kind, says in (
        (["--truth", truth], UsageError, "name one"),
        (["--segmenter", network(tmp_path / "net.onnx"), "--truth", truth], UsageError, "labels every pixel"),
        (["--segmenter", str(tmp_path / "none.onnx")], MissingWeights, "no such file"),
        (["--segmenter", rcnn, "--truth", rcnn], UsageError, "not COCO instances"),
    ):
        refused = CliRunner().invoke(app(), [*start, *options])
        assert isinstance(refused.exception, kind), refused.output
        assert says in str(refused.exception)
        assert not (tmp_path / "b.compare.png").exists()
    result = CliRunner().invoke(app(), [*start, "--segmenter", rcnn, "--truth", truth])
    assert result.exit_code == 0, result.output
    assert "does not list b.png" in " ".join(result.stderr.split())
    assert labeller_named(rcnn).name.startswith("rcnn.onnx")
