"""Tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of aligned columns: the first to the left, the others, which hold figures, to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(cells)
        ).rstrip()
        for cells in (zip(line, widths, strict=True) for line in lines)
    )


def figure(value: float, form: str) -> str:
    """A number in a format such as ".2f"; a dash where there is none."""
    return "–" if math.isnan(value) else format(value, form)
