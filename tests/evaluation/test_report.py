"""Means, tables and plots from rows written by hand."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regio.errors import UsageError
from regio.evaluation.bd_rate import Curve, read_curve
from regio.evaluation.means import mean_curves, means_table, write_curves
from regio.evaluation.plots import plot
from regio.evaluation.report import bd_table, markdown, write_report
from regio.evaluation.sweep import Outcome, Problem, Row


def row(picture: str, quality: float, bpp: float, psnr: float, ms_ssim: float = 0.9, **other: str) -> Row:
    fields = {"codec": "c", "weights": "w", "commit": "k"} | other
    return Row(
        picture=picture, quality=quality, bytes=int(1000 * bpp), bpp=bpp, encode_seconds=0.5,
        decode_seconds=0.25, figures={"psnr": psnr, "ms_ssim": ms_ssim}, **fields,
    )  # fmt: skip


ROWS = [
    row("a", 9, 0.8, 36, 0.99),
    row("b", 9, 0.4, 40, 0.97),
    row("a", 3, 0.3, 30, 0.9),
    row("b", 3, 0.1, 34, 0.8),
]


def test_means_are_over_pictures_and_curves_rise_in_rate() -> None:
    (curve,) = mean_curves(ROWS, {"c": "a codec"})
    assert (curve.settings, curve.pictures, curve.description) == ((3, 9), 2, "a codec")
    assert curve.bpp == pytest.approx((0.2, 0.6))
    assert curve.figures["psnr"] == pytest.approx((32, 38))  # mean of dB
    assert curve.curve("ms_ssim").qualities == pytest.approx((8.2391, 16.9897), abs=1e-4)  # of mean MS-SSIM 0.85, 0.98


def test_only_pictures_measured_at_every_setting_count() -> None:
    (curve,) = mean_curves([*ROWS, row("c", 9, 5, 60)])
    assert curve.pictures == 2
    assert curve.figures["psnr"] == pytest.approx((32, 38))
    with pytest.raises(UsageError, match="no picture was measured at all of the settings"):
        mean_curves([row("a", 1, 1, 1), row("b", 2, 1, 1)])


def test_pictures_too_small_for_ms_ssim_do_not_spoil_its_mean() -> None:
    (curve,) = mean_curves([*ROWS, row("dot", 3, 1, 50, math.nan), row("dot", 9, 2, 50, math.nan)])
    assert curve.figures["ms_ssim"] == pytest.approx((0.85, 0.98))
    (small,) = mean_curves([row("dot", 3, 1, 50, math.nan)])
    assert "ms-ssim-rgb" not in small.as_dict()["results"]


def test_two_sets_of_weights_are_two_curves() -> None:
    curves = mean_curves([*ROWS, row("a", 3, 0.2, 31, weights="0123456789")])
    assert [curve.name for curve in curves] == ["c (w)", "c (01234567)"]


def test_written_curves_read_back_as_result_files(tmp_path: Path) -> None:
    (path,) = write_curves(mean_curves(ROWS), tmp_path)
    assert path.name == "c.json"
    stored = json.loads(path.read_text())
    assert set(stored) == {
        "name",
        "description",
        "results",
        "settings",
        "pictures",
        "weights",
        "commits",
        "devices",
        "judges",
    }
    assert set(stored["results"]) == {"bpp", "psnr-rgb", "ms-ssim-rgb", "encoding_time", "decoding_time"}
    assert read_curve(path).qualities == pytest.approx((32, 38))


def test_the_table_says_anchor_fit_overlap_and_points() -> None:
    anchor = Curve.through("anchor", [0.1, 0.2, 0.4], [30, 33, 36])
    better = Curve.through("better", [0.05, 0.1, 0.2], [30, 33, 36])
    apart = Curve.through("apart", [1, 2], [50, 60])
    entries = bd_table([better, apart, anchor], [anchor])
    assert [entry.name for entry in entries] == ["better", "apart"]
    lines = markdown(entries).splitlines()
    assert lines[2] == "| better | anchor | psnr | -50.00 % | pchip | 30.00–36.00 | 3, 3 |"
    assert lines[3] == "| apart | anchor | psnr | the curves do not overlap | pchip | – | 2, 3 |"


def test_the_plot_is_a_png_and_the_same_svg_each_time(tmp_path: Path) -> None:
    curve = Curve.through("c", [0.1, 0.5], [30, 35])
    png, svg = plot([curve], tmp_path / "rd.psnr", references=[Curve.through("vtm", [0.1, 3], [31, 45])], title="T")
    assert (png.name, svg.name) == ("rd.psnr.png", "rd.psnr.svg")
    with Image.open(png) as image:
        assert image.size == (1040, 715)
    first = svg.read_bytes()
    assert first.startswith(b"<?xml")
    plot([curve], tmp_path / "rd.psnr", references=[Curve.through("vtm", [0.1, 3], [31, 45])], title="T")
    assert svg.read_bytes() == first
    plot([], tmp_path / "empty", metric="ms_ssim")
    crowd = [Curve.through(f"curve {n}", [0.1, 0.5], [30 + n / 10, 35]) for n in range(40)]
    with Image.open(plot([curve], tmp_path / "many", references=crowd)[0]) as image:
        assert image.width > 1400  # the legend stands beside the axes,
        assert image.height > 900  # which are as high as it is
        grey = np.asarray(image.convert("L"))
        assert (grey[:, 500] < 250).sum() > 20  # and the axes reach over the middle, top to bottom
        assert (grey[: image.height // 5, 100:900] < 200).any()


def test_a_report_holds_curves_rates_plots_and_problems(tmp_path: Path) -> None:
    better = [dataclasses.replace(one, codec="better", bpp=one.bpp / 2) for one in ROWS]
    outcome = Outcome((*ROWS, *better), (Problem("", "x.png", "not a picture"),))
    reference = Curve.through("vtm", [0.05, 0.3], [31, 40])
    report = write_report(outcome, tmp_path, references={"psnr": [reference]}, anchor="c")
    names = {path.relative_to(tmp_path).as_posix() for path in report.files}
    assert names == {
        "curves/c.json", "curves/better.json", "rd_psnr.png", "rd_psnr.svg", "rd_ms_ssim.png", "rd_ms_ssim.svg",
        "bd_rates.json", "bd_rates.md", "problems.csv", "index.html",
    }  # fmt: skip
    assert all(path.stat().st_size for path in report.files)
    assert [(entry.name, entry.anchor, entry.metric) for entry in report.bd_rates] == [
        ("c", "vtm", "psnr"), ("better", "c", "psnr"), ("better", "vtm", "psnr"), ("better", "c", "ms_ssim")
    ]  # fmt: skip
    assert report.bd_rates[1].percent == pytest.approx(-50)
    assert (tmp_path / "problems.csv").read_text().splitlines() == ["codec,picture,reason", ",x.png,not a picture"]
    assert json.loads((tmp_path / "bd_rates.json").read_text())[1]["percent"] == pytest.approx(-50)
    assert means_table(report.curves).splitlines()[1].split() == [
        "c",
        "3",
        "0.2000",
        "32.00",
        "0.8500",
        *["0.500", "0.250", "2"],
    ]


def test_a_report_on_nothing_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing could be measured: not a picture"):
        write_report(Outcome((), (Problem("", "x.png", "not a picture"),)), tmp_path)
    with pytest.raises(UsageError, match="the anchor vtm is not among the measured: c"):
        write_report(Outcome(tuple(ROWS), ()), tmp_path, anchor="vtm")


def row_of(codec: str, picture: str, quality: float, psnr: float) -> Row:
    return Row(
        codec=codec,
        picture=picture,
        quality=quality,
        bytes=100,
        bpp=quality / 100,
        encode_seconds=0.1,
        decode_seconds=0.1,
        weights=codec,
        commit="c",
        figures={"psnr": psnr, "ms_ssim": 0.9 + quality / 1000},
    )


def test_a_picture_without_loss_makes_no_mean_infinite(tmp_path: Path) -> None:
    rows = [row_of("one", name, q, 30 + q / 10) for name in ("a", "b") for q in (10, 20, 30)]
    rows += [row_of("one", "flat", q, math.inf if q > 10 else 50.0) for q in (10, 20, 30)]
    (curve,) = write_report(Outcome(tuple(rows), ()), tmp_path).curves
    assert curve.figures["psnr"] == pytest.approx((31, 32, 33))
    assert (curve.lossless, curve.pictures) == (("flat",), 2)
    assert means_table([curve]).splitlines()[-1] == "one: without loss and left out of the means: flat"


def test_bd_rates_are_over_the_pictures_that_both_have(tmp_path: Path) -> None:
    """The second codec failed on the easy picture, which would flatter the first."""
    rows = [row_of("one", "hard", q, 30 + q / 10) for q in (10, 20, 30)]
    rows += [row_of("one", "easy", q, 50 + q / 10) for q in (10, 20, 30)]
    rows += [row_of("two", "hard", q, 30 + q / 10) for q in (10, 20, 30)]
    found = write_report(Outcome(tuple(rows), ()), tmp_path, anchor="two").bd_rates
    (entry,) = [one for one in found if one.metric == "psnr"]
    assert entry.percent == pytest.approx(0, abs=1e-6)
    assert entry.name == "one (1 shared pictures)"


def test_a_codec_without_a_picture_in_common_ends_no_report(tmp_path: Path) -> None:
    rows = [row_of("one", "a", q, 30 + q / 10) for q in (10, 20, 30)]
    rows += [row_of("two", "a", q, 31 + q / 10) for q in (10, 20, 30)]
    rows += [row_of("other", "b", q, 30 + q / 10) for q in (10, 20, 30)]
    found = write_report(Outcome(tuple(rows), ()), tmp_path, anchor="two").bd_rates
    psnr = {one.name: one for one in found if one.metric == "psnr"}
    assert psnr["one"].percent > 0
    assert (psnr["other"].note, math.isnan(psnr["other"].percent)) == ("no picture in common", True)
