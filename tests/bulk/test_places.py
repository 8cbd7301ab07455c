"""Folders by path and URL: what is in them, and that files in them are whole."""

import os
import pickle
from pathlib import Path

import fsspec
import pytest

from regio.bulk.places import Place
from regio.errors import RegioError, UsageError


@pytest.fixture(params=["folder", "file://", "memory://"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each kind."""
    if request.param == "memory://":
        fsspec.filesystem("memory").store.clear()
        return Place.of("memory://bucket/photos")
    return Place.of(("file://" if request.param == "file://" else "") + str(tmp_path / "photos"))


def test_what_is_written_is_listed_and_read(place: Place) -> None:
    assert not place.exists("a.png")
    place.write("a.png", b"one")
    place.write("sub/b c.png", b"three")
    place.write("a.png", b"two!")
    place.write(".hidden/x.png", b"x")
    assert place.files() == {"a.png": 4, "sub/b c.png": 5}
    assert place.read("sub/b c.png") == b"three"
    assert place.names(".hidden") == ["x.png"]
    assert place.names("nothing") == []
    place.remove("a.png")
    place.remove("a.png")  # once more does no harm
    assert place.files() == {"sub/b c.png": 5}


def test_a_pattern_keeps_the_folders_behind_its_beginning(place: Place) -> None:
    for name in ("a.png", "a.jpg", "sub/b.png", "sub/deep/c.png"):
        place.write(name, b"1")
    assert set(Place(place.url + "/**/*.png").files()) >= {"sub/b.png", "sub/deep/c.png"}
    assert set(Place(place.url + "/*.png").files()) == {"a.png"}
    assert set(Place(place.url + "/su?/*.png").files()) == {"sub/b.png"}


def test_no_half_file_takes_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place.of(tmp_path)
    place.write("a", b"precious")

    def full(self: Path, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        place.write("a", b"half")
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208
    assert place.read("a") == b"precious"


def test_what_is_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="no such folder"):
        Place.of(tmp_path / "none").files()
    with pytest.raises(UsageError, match="is a file; a folder or a pattern"):
        Place.of(tmp_path / "file").files()
    with pytest.raises(UsageError, match="nonsense"):
        Place.of("nonsense://bucket").files()
    with pytest.raises(UsageError, match="empty"):
        Place.of("")


def test_a_store_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(RegioError, match=r"s3://bucket: Install s3fs"):
        Place.of("s3://bucket").files()


def test_places_travel_without_their_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place.of("photos")
    place.write("a", b"1")
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(place)).read("a") == b"1"
    assert len(pickle.dumps(place)) < 300
