"""The blind study: versions of a picture in shuffled order, without names; votes in one SQLite file.

As in MCM's user study, a person picks the best of the shuffled reconstructions; "no difference" is an answer, too. The
order depends on who votes and on the picture alone, so that a page loaded again shows the same letters.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from regio.errors import UsageError
from regio.images import Pixels

APPLICATION, LAYOUT = 0x5265676F, 1  # "Rego": marks the file as ours; raised when an older release could not read it
LONGEST_ID = 64  # characters of the id of a voter
LETTERS = "ABCDEFGHIJKL"
COLUMNS = ("picture", "title", "voter", "at", "shown", "choice", "codec", "bytes")
SCHEMA = """
CREATE TABLE picture (id INTEGER PRIMARY KEY, title TEXT NOT NULL, at TEXT NOT NULL, png BLOB NOT NULL);
CREATE TABLE version (
    id INTEGER PRIMARY KEY, picture INTEGER NOT NULL REFERENCES picture,
    codec TEXT NOT NULL, bytes INTEGER NOT NULL, png BLOB NOT NULL, UNIQUE (picture, codec)
);
CREATE TABLE vote (
    picture INTEGER NOT NULL REFERENCES picture, voter TEXT NOT NULL, at TEXT NOT NULL,
    shown TEXT NOT NULL, choice INTEGER REFERENCES version, PRIMARY KEY (picture, voter)
);
"""


class Entrant(NamedTuple):
    """A version that takes part."""

    codec: str
    size: int  # bytes
    pixels: Pixels  # (H,W,3)


class Ballot(NamedTuple):
    """The question to one person about one picture."""

    picture: int
    original: bytes
    """PNG."""
    versions: tuple[tuple[int, bytes], ...]
    """Number and PNG of each, in the order in which they get the letters A, B, C ..."""
    left: int
    """Pictures that this person has not judged, with this one."""


class Tally(NamedTuple):
    """How often a codec was chosen, and among how many votes on pictures in which it took part."""

    codec: str
    chosen: int
    votes: int


class Study:
    """Pictures and votes in a file, which is made if it is not there. Any number of threads may use it at once.

    Raises UsageError for a file that is something else, OSError where it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.parent.is_dir():
            raise FileNotFoundError(2, "No such folder", str(path.parent))
        try:
            with self._open() as db:
                (application,), (layout,) = db.execute("PRAGMA application_id"), db.execute("PRAGMA user_version")
                if application == (0,) and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                    db.executescript(SCHEMA)
                    db.execute(f"PRAGMA application_id = {APPLICATION}")
                    db.execute(f"PRAGMA user_version = {LAYOUT}")
                elif application != (APPLICATION,) or layout != (LAYOUT,):
                    raise UsageError(f"{path}: not a study of this release of Regio")
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{path}: cannot be used as a study ({error})") from error

    def add(self, title: str, original: Pixels, entrants: Sequence[Entrant]) -> int:
        """Ask about a picture from now on -> its number. UsageError for fewer than two versions or a codec twice."""
        names = {entrant.codec for entrant in entrants}
        if not 2 <= len(names) == len(entrants) <= len(LETTERS):
            raise UsageError(f"A study compares 2 to {len(LETTERS)} different codecs, not {len(entrants)}.")
        with self._open() as db:
            number = db.execute(
                "INSERT INTO picture (title, at, png) VALUES (?, ?, ?)", (title, _now(), _png(original))
            ).lastrowid
            rows = [(number, one.codec, one.size, _png(one.pixels)) for one in entrants]
            db.executemany("INSERT INTO version (picture, codec, bytes, png) VALUES (?, ?, ?, ?)", rows)
        assert number is not None
        return number

    def ballot(self, voter: str) -> Ballot | None:
        """The next picture for a voter; None when all of them are judged. UsageError for an id that is too long."""
        _check_voter(voter)
        with self._open() as db:
            todo = db.execute(
                "SELECT id FROM picture WHERE id NOT IN (SELECT picture FROM vote WHERE voter = ?) ORDER BY id",
                (voter,),
            ).fetchall()
            if not todo:
                return None
            picture = min(
                (number for (number,) in todo), key=lambda number: random.Random(f"{voter} {number}").random()
            )
            (original,) = db.execute("SELECT png FROM picture WHERE id = ?", (picture,)).fetchone()
            order = _order(db, picture, voter)
            pngs = dict(db.execute("SELECT id, png FROM version WHERE picture = ?", (picture,)))
        return Ballot(picture, original, tuple((number, pngs[number]) for number in order), len(todo))

    def vote(self, voter: str, picture: int, choice: str | None) -> None:
        """Count an answer: the letter of the best version, None for no difference. A later answer replaces it.

        Raises UsageError for a picture or a letter that there is not.
        """
        _check_voter(voter)
        if not 0 < picture < 1 << 63:  # what SQLite can hold
            raise UsageError("There is no such picture in the study.")
        with self._open() as db:
            order = _order(db, picture, voter)
            letters = LETTERS[: len(order)]
            if not order or (choice is not None and (len(choice) != 1 or choice not in letters)):
                raise UsageError(f"There is no version {choice} of picture {picture}.")
            codecs = dict(db.execute("SELECT id, codec FROM version WHERE picture = ?", (picture,)))
            chosen = None if choice is None else order[letters.index(choice)]
            shown = json.dumps([codecs[number] for number in order])
            row = (picture, voter, _now(), shown, chosen)
            db.execute("INSERT OR REPLACE INTO vote (picture, voter, at, shown, choice) VALUES (?, ?, ?, ?, ?)", row)

    def votes_csv(self) -> str:
        """All votes, one a line, the oldest first; "shown" lists the codecs in the order of their letters.

        "voter" is a hash of the voter's id, because whoever knows the id can vote in that person's name.
        """
        query = """
            SELECT vote.picture, title, voter, vote.at, shown, version.codec, version.bytes FROM vote
            JOIN picture ON picture.id = vote.picture LEFT JOIN version ON version.id = vote.choice
            ORDER BY vote.at, vote.picture
        """
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        with self._open() as db:
            for picture, title, voter, at, shown, codec, size in db.execute(query):
                order = json.loads(shown)
                letter = LETTERS[order.index(codec)] if codec else "none"
                row = (
                    picture,
                    title,
                    public_id(voter),
                    at,
                    " ".join(order),
                    letter,
                    codec or "",
                    "" if size is None else size,
                )
                writer.writerow([_inert(cell) for cell in row])
        return out.getvalue()

    def tally(self) -> list[Tally]:
        """Codecs by the share of votes that they won, the best first."""
        query = """
            SELECT codec, SUM(vote.choice IS version.id), COUNT(*) FROM version
            JOIN vote ON vote.picture = version.picture GROUP BY codec
        """
        with self._open() as db:
            found = [Tally(*row) for row in db.execute(query)]
        return sorted(found, key=lambda one: (-one.chosen / one.votes, one.codec))

    def titles(self) -> set[str]:
        """The pictures of the study."""
        with self._open() as db:
            return {title for (title,) in db.execute("SELECT title FROM picture")}

    def pictures(self) -> int:
        """Their number."""
        with self._open() as db:
            return int(db.execute("SELECT COUNT(*) FROM picture").fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one thread; what is done with it counts as a whole or not at all."""
        with closing(sqlite3.connect(self.path, timeout=20)) as db, db:
            db.execute("PRAGMA foreign_keys = ON")
            yield db


def public_id(voter: str) -> str:
    """The name of a voter that everybody may see; the secret id cannot be found from it."""
    return hashlib.sha256(b"regio study voter " + voter.encode()).hexdigest()[:16]


def _check_voter(voter: str) -> None:
    if not isinstance(voter, str) or not 0 < len(voter) <= LONGEST_ID:
        raise UsageError(f"The id of a voter has 1 to {LONGEST_ID} characters.")


def _order(db: sqlite3.Connection, picture: int, voter: str) -> list[int]:
    """Numbers of the versions of a picture, in the order in which this voter sees them."""
    numbers = [number for (number,) in db.execute("SELECT id FROM version WHERE picture = ? ORDER BY id", (picture,))]
    random.Random(f"{voter} {picture} order").shuffle(numbers)
    return numbers


def _png(pixels: Pixels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG")
    return stream.getvalue()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _inert(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula: titles come from the names of files that people send."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
