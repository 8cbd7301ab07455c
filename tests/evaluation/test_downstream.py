"""Networks that label pictures, made here byte by byte; a person's labels; FID with a stand-in for torch-fidelity."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import typer
from PIL import Image
from seeing import detector, network
from typer.testing import CliRunner

from regio.cli.evaluate import evaluate
from regio.errors import BadImage, MissingWeights, RegioError, UsageError
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.fidelity import PATCH, columns_of, fidelity, patches
from regio.evaluation.judges.agreement import DEVIATION, MEAN, Agreement, labeller_named, mean_iou
from regio.evaluation.judges.base import Setting
from regio.evaluation.judges.instances import agreement_of, instances_in
from regio.evaluation.judges.truth import Truth, TruthJudge
from regio.evaluation.judging import Judges
from regio.evaluation.sweep import sweep
from regio.images import Pixels


def test_an_onnx_network_labels_every_pixel(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    labeller = labeller_named(network(tmp_path / "open.onnx"))
    expected = ((pixels / 255 - MEAN) / DEVIATION).argmax(2)
    assert (labeller.labels(pixels) == expected).all()
    assert labeller.name.startswith("open.onnx ")
    fixed = labeller_named(network(tmp_path / "fixed.onnx", (4, 8)))
    halves = np.zeros((40, 16, 3), np.uint8)
    halves[:20, :, 0] = halves[20:, :, 2] = 255
    labels = fixed.labels(halves)
    assert labels.shape == (40, 16)
    assert (labels[:8] == 0).all()
    assert (labels[32:] == 2).all()


def test_an_onnx_detector_agrees_as_far_as_it_finds_the_same_objects(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    judge = Agreement(labeller_named(detector(tmp_path / "rcnn.onnx")))
    assert judge.description.startswith("rcnn.onnx ")

    def flat(*colour: int) -> np.ndarray:
        return np.full((40, 50, 3), colour, np.uint8)

    verdict = judge.prepare(flat(255, 0, 200), None)
    assert verdict(flat(250, 0, 190))["agreement"] == 1
    assert verdict(flat(250, 0, 0))["agreement"] == 0.5  # one of two is lost
    assert verdict(flat(0, 250, 0))["agreement"] == pytest.approx(1 / 3 / 2)  # overlaps by a third, one is lost
    assert verdict(flat(0, 0, 0))["agreement"] == 0
    assert np.isnan(judge.prepare(flat(0, 0, 0), None)(flat(0, 0, 0))["agreement"])


def test_masks_count_instead_of_boxes_and_other_outputs_are_refused(tmp_path: Path) -> None:
    masks = np.zeros((2, 1, 4, 4), np.float32)
    masks[0, 0, :2], masks[1, 0, 2:] = 0.9, 0.9
    boxes, labels = np.array([[0.0, 0, 4, 4], [0, 0, 4, 4]]), np.array([3, 3])
    one = instances_in([masks, np.array([0.9, 0.8]), labels, boxes], (4, 4), "x")
    assert agreement_of(one, instances_in([boxes[:1], labels[:1], np.array([0.6]), masks[1:]], (4, 4), "x")) == 0.5
    assert agreement_of(one, instances_in([boxes[:1], labels[:1], np.array([0.4]), masks[1:]], (4, 4), "x")) == 0
    small = instances_in([boxes, labels, np.array([0.9, 0.8]), masks[..., :2, :2]], (4, 4), "x")
    assert small.masks is None  # of another size than the picture: boxes count
    assert agreement_of(small, small) == 1
    with pytest.raises(UsageError, match=r"x: a detector must give boxes \(N,4\), labels \(N\) and scores \(N\)"):
        instances_in([boxes, labels, masks], (4, 4), "x")


def test_what_is_no_network_is_said_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(MissingWeights, match="not an ONNX network") as caught:
        labeller_named(str(tmp_path / "x.onnx"))
    assert "\n" not in str(caught.value)


@pytest.fixture
def torch_fidelity(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, dict[str, object]]]:
    """A stand-in whose FID is the number of patches and whose KID is the mean difference; records what it saw."""
    seen: list[tuple[int, int, dict[str, object]]] = []

    def calculate_metrics(input1: str, input2: str, **options: object) -> dict[str, float]:
        first, second = ([np.asarray(Image.open(p)) for p in sorted(Path(f).iterdir())] for f in (input1, input2))
        assert all(patch.shape == (PATCH, PATCH, 3) for patch in first + second)
        seen.append((len(first), len(second), options))
        difference = np.mean([abs(a.astype(float) - b).mean() for a, b in zip(first, second, strict=True)])
        return {"frechet_inception_distance": len(first), "kernel_inception_distance_mean": float(difference)}

    module = ModuleType("torch_fidelity")
    module.calculate_metrics = calculate_metrics  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)
    return seen


def test_fid_compares_the_patches_of_both_and_is_kept(torch_fidelity: list[object], tmp_path: Path) -> None:
    coarse = np.random.default_rng(1).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((600, 400), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    pictures, jpeg = {"a.png": tmp_path / "a.png"}, OPPONENTS["jpeg"]
    outcome = sweep(pictures, [jpeg], tmp_path / "s.csv", settings={"jpeg": [10, 90]})
    found = fidelity(outcome.rows, pictures, [jpeg], tmp_path / "fid.csv")
    assert [(one.setting, one.fid, one.patches) for one in found] == [(10, 3, 3), (90, 3, 3)]  # 2, and 1 in between
    assert found[0].kid > found[1].kid > 0
    assert fidelity(outcome.rows, pictures, [jpeg], tmp_path / "fid.csv") == found
    assert len(torch_fidelity) == 2  # the second time from the table
    assert columns_of(found)[0][-1] == "patches"


def test_patches_lie_on_two_grids() -> None:
    ramp = np.zeros((PATCH, 2 * PATCH, 3), np.uint8)
    assert [patch.shape for patch in patches(ramp)] == 2 * [(PATCH, PATCH, 3)]
    assert len(list(patches(np.zeros((2 * PATCH, 2 * PATCH, 3), np.uint8)))) == 5


def test_fid_without_patches_or_package_says_so(
    torch_fidelity: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    pictures, jpeg = {"a.png": tmp_path / "a.png"}, OPPONENTS["jpeg"]
    rows = sweep(pictures, [jpeg], tmp_path / "s.csv", settings={"jpeg": [10]}).rows
    with pytest.raises(UsageError, match="at least two patches"):
        fidelity(rows, pictures, [jpeg], tmp_path / "fid.csv")
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(RegioError, match="pip install torch-fidelity"):
        fidelity(rows, pictures, [jpeg], tmp_path / "fid.csv")


def test_the_shipped_detector_of_salient_objects_is_a_segmenter() -> None:
    pixels = np.full((90, 120, 3), 200, np.uint8)
    pixels[30:60, 40:80] = (180, 20, 20)
    labels = labeller_named("salient").labels(pixels)
    assert labels.shape == (90, 120)
    assert set(np.unique(labels)) == {0, 1}
    assert labels[45, 60] == 1
    assert mean_iou(labels, labeller_named("salient").labels(pixels)) == 1


def halves(top: int, bottom: int) -> Pixels:
    """40 x 16 pixels of two pure colours, which the network of `test_downstream` labels 0, 1 or 2."""
    pixels = np.zeros((40, 16, 3), np.uint8)
    pixels[:20, :, top] = pixels[20:, :, bottom] = 255
    return pixels


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Labels of a.png, of half its size: red above, blue below, but a person saw green in the lowest quarter."""
    (tmp_path / "masks").mkdir()
    labels = np.repeat(np.array([0] * 10 + [2] * 5 + [1] * 5, np.uint8)[:, None], 8, axis=1)
    Image.fromarray(labels).save(tmp_path / "masks" / "a.png")
    return tmp_path / "masks"


def test_labels_are_compared_with_a_persons_and_the_loss_with_what_the_original_has(
    tmp_path: Path, masks: Path
) -> None:
    pytest.importorskip("onnxruntime")
    judge = TruthJudge.make(Setting(segmenter=network(tmp_path / "net.onnx"), truth=masks))
    assert judge.description.startswith("net.onnx ")
    assert judge.description.endswith(" against masks")
    original = Judges((judge,)).look_at("sub/a.png", halves(0, 2))
    best = (1 + 1 / 2 + 0) / 3  # red whole, blue on twice its area, green nowhere
    same, red = original.figures(halves(0, 2)), original.figures(halves(0, 0))
    assert (same["truth"], same["truth_lost"]) == pytest.approx((best, 0))
    assert (red["truth"], red["truth_lost"]) == pytest.approx((0.5 / 3, best - 0.5 / 3))


def test_the_parts_of_a_face_become_one_map(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for part, box in (("skin", (0, 0, 8, 6)), ("nose", (3, 3, 5, 5)), ("hair", (0, 0, 8, 1))):
        mask = np.zeros((8, 8), np.uint8)
        mask[box[1] : box[3], box[0] : box[2]] = 255
        Image.fromarray(mask).save(tmp_path / "0" / f"00007_{part}.png")
    found = Truth(tmp_path).labels("7.jpg", (16, 16))
    expected = np.zeros((8, 8), int)
    expected[:6], expected[3:5, 3:5], expected[:1] = 1, 10, 17  # skin, nose, hair: the data set's numbers
    assert (found == expected.repeat(2, 0).repeat(2, 1)).all()
    with pytest.raises(BadImage, match=r"has no labels of 8\.jpg"):
        Truth(tmp_path).labels("8.jpg", (16, 16))


def test_what_cannot_be_compared_is_refused_in_one_line(tmp_path: Path, masks: Path) -> None:
    pytest.importorskip("onnxruntime")
    segmenter = network(tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="--truth needs a --segmenter"):
        TruthJudge.make(Setting(truth=masks))
    with pytest.raises(UsageError, match="there is no folder"):
        TruthJudge.make(Setting(segmenter=segmenter, truth=tmp_path / "nothing"))
    with pytest.raises(UsageError, match="finds objects; a segmenter that labels every pixel is wanted"):
        TruthJudge.make(Setting(segmenter=detector(tmp_path / "objects.onnx"), truth=masks))
    with pytest.raises(BadImage, match=r"the labels of a\.png are of 8 x 20 pixels, the picture of 40 x 40"):
        Truth(masks).labels("a.png", (40, 40))


def test_evaluate_prints_the_figure_and_skips_what_nobody_labelled(tmp_path: Path, masks: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "in").mkdir()
    for name in ("a", "unknown"):
        Image.fromarray(halves(0, 2)).save(tmp_path / "in" / f"{name}.png")
    command = ["evaluate", str(tmp_path / "in"), "--codecs", "jpeg", "--settings", "jpeg=90", "--crops", "0"]
    command += ["--segmenter", network(tmp_path / "net.onnx"), "--truth", str(masks), "-o", str(tmp_path / "out")]
    commands = typer.Typer()
    commands.command()(evaluate)
    commands.callback()(lambda: None)
    result = CliRunner().invoke(commands, command)
    assert result.exit_code == 0, result.output
    assert "true mIoU" in result.stdout
    assert "masks has no labels of unknown.png" in " ".join(result.stderr.split())
    with (tmp_path / "out" / "sweep.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (float(row["truth"]), float(row["truth_lost"])) == pytest.approx((0.5, 0), abs=0.01)
