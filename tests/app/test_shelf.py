"""The folder of the server: a quota, files written once, and nothing left of a server that was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from regio.app.server import _folder
from regio.app.shelf import Shelf
from regio.errors import LimitExceeded

HOLDER = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from regio.app.server import _folder
with _folder() as folder:
    (folder / "a visitor's picture").write_bytes(b"private")
    print(folder.name, flush=True)
    time.sleep(600)
"""


def test_no_folder_is_made_past_the_quota(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, quota=100)
    (shelf.folder() / "file").write_bytes(b"a" * 100)
    assert shelf.folder().is_dir()
    (shelf.folder() / "file").write_bytes(b"a")
    with pytest.raises(LimitExceeded, match="no room for more files"):
        shelf.folder()
    for entry in tmp_path.iterdir():
        os.utime(entry, (0, 0))
    assert shelf.folder().is_dir()


def test_a_full_disk_is_said_before_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage())
    with pytest.raises(LimitExceeded, match="disk is full"):
        shelf.folder()


class _Usage:
    free = 1000


def test_a_picture_is_written_once_under_a_name_that_says_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    path = shelf.once("study 1 Regio", b"picture")
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert shelf.once("study 1 Regio", b"picture") == path
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert path.read_bytes() == b"picture"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert "Regio" not in str(path.relative_to(tmp_path))
    assert shelf.once("study 1 JPEG", b"other") != path
    assert Shelf(tmp_path).once("study 1 Regio", b"picture") != path


def test_files_of_a_killed_server_are_removed_and_those_of_a_running_one_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = tmp_path / process.stdout.readline().strip()
        try:
            with _folder() as folder:
                assert {entry.name for entry in tmp_path.iterdir()} == {left.name, folder.name}
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    assert left.is_dir()
    with _folder() as folder:
        assert [entry.name for entry in tmp_path.iterdir()] == [folder.name]
    assert list(tmp_path.iterdir()) == []
