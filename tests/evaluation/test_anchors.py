"""Our opponents against the recorded measurements on Kodak, where those and the pictures are at hand.

Recorded with Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0, OpenJPEG 2.5.4, libavif 1.4.2 with libaom 3.14.1),
pillow-jxl-plugin 1.3.8 and pillow-heif 1.8.1. Another version of a library need not give the same files: then the test
is skipped and says which version it found.
"""

from __future__ import annotations

import csv
import json

import pytest
from shared import SHARED, needs_shared

from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.judges.lpips import LpipsJudge
from regio.evaluation.judging import Judges
from regio.evaluation.sweep import Row, measure
from regio.images import read_picture
from regio.losses.perceptual import Lpips

RECORDS = SHARED / "anchors" / "kodak"
pytestmark = needs_shared

RECORDED = {  # our name -> recorded curve, a setting, what its versions table calls the library, and that as we say it
    "jpeg": ("jpeg_420", 26, "libjpeg-turbo", "libjpeg_turbo 3.2.0"),
    "webp": ("webp", 20, "libwebp", "webp 1.6.0"),
    "jpeg2000": ("jpeg2000", 44, "openjpeg", "jpg_2000 2.5.4"),
    "avif": ("avif_444_s6", 28, "libavif", "avif 1.4.2"),
    "avif-psnr": ("avif_444_s6_psnr", 31, "libavif", "avif 1.4.2"),
    "avif-slow": ("avif_444_s4_psnr", 31, "libavif", "avif 1.4.2"),
    "jxl": ("jxl", 47, "pillow-jxl-plugin", "pillow-jxl-plugin 1.3.8"),
    "hevc": ("heic_444_slow_psnr", 22, "pillow-heif", "pillow-heif 1.8.1"),
    "hevc-default": ("heic_420_slow", 32, "pillow-heif", "pillow-heif 1.8.1"),
}


QUICK = ("jpeg", "avif")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in RECORDED]
)
def test_an_opponent_agrees_with_the_record_at_equal_settings(name: str) -> None:
    curve, setting, library, version = RECORDED[name]
    opponent = OPPONENTS[name]
    if reason := opponent.missing():
        pytest.skip(reason)
    assert json.loads((RECORDS / f"{curve}.json").read_text())["versions"][library] in version
    if opponent.weights != version:
        pytest.skip(f"recorded with {version}, here is {opponent.weights}")
    with (RECORDS / f"{curve}.csv").open(newline="") as file:
        (record,) = (row for row in csv.DictReader(file) if row["image"] == "03" and float(row["setting"]) == setting)
    (path,) = (SHARED / "data" / "kodak").glob("*03.png")
    judges = Judges((LpipsJudge(Lpips("squeeze", weights=SHARED / "data" / "weights")),))
    found: Row = measure(opponent, path.name, judges.look_at(path.name, read_picture(path).pixels), setting, commit="")
    assert found.bytes == pytest.approx(int(record["bytes"]), rel=0.01)
    assert found.figures["psnr"] == pytest.approx(float(record["psnr-rgb"]), abs=0.05)
    assert found.figures["ms_ssim"] == pytest.approx(float(record["ms-ssim-rgb"]), abs=1e-4)
    assert found.figures["lpips"] == pytest.approx(float(record["lpips-squeeze"]), abs=1e-3)
