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
    journal.note({"quality": 50}, [])
    assert journal.settings() == {"quality": 50}
    (tmp_path / FOLDER / "settings.json").write_text("{")
    with pytest.raises(CorruptFile, match=r"settings.json is damaged; --force"):
        journal.settings()
    (tmp_path / "manifest.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptFile, match=r"manifest.parquet is not a manifest, or is damaged; --force"):
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


def test_targets_are_promised_until_the_run_ends(tmp_path: Path) -> None:
    first = Journal(Place.of(tmp_path))
    first.note({}, ["a.rgo", "b.rgo"])
    second = Journal(Place.of(tmp_path))
    second.load()
    assert second.promised == {"a.rgo", "b.rgo"}
    second.finish()
    third = Journal(Place.of(tmp_path))
    third.load()
    assert third.promised == set()


GOOD_LINE = b'{"source": "a.png", "target": "a.rgo", "bytes_in": 1}'
DAMAGED_LINES = [
    b"{", b"[]", b"null", b"7", b'"row"', b"", b"\xff\xfe", b"\0" * 40,
    GOOD_LINE[:-9], GOOD_LINE + b"}", b"[" * 100_000,
    b"{}", b'{"source": "a.png"}', b'{"source": null, "target": "a", "bytes_in": 1}',
    b'{"source": 7, "target": "a", "bytes_in": 1}', b'{"source": "a", "target": ["a"], "bytes_in": 1}',
    b'{"source": "a", "target": "a", "bytes_in": "1"}', b'{"source": "a", "target": "a", "bytes_in": 1.5}',
    b'{"source": "a", "target": "a", "bytes_in": true}', b'{"source": "a", "target": "a", "bytes_in": 1, "bpp": "x"}',
    b'{"source": "a", "target": "a", "bytes_in": ' + b"9" * 5000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED_LINES, ids=range(len(DAMAGED_LINES)))
def test_a_damaged_row_is_one_line_that_names_it(tmp_path: Path, line: bytes) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "rows-1.jsonl").write_bytes(GOOD_LINE + b"\n" + line + b"\n")
    with pytest.raises(CorruptFile, match=r"rows-1.jsonl, line 2 is damaged; remove the file"):
        Journal(Place.of(tmp_path)).load()


@pytest.mark.parametrize("text", [b"{", b"", b"[]", b"7", b"null", b"\xff", b'"x"', b"[" * 100_000])
def test_damaged_settings_and_plans_are_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "settings.json").write_bytes(text)
    with pytest.raises(CorruptFile, match=r"settings.json is damaged; --force"):
        Journal(Place.of(tmp_path)).settings()
    (tmp_path / FOLDER / "planned-1.json").write_bytes(b"[1]" if text == b"[]" else text)
    with pytest.raises(CorruptFile, match=r"planned-1.json is damaged; --force"):
        Journal(Place.of(tmp_path)).load()


HEAD = b"source,target,bytes_in,bytes_out\n"
DAMAGED_MANIFESTS = {
    "number": HEAD + b"a,b,x,1\n", "short": HEAD + b"a\n", "unicode": HEAD + b"\xff,b,1,1\n",
    "other": b"name,size\nx,1\n",
    "huge": HEAD + b"x" * 200_000 + b",b,1,1\n", "nothing": HEAD + b",,,\n",
    "digits": HEAD + b"a,b," + b"9" * 5000 + b",1\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGED_MANIFESTS)
def test_a_damaged_csv_manifest_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "m.csv").write_bytes(DAMAGED_MANIFESTS[kind])
    with pytest.raises(CorruptFile, match=r"m.csv is not a manifest, or is damaged"):
        Journal(Place.of(tmp_path), "m.csv").load()
    with pytest.raises(CorruptFile, match=r"m.csv is not a manifest, or is damaged"):
        read_manifest(str(tmp_path / "m.csv"))


def test_a_damaged_parquet_manifest_is_one_line_or_the_same_rows(tmp_path: Path) -> None:
    journal = Journal(Place.of(tmp_path))
    journal.add([GOOD, BAD])
    journal.finish()
    path = tmp_path / "manifest.parquet"
    whole = path.read_bytes()
    for at in range(0, len(whole), 29):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            try:
                read_manifest(str(path))
            except CorruptFile as error:
                assert "\n" not in str(error)  # noqa: PT017


def test_a_parquet_table_of_other_columns_or_types_is_no_manifest(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for columns in (
        {"name": ["a"]},
        {"source": [1], "target": ["a"], "bytes_in": [1]},
        {"source": ["a"], "target": ["b"]},
    ):
        pq.write_table(pa.table(columns), tmp_path / "m.parquet")
        with pytest.raises(CorruptFile, match="not a manifest"):
            read_manifest(str(tmp_path / "m.parquet"))
