"""Codecs at equal bytes."""

from __future__ import annotations

import numpy as np
import pytest

from regio.errors import UsageError
from regio.evaluation.compare import at_bytes, contact_sheet, table
from regio.evaluation.contestants import line_up
from regio.evaluation.contestants.opponents import OPPONENTS


def picture() -> np.ndarray:
    rows, columns = np.mgrid[0:170, 0:200]
    planes = [127 + 100 * np.sin(rows / (8 + c)) * np.cos(columns / 11) for c in range(3)]
    return np.stack(planes, -1).astype(np.uint8)


def test_everybody_gets_the_same_bytes_and_is_measured() -> None:
    pixels = picture()
    versions = [at_bytes(pixels, OPPONENTS[name], 2500) for name in ("jpeg", "webp")]
    assert all(one.fits and 1500 < one.size <= 2500 for one in versions)
    assert all(one.size == len(one.data) and one.bpp == pytest.approx(8 * one.size / 34000) for one in versions)
    assert all(one.psnr > 25 and 0.8 < one.ms_ssim < 1 and one.encode_seconds > 0 for one in versions)
    lines = table(versions).splitlines()
    assert lines[0].split()[:4] == ["codec", "setting", "bytes", "bpp"]
    assert [line.split()[2] for line in lines[1:]] == [str(one.size) for one in versions]
    sheet = contact_sheet(pixels, versions)
    assert sheet.width == 12 + 3 * 372


def test_a_version_over_the_budget_says_so() -> None:
    pixels = picture()
    over = at_bytes(pixels, OPPONENTS["jpeg"], 5)
    assert not over.fits
    assert "jpeg (over the budget)" in table([over])


def test_a_lineup_names_who_plays_and_who_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "regio.evaluation.contestants.opponents.Opponent.missing", lambda self: "absent" if self.name == "jxl" else None
    )
    lineup = line_up(["jpeg", "jxl"])
    assert [one.name for one in lineup.contestants] == ["jpeg"]
    assert lineup.skipped == {"jxl": "absent"}
    with pytest.raises(UsageError, match="named twice"):
        line_up(["jpeg", "jpeg"])
    with pytest.raises(UsageError, match="at least one codec"):
        line_up([])
