"""Everything that is said about a decoded picture, with the work on the original done once for all versions of it."""

from __future__ import annotations

from dataclasses import dataclass

from regio.evaluation.judges import ALWAYS
from regio.evaluation.judges.base import Figures, Judge, Verdict
from regio.evaluation.marks import Marks, Mask
from regio.images import Pixels


@dataclass(frozen=True, eq=False)
class Judges:
    """The judges: those of `ALWAYS`, and others if they are given.

    Marked regions belong to the pictures, not to a judge: codecs that favour a region are told of it, too.
    """

    others: tuple[Judge, ...] = ()
    marks: Marks | None = None

    def names(self, picture: str) -> tuple[str, ...]:
        """The sources of the figures for the picture of that name: backbones and hashes, segmenter, region."""
        region = self.marks.identity(picture) if self.marks else ""
        return tuple(name for name in (*(judge.description for judge in self.others), region) if name)

    def look_at(self, picture: str, pixels: Pixels) -> Original:
        """Prepare for versions of an (H,W,3) uint8 picture."""
        mask = self.marks.mask(picture, *pixels.shape[:2]) if self.marks else None
        everybody = (*(judge() for judge in ALWAYS), *self.others)
        return Original(
            pixels, self.names(picture), mask, tuple(judge.named(picture).prepare(pixels, mask) for judge in everybody)
        )


@dataclass(frozen=True, eq=False)
class Original:
    """A picture as its judges remember it."""

    pixels: Pixels
    judges: tuple[str, ...]  # see `Judges.names`
    mask: Mask | None
    verdicts: tuple[Verdict, ...]

    def figures(self, decoded: Pixels) -> Figures:
        """Judge an (H,W,3) uint8 version -> figures by column. Raises ValueError if its shape differs."""
        return {key: figure for verdict in self.verdicts for key, figure in verdict(decoded).items()}
