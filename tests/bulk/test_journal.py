"""Rows survive whatever ends a run."""

from pathlib import Path

import pytest

from regio.bulk import journal as home
from regio.bulk.journal import FOLDER, Journal, Row, read_manifest
from regio.bulk.places import Place
from regio.errors import CorruptFile, UsageError

GOOD = Row(
    source="sub/ä, \"b\".png", target="b.rgo", bytes_in=900, bytes_out=120, width=40, height=30, bpp=0.8, quality=60.0,
    seconds=0.25, notes="16 bits per channel reduced to 8",
)  # fmt: skip
BAD = Row(source="bad.png", target="bad.rgo", bytes_in=4, error="not a\npicture", error_kind="BadImage")


@pytest.mark.parametrize("manifest", ["manifest.parquet", "all.csv"])
def test_a_manifest_holds_every_row_and_replaces_the_parts(tmp_path: Path, manifest: str) -> None:
    journal = Journal(Place.of(tmp_path), manifest)
    journal.add([GOOD])
    journal.flush()
    journal.add([BAD])
    journal.finish()
    assert list((tmp_path / FOLDER).iterdir()) == []
    assert read_manifest(str(tmp_path / manifest)) == [BAD, GOOD]
    again = Journal(Place.of(tmp_path), manifest)
    again.load()
    assert again.rows == {BAD.source: BAD, GOOD.source: GOOD}


def test_rows_of_a_run_that_was_killed_are_read_and_later_ones_win(tmp_path: Path) -> None:
    first = Journal(Place.of(tmp_path))
    first.add([BAD])
    first.flush()  # and nothing after it
    second = Journal(Place.of(tmp_path))
    second.load()
    assert second.rows == {BAD.source: BAD}
    mended = Row(source=BAD.source, target=BAD.target, bytes_in=4, bytes_out=9)
    second.add([mended])
    second.finish()
    assert read_manifest(str(tmp_path / "manifest.parquet")) == [mended]


def test_rows_are_written_down_every_few_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(home.time, "monotonic", lambda: now[0])
    journal = Journal(Place.of(tmp_path))
    journal.add([GOOD])
    assert not (tmp_path / FOLDER).exists()
    now[0] += 2.5
    journal.add([BAD])
    (part,) = (tmp_path / FOLDER).iterdir()
    assert len(part.read_text().splitlines()) == 2


def test_settings_come_back_and_damage_to_them_is_said(tmp_path: Path) -> None:
    journal = Journal(Place.of(tmp_path))
    assert journal.settings() is None
    journal.note({"quality": 50})
    assert journal.settings() == {"quality": 50}
    (tmp_path / FOLDER / "settings.json").write_text("{")
    with pytest.raises(CorruptFile, match=r"settings.json is damaged; --force"):
        journal.settings()
    (tmp_path / "manifest.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptFile, match=r"manifest.parquet is not a manifest"):
        journal.load()


def test_names_that_are_no_unicode_do_not_stop_a_manifest(tmp_path: Path) -> None:
    for name in ("m.parquet", "m.csv"):
        journal = Journal(Place.of(tmp_path), name)
        journal.add([Row(source="a\udcff.png", target="a\udcff.rgo", bytes_in=1)])
        journal.finish()
        assert read_manifest(str(tmp_path / name))[0].source == "a\\udcff.png"


@pytest.mark.parametrize("name", ["manifest", "../m.csv", ".m.csv", "m.json"])
def test_a_manifest_is_a_parquet_or_csv_file_in_the_destination(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"ending in .parquet or .csv"):
        Journal(Place.of(tmp_path), name)
