"""Makes a blind study from a folder: every picture by every codec at the same rates.

As in the user study of [Li2023]: at each rate some pictures are drawn, and each is one question.

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from regio.app.study import Entrant, Study
from regio.errors import one_line
from regio.evaluation.contestants import Contestant
from regio.evaluation.sweep import FAILURES, Problem
from regio.images import read_picture


class Gathered(NamedTuple):
    """The result for a folder."""

    added: int  # questions
    there: int  # questions that the study had already
    over: dict[str, int]  # codec -> files larger than their rate allows, as the codec has none so small
    problems: tuple[Problem, ...]


def gather(
    study: Study,
    pictures: Mapping[str, Path],
    contestants: Sequence[Contestant],
    rates: Sequence[float],
    *,
    limit: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> Gathered:
    """Ask about pictures at each rate, in bits per pixel; each codec gives its best file that is not larger.

    limit: so many pictures at each rate, drawn with that seed; None: all. A question that the study has is left as it
    is, so that an interrupted command can be repeated. A picture that fewer than two codecs can take is a problem.
    """
    known, over = study.titles(), dict.fromkeys((one.name for one in contestants), 0)
    problems: list[Problem] = []
    added = there = 0
    for rate in rates:
        names = sorted(pictures)
        if limit is not None and limit < len(names):
            names = sorted(random.Random(f"{seed} {rate:g}").sample(names, limit))
        for number, name in enumerate(names, start=1):
            title = f"{name}, {rate:g} bpp"
            if title in known:
                there += 1
                continue
            progress(f"{title} ({number} of {len(names)})")
            try:
                pixels = read_picture(pictures[name]).pixels
            except FAILURES as error:
                problems.append(Problem("", name, one_line(error)))
                continue
            budget = max(1, int(rate * pixels.shape[0] * pixels.shape[1] / 8))
            entrants = []
            for one in contestants:
                try:
                    made = one.at_bytes(pixels, budget)
                    entrants.append(Entrant(one.name, len(made.data), one.decode(made.data)))
                    over[one.name] += not made.fits
                except FAILURES as error:
                    problems.append(Problem(one.name, name, one_line(error)))
            if len(entrants) < 2:
                problems.append(Problem("", name, "fewer than two codecs could take it"))
                continue
            study.add(title, pixels, entrants)
            added += 1
    return Gathered(added, there, {name: count for name, count in over.items() if count}, tuple(problems))
