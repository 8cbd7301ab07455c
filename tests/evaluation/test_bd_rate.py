"""BD-rates with answers known beforehand, and the field's published files where they are at hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from shared import SHARED, needs_shared

from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, Fit, bd_rate, find_curves, fit_named, read_curve

ANCHORS = SHARED / "anchors" / "kodak"
BASE = Curve.through("base", [0.1, 0.2, 0.4, 0.8, 1.6], [26, 29, 32, 35, 38])


def scaled(factor: float) -> Curve:
    return Curve.through("scaled", [factor * rate for rate in BASE.rates], BASE.qualities)


@pytest.mark.parametrize("fit", ["pchip", "akima", "cubic"])
@pytest.mark.parametrize(("factor", "percent"), [(1, 0), (0.8, -20), (1.5, 50)])
def test_a_curve_at_a_constant_factor_of_the_rate_differs_by_that_factor(
    fit: Fit, factor: float, percent: float
) -> None:
    found = bd_rate(BASE, scaled(factor), fit=fit)
    assert found.percent == pytest.approx(percent, abs=1e-9)
    assert (found.low, found.high, found.points, found.note) == (26, 38, (5, 5), "")


def test_only_the_overlap_counts() -> None:
    # half the rate up to 32 dB, the same rate from there on; cut at 32 only the saving is left
    low = Curve.through("low", [0.05, 0.1, 0.2], [26, 29, 32])
    found = bd_rate(BASE, low)
    assert found.percent == pytest.approx(-50, abs=1e-9)
    assert (found.low, found.high) == (26, 32)


def test_curves_that_do_not_overlap_have_a_note_and_no_number() -> None:
    above = Curve.through("above", [1, 2, 3], [40, 41, 42])
    found = bd_rate(BASE, above)
    assert math.isnan(found.percent)
    assert found.note == "the curves do not overlap"


def test_too_few_points_have_a_note_and_no_number() -> None:
    found = bd_rate(BASE, Curve.through("two", [0.1, 1], [27, 36]), fit="cubic")
    assert math.isnan(found.percent)
    assert found.note == "cubic needs 4 points"
    assert bd_rate(BASE, Curve.through("none", [], [])).note == "pchip needs 2 points"


def test_points_that_do_not_pay_or_are_not_finite_are_left_out() -> None:
    curve = Curve.through("c", [0.4, 0.1, 0.2, 0.3, 0.5], [33, 30, 29.5, math.inf, 34])
    assert curve.rates == (0.1, 0.4, 0.5)
    assert curve.qualities == (30, 33, 34)


def test_quality_between_points_follows_the_logarithm_of_the_rate_and_ends_with_the_curve() -> None:
    assert BASE.quality_at(0.2) == pytest.approx(29)
    assert BASE.quality_at(math.sqrt(0.2 * 0.4)) == pytest.approx(30.5)
    assert math.isnan(BASE.quality_at(0.09))
    assert math.isnan(BASE.quality_at(1.7))


def test_a_result_file_in_the_shape_of_the_field_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(
        json.dumps({"name": "M", "results": {"bpp": [0.5, 0.2], "psnr-rgb": [33, 30], "ms-ssim-rgb": [0.99, 0.9]}})
    )
    assert read_curve(path) == Curve("mine", (0.2, 0.5), (30, 33))
    assert read_curve(path, "ms_ssim").qualities == pytest.approx((10, 20))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "not a result file"),
        ("{", "not a result file"),
        ('{"results": {"bpp": [1]}}', "no psnr-rgb"),
        ('{"results": {"bpp": [1], "psnr-rgb": [1, 2]}}', "1 rates but 2 qualities"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=says) as caught:
        read_curve(path)
    assert "\n" not in str(caught.value)


@needs_shared
def test_published_segpic_against_published_vtm_is_minus_9_7_percent() -> None:
    found = bd_rate(read_curve(ANCHORS / "published/vtm.json"), read_curve(ANCHORS / "published/segpic.json"))
    assert found.percent == pytest.approx(-9.7, abs=0.1)
    assert (found.low, found.high) == (29.24, 37.81)


@needs_shared
def test_every_recorded_bd_rate_is_reproduced() -> None:
    recorded = json.loads((ANCHORS / "bd_rates.json").read_text())["psnr_vs_vtm_published"]
    vtm = read_curve(ANCHORS / "published/vtm.json")
    files = {path.stem: path for path in ANCHORS.rglob("*.json")}
    for name, row in recorded.items():
        assert bd_rate(vtm, read_curve(files[name])).percent == pytest.approx(row["pchip"], abs=0.01), name


def test_a_folder_of_result_files_is_read_and_other_json_passed_over(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.json").write_text('{"results": {"bpp": [1, 2], "psnr-rgb": [30, 31]}}')
    (tmp_path / "a.json").write_text('{"results": {"bpp": [1, 2], "ms-ssim-rgb": [0.9, 0.99]}}')
    (tmp_path / "other.json").write_text("[1]")
    assert [curve.name for curve in find_curves(tmp_path)] == ["b"]
    assert [curve.name for curve in find_curves(tmp_path, "ms_ssim")] == ["a"]
    with pytest.raises(UsageError, match="no such folder"):
        find_curves(tmp_path / "nowhere")


def test_a_fit_is_known_by_name() -> None:
    assert fit_named("akima") == "akima"
    with pytest.raises(UsageError, match="no fit 'spline': choose pchip, akima, cubic"):
        fit_named("spline")
