"""Every member of the family has the size the paper prints."""

from pathlib import Path

import pytest
from scripts import benchmark
from shared import SHARED, needs_shared

from regio.papers.tables import parameters

PARITY = benchmark("parity")
REFERENCE = SHARED / "parity" / "segpic_public.npz"


@pytest.mark.parametrize(("preset", "millions"), PARITY.PAPER_MILLIONS.items())
def test_a_preset_is_as_large_as_the_paper_says(preset: str, millions: float) -> None:
    assert parameters(preset) / 1e6 == pytest.approx(millions, abs=0.1)


def test_segpic_has_the_published_codes_parameters_to_the_last_one() -> None:
    assert parameters("segpic") == 83_503_971


@pytest.mark.slow
@needs_shared
def test_segpic_computes_what_the_published_code_computes(capsys: pytest.CaptureFixture[str]) -> None:
    assert PARITY.main([str(REFERENCE)]) == 0
    assert "OUT OF TOLERANCE" not in capsys.readouterr().out


def test_the_parity_command_says_which_file_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert PARITY.main([str(tmp_path / "segpic_public.npz")]) == 2
    assert "segpic_public.npz, parity_params.py, segpic_keys.json not found" in capsys.readouterr().err
