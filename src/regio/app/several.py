"""Several pictures, one after the other: their .rgo files in one archive, and all of them in the blind study."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from regio.app.choices import Choices, usual_size
from regio.app.coding import Compressed, Progress, compress, within
from regio.app.limits import Limits, read_upload
from regio.app.markup import several_table
from regio.app.rivals import rivals
from regio.app.study import Entrant, Study
from regio.errors import RegioError, UsageError

if TYPE_CHECKING:
    from regio.codec import Codec

MOST = 200  # pictures at once


class Several(NamedTuple):
    """The results so far."""

    archive: str | None
    """Path of the zip file; None until all are done, and where nothing could be made."""
    table: str
    asked: int
    """Pictures that were added to the study."""


class Row(NamedTuple):
    """The result for a picture."""

    name: str
    before: int
    """Bytes of what was sent."""
    after: int
    """Bytes of the .rgo file, 0 without one."""
    note: str


@dataclass(frozen=True, eq=False)
class Batch:
    """How several pictures are encoded, and where the results go."""

    codec: Codec
    choices: Choices
    """Without a size."""
    rate: float
    """Bits per pixel."""
    against: Sequence[str]
    """Keys of `RIVALS`; where there are any, the study asks about each picture."""
    limits: Limits
    study: Study
    folder: Path

    def run(self, paths: Sequence[str], progress: Progress) -> Iterator[Several]:
        """Encode the pictures; yields after each. What cannot be read gets a line in the table.

        Raises UsageError for no pictures, or too many.
        """
        if not 0 < len(paths) <= MOST:
            raise UsageError(f"Choose pictures first: 1 to {MOST} at once, not {len(paths)}.")
        rows: list[Row] = []
        files: dict[str, bytes] = {}
        asked = 0
        for k, path in enumerate(map(Path, paths)):
            told = within(progress, k / len(paths), (k + 1) / len(paths), f"{path.name}, {k + 1} of {len(paths)}: ")
            before = path.stat().st_size
            try:
                made = self._encoded(path, within(told, 0, 0.5 if self.against else 1))
                files[free_name(path, files)] = made.data
                rows.append(Row(path.name, before, len(made.data), "; ".join(made.notes)))
                asked += self._asked(path.stem, made, within(told, 0.5, 1))
            except RegioError as error:
                rows.append(Row(path.name, before, 0, " ".join(str(error).split())))
            yield Several(None, several_table(rows), asked)
        if files:
            archive = self.folder / "regio.zip"
            with zipfile.ZipFile(archive, "w") as stored:  # not deflated: .rgo files are as small as they get
                for name, data in files.items():
                    stored.writestr(name, data)
            yield Several(str(archive), several_table(rows), asked)

    def _encoded(self, path: Path, progress: Progress) -> Compressed:
        progress(0, "reading")
        picture = read_upload(path, self.limits)
        limit = usual_size(picture, keep_metadata=self.choices.keep_metadata, rate=self.rate)
        return compress(picture, replace(self.choices, max_bytes=max(1, limit)), self.codec, progress)

    def _asked(self, title: str, made: Compressed, progress: Progress) -> int:
        """Add a picture to the study -> how many were added, 0 or 1."""
        shown = [made.version, *rivals(made, progress, self.against)] if self.against else []
        if len(shown) < 2:
            return 0
        self.study.add(title, made.picture.pixels, [Entrant(one.name, one.size, one.pixels) for one in shown])
        return 1


def free_name(path: Path, taken: dict[str, bytes]) -> str:
    """The name of a picture's .rgo file in the archive: photo.rgo, photo.png.rgo, photo.png (2).rgo ..."""
    names = [path.stem, path.name, *(f"{path.name} ({k})" for k in range(2, MOST + 2))]
    return next(f"{name}.rgo" for name in names if f"{name}.rgo" not in taken)
