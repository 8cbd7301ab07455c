"""The blind study: nobody learns names before voting, nothing is counted twice, and the file is ours."""

import csv
import io
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regio.app.study import COLUMNS, LETTERS, Entrant, Study
from regio.errors import UsageError

CODECS = ("Regio", "JPEG", "WebP", "AVIF")


def flat(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def entrants() -> list[Entrant]:
    """The grey value of a version tells whose it is."""
    return [Entrant(codec, 1000 + number, flat(50 * number)) for number, codec in enumerate(CODECS)]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "votes.db")


def shown(study: Study, voter: str) -> list[str]:
    """Codecs in the order of the letters."""
    ballot = study.ballot(voter)
    assert ballot is not None
    return [CODECS[int(np.asarray(Image.open(io.BytesIO(png)))[0, 0, 0]) // 50] for _, png in ballot.versions]


def rows(study: Study) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(study.votes_csv())))


def test_the_letter_that_was_seen_is_what_counts(study: Study) -> None:
    number = study.add("cat", flat(9), entrants())
    for voter in ("ann", "bob", "eve"):
        order = shown(study, voter)
        study.vote(voter, number, LETTERS[order.index("WebP")])
    assert [row["codec"] for row in rows(study)] == ["WebP"] * 3
    assert all(row["shown"].split()[LETTERS.index(row["choice"])] == "WebP" for row in rows(study))
    assert tuple(study.tally()[0]) == ("WebP", 3, 3)
    assert {one.codec: one.chosen for one in study.tally()} == {"WebP": 3, "Regio": 0, "JPEG": 0, "AVIF": 0}


def test_orders_are_shuffled_evenly_and_stay_for_a_voter(study: Study) -> None:
    study.add("cat", flat(9), entrants())
    orders = [tuple(shown(study, f"voter {number}")) for number in range(240)]
    first = Counter(order[0] for order in orders)
    assert all(35 <= first[codec] <= 85 for codec in CODECS)  # 60 expected, deviation 6.7
    assert len(set(orders)) == 24
    assert shown(study, "voter 7") == list(orders[7])


def test_pictures_come_in_different_orders_and_until_all_are_judged(study: Study) -> None:
    numbers = [study.add(f"picture {k}", flat(k), entrants()) for k in range(4)]
    firsts = set()
    for voter in ("ann", "bob", "eve", "joe", "kim", "lee"):
        seen = []
        while (ballot := study.ballot(voter)) is not None:
            assert ballot.left == 4 - len(seen)
            seen.append(ballot.picture)
            study.vote(voter, ballot.picture, "A")
        assert sorted(seen) == numbers
        firsts.add(seen[0])
    assert len(firsts) > 1


def test_a_second_answer_replaces_the_first(study: Study) -> None:
    number = study.add("cat", flat(9), entrants())
    study.vote("ann", number, "A")
    study.vote("ann", number, None)
    assert [row["choice"] for row in rows(study)] == ["none"]
    assert all(one.chosen == 0 and one.votes == 1 for one in study.tally())


@pytest.mark.parametrize("choice", ["E", "AB", "", "a", "?"])
def test_letters_that_were_not_shown_do_not_count(study: Study, choice: str) -> None:
    number = study.add("cat", flat(9), entrants())
    with pytest.raises(UsageError):
        study.vote("ann", number, choice)
    with pytest.raises(UsageError):
        study.vote("ann", number + 1, "A")
    assert rows(study) == []


def test_a_study_needs_something_to_compare(study: Study) -> None:
    with pytest.raises(UsageError, match="2 to 12"):
        study.add("cat", flat(9), entrants()[:1])
    with pytest.raises(UsageError, match="different"):
        study.add("cat", flat(9), entrants()[:1] * 2)
    assert study.pictures() == 0
    assert study.ballot("ann") is None


def test_votes_survive_the_server_and_come_out_as_csv(tmp_path: Path) -> None:
    study = Study(tmp_path / "votes.db")
    number = study.add("=HYPERLINK(1)", flat(9), entrants())
    study.vote("ann", number, "B")
    again = Study(tmp_path / "votes.db")
    assert again.pictures() == 1
    (row,) = rows(again)
    assert tuple(row) == COLUMNS
    assert row["title"] == "'=HYPERLINK(1)"  # not a formula for a spreadsheet
    assert row["codec"] == row["shown"].split()[1]
    assert row["bytes"] == str(1000 + CODECS.index(row["codec"]))
    assert again.ballot("ann") is None


def test_many_people_vote_at_once(study: Study) -> None:
    number = study.add("cat", flat(9), entrants())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: study.vote(f"voter {k}", number, "ABCD"[k % 4]), range(40)))
    assert len(rows(study)) == 40


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.db"
    text.write_text("Dear diary, today I learned about databases. " * 40)
    with pytest.raises(UsageError, match="cannot be used"):
        Study(text)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (a)")
    db.close()
    with pytest.raises(UsageError, match="not a study"):
        Study(other)
    with pytest.raises(OSError, match="No such folder"):
        Study(tmp_path / "nowhere" / "votes.db")
    assert text.read_text().startswith("Dear diary")


def test_the_public_list_does_not_show_what_one_needs_to_vote_for_another(study: Study) -> None:
    number = study.add("cat", flat(9), entrants())
    study.vote("5ecre7" * 5, number, "A")
    study.vote("5ecre8" * 5, number, None)
    assert "5ecre" not in study.votes_csv()
    names = [row["voter"] for row in rows(study)]
    assert len(set(names)) == 2
    study.vote(names[0], number, "B")  # somebody who read the list
    assert [row["choice"] for row in rows(study)][:2] == ["A", "none"]


@pytest.mark.parametrize("voter", ["", "a" * 65, "a" * 10**6, None, 7, ["a"], {}])
def test_ids_of_voters_are_bounded(study: Study, voter: object) -> None:
    number = study.add("cat", flat(9), entrants())
    with pytest.raises(UsageError, match="id of a voter"):
        study.ballot(voter)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="id of a voter"):
        study.vote(voter, number, "A")  # type: ignore[arg-type]


@pytest.mark.parametrize("picture", [-1, 0, 1 << 63, 1 << 70])
def test_numbers_of_pictures_are_bounded(study: Study, picture: int) -> None:
    with pytest.raises(UsageError, match="no such picture"):
        study.vote("ann", picture, "A")
