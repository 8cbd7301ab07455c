"""What is shown of a training run."""

import logging
from typing import Any

import pytest

from regio.cli.training_display import figures, held_back, watching

STEP: dict[str, Any] = {
    "step": 50, "of": 650, "phase": 1, "loss": 3.0, "cost": 2.0, "bpp": 0.5, "psnr": 31.25, "norm": 1.0,
    "lr": 0.002, "steps_per_s": 2.0, "skipped": 0, "restored": 0, "alarm": None,
}  # fmt: skip


def test_figures_say_how_long_it_takes() -> None:
    assert figures(STEP) == "0.500 bpp  31.25 dB  lr 2.0e-03  2.00 steps/s  5 min left"
    assert figures(STEP | {"of": 20_050, "skipped": 3}).endswith("2 h 47 min left  3 skipped")
    assert figures(STEP | {"bpp": None, "psnr": None}).startswith("– bpp  – dB")


def test_a_look_at_held_back_pictures_is_one_line() -> None:
    points = [{"rate": 0.5, "bpp": 0.25, "psnr": 30.0}, {"rate": 0.95, "bpp": 1.0, "psnr": 36.5}]
    line = held_back({"step": 100, "held_back": points})
    assert line == "step 100, held-back pictures (bpp → dB): 0.250 → 30.00  1.000 → 36.50"


def test_warnings_are_one_line_each_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(live=False) as report:
        logging.getLogger("regio.training.run").warning("no finite gradient in %d steps", 50)
    assert report is None
    assert capsys.readouterr().err == "regio: no finite gradient in 50 steps\n"


def test_somebody_who_watches_sees_warnings_and_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(live=True) as report:
        assert report is not None
        report(STEP)
        report({"step": 100, "held_back": [{"rate": 0.5, "bpp": 0.25, "psnr": 30.0}]})
        logging.getLogger("regio.data").warning("a.png is skipped")
    shown = capsys.readouterr().err
    assert "0.250 → 30.00" in shown
    assert "regio: a.png is skipped" in shown
