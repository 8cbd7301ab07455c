"""Curves beside recorded ones: values at equal rates, under either name of an anchor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from regio.evaluation.bd_rate import Curve, in_decibels
from regio.evaluation.means import MeanCurve

NAN = (float("nan"),) * 3


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    import beside

    return beside


@pytest.fixture
def mean() -> MeanCurve:
    numbers = dict.fromkeys(("encode_seconds", "decode_seconds"), NAN)
    return MeanCurve(
        name="ours",
        description="",
        pictures=2,
        settings=(0, 50, 100),
        bpp=(0.05, 0.1, 0.2),
        figures={"psnr": (25.0, 26.0, 27.0), "ms_ssim": (0.8, 0.9, 0.95), "lpips": (0.4, 0.2, 0.1)},
        weights="",
        commits=(),
        devices=(),
        judges=("LPIPS (SqueezeNet 1.1), v0.1",),
        **numbers,
    )


def anchors(mean: MeanCurve, name: str) -> dict[Any, list[Curve]]:
    lpips = [in_decibels(value, "lpips_squeeze") for value in (0.5, 0.3, 0.15)]
    return {
        "psnr": [Curve.through(name, mean.bpp, (24, 25, 26))],
        "lpips_squeeze": [Curve.through(name, mean.bpp, lpips)],
    }


@pytest.mark.parametrize("name", ["avif_444_s6", "avif"])
def test_values_at_equal_rates_stand_beside_each_other(beside: Any, mean: MeanCurve, name: str) -> None:
    against = beside.compare(mean, anchors(mean, name), (0.1, 0.4))
    assert [one.anchor for one in against] == ["avif_444_s6"]
    assert beside.margins(mean, against[0], (0.1, 0.4), "psnr")[0] == pytest.approx(1.0)
    table = beside.perceptual_table(mean, against, (0.1, 0.4)).splitlines()
    assert " ".join(table[0].split()) == "at equal rates MS-SSIM 0.1 MS-SSIM 0.4 LPIPS 0.1 LPIPS 0.4"
    assert table[1].split() == ["(ours)", "0.9000", "–", "0.2000", "–"]
    assert table[2].split() == ["avif_444_s6", "–", "–", "0.3000", "–"]


def test_the_readme_has_one_row_for_each_known_anchor(beside: Any, mean: MeanCurve) -> None:
    against = beside.compare(mean, anchors(mean, "jpeg"), (0.1,))
    rows = beside.readme_table(mean, against, (0.1,)).splitlines()
    assert rows[2] == "| **`ours`** | **26.00** |  |"
    assert rows[3].startswith("| JPEG 4:2:0 | 25.00 | −")
