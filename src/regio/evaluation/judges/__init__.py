"""Judges besides PSNR, MS-SSIM and LPIPS, one file each.

The columns of the CSV, tables, plots, BD-rates and the help of the command line follow from `JUDGES`.

To add one, write a file with a `Judge` in it and name the class here. Its columns go to the end, so that older CSV
files stay readable.
"""

from __future__ import annotations

from regio.errors import UsageError
from regio.evaluation.judges.base import Column, Figures, Judge, Setting, Verdict
from regio.evaluation.judges.blocks import Blocks
from regio.evaluation.judges.butteraugli import Butteraugli
from regio.evaluation.judges.dists import DistsJudge
from regio.evaluation.judges.ssimulacra2 import Ssimulacra2

__all__ = ["JUDGES", "Column", "Figures", "Judge", "Setting", "Verdict", "columns_of_judges", "judges_named"]

JUDGES: list[type[Judge]] = [DistsJudge, Ssimulacra2, Butteraugli, Blocks]


def columns_of_judges() -> dict[str, Column]:
    """Every column that a judge of `JUDGES` may fill, by key, in the order of the CSV."""
    return {column.key: column for judge in JUDGES for column in judge.columns}


def judges_named(names: list[str], setting: Setting) -> tuple[Judge, ...]:
    """The judges of these names, each once; UsageError for a name that there is not."""
    known = {judge.name: judge for judge in JUDGES}
    for name in names:
        if name not in known:
            raise UsageError(f"no judge {name!r}; there are {', '.join(known)}")
    return tuple(known[name].make(setting) for name in dict.fromkeys(names))


def help_text() -> str:
    """One line for the command line: each judge and what it measures."""
    return "; ".join(f"{judge.name}: {judge.about}" for judge in JUDGES)
