"""Judges of decoded pictures, one file each.

The columns of the CSV, tables, plots, BD-rates and the help of the command line follow from `JUDGES`.

To add one, write a file with a `Judge` in it and name the class here. Its columns go to the end, so that older CSV
files stay readable.
"""

from __future__ import annotations

from regio.errors import UsageError
from regio.evaluation.judges.agreement import Agreement
from regio.evaluation.judges.base import Column, Figures, Judge, Setting, Verdict
from regio.evaluation.judges.blocks import Blocks
from regio.evaluation.judges.butteraugli import Butteraugli
from regio.evaluation.judges.dists import DistsJudge
from regio.evaluation.judges.lpips import LpipsJudge
from regio.evaluation.judges.ms_ssim import MsSsim
from regio.evaluation.judges.psnr import Psnr
from regio.evaluation.judges.regions import Regions
from regio.evaluation.judges.ssimulacra2 import Ssimulacra2
from regio.evaluation.judges.truth import TruthJudge

__all__ = ["ALWAYS", "JUDGES", "Column", "Figures", "Judge", "Setting", "Ssimulacra2", "Verdict", "judges_named"]

ALWAYS: tuple[type[Judge], ...] = (Psnr, MsSsim, Regions)
"""Asked of every picture; `regio evaluate` asks SSIMULACRA 2, too, where it is installed."""
JUDGES: list[type[Judge]] = [
    Psnr, MsSsim, LpipsJudge, Regions, Agreement, DistsJudge, Ssimulacra2, Butteraugli, Blocks, TruthJudge
]  # fmt: skip


def metrics_of_judges() -> dict[str, Column]:
    """Every figure that a judge of `JUDGES` has a column or a curve for, by key, in the order of tables."""
    return {column.key: column for judge in JUDGES for column in judge.columns}


def columns_of_judges() -> dict[str, Column]:
    """Those that the CSV has a column for."""
    return {key: column for key, column in metrics_of_judges().items() if not column.of}


def judges_named(names: list[str], setting: Setting) -> tuple[Judge, ...]:
    """The judges of these names, each once; UsageError for a name that there is not."""
    known = {judge.name: judge for judge in JUDGES}
    for name in names:
        if name not in known:
            offered = ", ".join(judge.name for judge in JUDGES if judge.about)
            raise UsageError(f"no judge {name!r}; there are {offered}")
    return tuple(known[name].make(setting) for name in dict.fromkeys(names))


def help_text() -> str:
    """One line for the command line: each judge that can be asked by name, and what it measures."""
    return "; ".join(f"{judge.name}: {judge.about}" for judge in JUDGES if judge.about)
