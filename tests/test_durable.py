"""Files that are whole or absent, whatever ends the program."""

import errno
import os
from pathlib import Path

import pytest

from regio.durable import make_folders, replacing, write_part, write_whole


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_whole(path, b"precious")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"half")
    with pytest.raises(OSError, match="No space left"):
        write_part(tmp_path / "b.part", b"half")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"precious"


def test_a_private_file_is_never_readable_by_others_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    path.chmod(0o600)
    seen: list[int] = []
    chmod = Path.chmod
    monkeypatch.setattr(Path, "chmod", lambda self, mode: (seen.append(self.stat().st_mode & 0o777), chmod(self, mode)))
    write_whole(path, b"2")
    assert seen == [0o600]
    assert path.stat().st_mode & 0o777 == 0o600


def test_folders_are_made_once(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b")
    make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_name_is_taken_at_the_end_or_never(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as part:
        part.write_bytes(b"1")
        assert not (tmp_path / "a").exists()
    with pytest.raises(OSError, match="No space left"), replacing(tmp_path / "a") as part:
        part.write_bytes(b"half") and full_disk(0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_folder_that_takes_nothing_is_told_by_the_name_of_the_target(tmp_path: Path) -> None:
    for target in (tmp_path / "none" / "a", Path("/proc/a")):
        with pytest.raises(OSError) as error, replacing(target) as part:
            part.write_bytes(b"1")
        assert error.value.filename == str(target)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "b").touch()
    with pytest.raises(OSError) as error, replacing(tmp_path / "full") as part:
        part.write_bytes(b"1")
    assert (error.value.filename, error.value.filename2) == (str(tmp_path / "full"), str(tmp_path / "full"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["full"]
