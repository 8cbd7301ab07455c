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
    assert not place.folder.exists("a.png")
    place.folder.write("a.png", b"one")
    place.folder.write("sub/b c.png", b"three")
    place.folder.write("a.png", b"two!")
    place.folder.write(".hidden/x.png", b"x")
    assert place.files() == {"a.png": 4, "sub/b c.png": 5}
    assert place.folder.read("sub/b c.png") == b"three"
    assert place.folder.names(".hidden") == ["x.png"]
    assert place.folder.names("nothing") == []
    place.folder.remove("a.png")
    place.folder.remove("a.png")  # once more does no harm
    assert place.files() == {"sub/b c.png": 5}


def test_a_pattern_keeps_the_folders_behind_its_beginning(place: Place) -> None:
    for name in ("a.png", "a.jpg", "sub/b.png", "sub/deep/c.png"):
        place.folder.write(name, b"1")
    assert set(Place(place.url + "/**/*.png", pattern=True).files()) >= {"sub/b.png", "sub/deep/c.png"}
    assert set(Place(place.url + "/*.png", pattern=True).files()) == {"a.png"}
    assert set(Place(place.url + "/su?/*.png", pattern=True).files()) == {"sub/b.png"}


def test_no_half_file_takes_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place.of(tmp_path)
    place.folder.write("a", b"precious")

    def full(self: Path, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        place.folder.write("a", b"half")
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208
    assert place.folder.read("a") == b"precious"


def test_what_is_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="no such folder"):
        Place.of(tmp_path / "none").files()
    with pytest.raises(UsageError, match="is a file; give a folder or a pattern"):
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
    place.folder.write("a", b"1")
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(place)).folder.read("a") == b"1"
    assert len(pickle.dumps(place)) < 300


ODD = ("out [2024]", "a*b", "what?", "[", "x{1,2}", "a::b", "100%25", "~", "ä ö", "[!a]", "**")


@pytest.mark.parametrize("name", ODD)
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    place = Place.of(tmp_path / name)
    place.folder.write("sub/x.png", b"1")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "sub" / "x.png").read_bytes() == b"1"
    for source in (place, Place.of(tmp_path / name, pattern=True), Place.of(f"{tmp_path}/{name}/**/*", pattern=True)):
        assert source.files() == {"sub/x.png": 1}
        assert source.folder.read("sub/x.png") == b"1"
    place.folder.remove("sub/x.png")
    assert place.files() == {}


@pytest.mark.parametrize("name", ["out [2024]", "a*b", "[!a]"])
def test_a_folder_of_a_store_may_have_any_name(name: str) -> None:
    fsspec.filesystem("memory").store.clear()
    place = Place.of(f"memory://bucket/{name}")
    place.folder.write("x.png", b"1")
    assert set(fsspec.filesystem("memory").store) == {f"/bucket/{name}/x.png"}
    assert Place.of(f"memory://bucket/{name}", pattern=True).files() == {"x.png": 1}
    assert Place.of(f"memory://bucket/{name}/*.png", pattern=True).files() == {"x.png": 1}


@pytest.mark.parametrize("renames", [True, False])
def test_a_temporary_name_in_a_store_that_is_no_object_store_is_taken_literally(tmp_path: Path, renames: bool) -> None:
    from fsspec import AbstractFileSystem
    from fsspec.implementations.local import LocalFileSystem

    from regio.bulk.places import Store

    class Copies(LocalFileSystem):
        mv = AbstractFileSystem.mv

    store = Store(LocalFileSystem() if renames else Copies(), f"{tmp_path}/out [2024]")
    store.write("x[1].png", b"1")
    assert [path.name for path in (tmp_path / "out [2024]").iterdir()] == ["x[1].png"]


def test_a_pattern_may_begin_with_a_folder_of_an_odd_name(tmp_path: Path) -> None:
    for name in ("photos [2024]/a.png", "photos [2024]/b.jpg", "photos 2/c.png", "photos [2024]/deep/d.png"):
        Place.of(tmp_path).folder.write(name, b"1")
    assert Place.of(tmp_path / "photos [2024]" / "*.png", pattern=True).files() == {"a.png": 1}
    assert Place.of(tmp_path / "photos*" / "*.png", pattern=True).files() == {
        "photos [2024]/a.png": 1,
        "photos 2/c.png": 1,
    }
    assert Place.of(tmp_path / "none*" / "*.png", pattern=True).files() == {}


def test_links_to_pictures_and_folders_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    place = Place.of(tmp_path / "photos")
    place.folder.write("sub/a.png", b"12")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "b.png").write_bytes(b"123")
    photos = tmp_path / "photos"
    (photos / "link.png").symlink_to(elsewhere / "b.png")
    (photos / "linked").symlink_to(elsewhere)
    (photos / "sub" / "circle").symlink_to(photos)
    (photos / "broken.png").symlink_to(tmp_path / "nothing")
    assert place.files() == {"sub/a.png": 2, "link.png": 3, "linked/b.png": 3, "broken.png": 0}
    assert Place.of(photos / "**" / "b.png", pattern=True).files() == {"linked/b.png": 3}
    with pytest.raises(FileNotFoundError):
        place.folder.read("broken.png")  # a row of the manifest, not silence


def test_a_pipe_among_the_pictures_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert Place.of(tmp_path).files() == {"pipe.png": 0}
    with pytest.raises(OSError, match="is a pipe or a device"):
        Place.of(tmp_path).folder.read("pipe.png")
    with pytest.raises(OSError, match="is not a file"):
        Place.of(tmp_path).folder.write("pipe.png", b"1")


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace, unlink = os.fsync, Path.replace, Path.unlink

    def synced(descriptor: int) -> None:
        done.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append("rename"), replace(self, to)))
    monkeypatch.setattr(Path, "unlink", lambda self, **k: (done.append("remove"), unlink(self, **k)))
    Place.of(tmp_path / "new").folder.write("a.rgo", b"1")
    assert done == ["sync ", "sync .part", "rename", "sync "]  # the new folder's name, the bytes, the file's name
    done.clear()
    Place.of(tmp_path / "new").folder.remove("a.rgo")
    assert done == ["remove", "sync "]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o400])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    place = Place.of(tmp_path)
    place.folder.write("a", b"1")
    (tmp_path / "a").chmod(mode)
    place.folder.write("a", b"2")
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode
    assert place.folder.read("a") == b"2"


def test_a_link_that_is_written_to_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real")
    Place.of(tmp_path).folder.write("link", b"2")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"2"
