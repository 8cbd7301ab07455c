"""What the pages ask for: files on the server's shelf, from what came in, and nothing left of it in memory."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import regio
from regio.app.choices import Choices, Region
from regio.app.desk import ORIGINAL, Desk, most_to_see
from regio.app.limits import Limits
from regio.app.shelf import Shelf, save_png
from regio.app.study import Study
from regio.errors import CorruptFile, LimitExceeded, MissingWeights, UsageError

Pictures = Callable[..., Path]
CHOICES = Choices("stand-in", 9000)


def quiet(share: float, what: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def desk(stand_in: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    files = tmp_path / "files"
    files.mkdir()
    monkeypatch.setattr("regio.evaluation.bit_share.bit_map", lambda codec, data: np.ones((2, 3)))
    monkeypatch.setattr(stand_in.Codec, "decode", lambda self, data, **limits: stand_in.decode(data), raising=False)
    monkeypatch.setattr(stand_in.Codec, "fingerprint", "12" * 16, raising=False)
    return Desk(Shelf(files), Study(tmp_path / "votes.db"), Limits(pixels=2000, upload=100_000), codecs=("stand-in",))


def test_a_picture_that_arrives_gets_a_preview_and_a_size(desk: Desk, picture_file: Pictures) -> None:
    found = desk.receive(str(picture_file(width=48, height=32)))
    assert found.line == "48 × 32 pixels"
    assert found.size == 48
    with Image.open(found.preview) as preview:
        assert preview.size == (48, 32)
    with pytest.raises(LimitExceeded):
        desk.receive(str(picture_file(width=48, height=42)))


def test_the_region_is_shown_before_bytes_are_spent(desk: Desk, picture_file: Pictures) -> None:
    path = str(picture_file(width=48, height=32))
    image, line = desk.look(path, Choices("stand-in", None, Region.BOX, box="0,0,24,32"), quiet)
    assert line == "a box, 50% of the picture"
    shown = np.asarray(Image.open(image)).astype(int)
    original = np.asarray(Image.open(path)).astype(int)
    assert np.array_equal(shown[:, :24], original[:, :24])
    assert shown[:, 24:].sum() < original[:, 24:].sum() / 3
    assert desk.look(path, CHOICES, quiet)[1] == "The bytes are spread evenly."


def test_ours_is_there_first_and_the_others_follow(desk: Desk, picture_file: Pictures) -> None:
    said: list[tuple[float, str]] = []
    path = picture_file("my photo.png", width=48, height=32)
    first, *_, last = desk.compress(str(path), CHOICES, lambda share, what: said.append((share, what)))
    assert (first.done, last.done) == (False, True)
    assert set(first.whole) == {ORIGINAL, "Regio"}
    assert list(last.sizes) == ["Regio", "JPEG", "WebP", "AVIF"]
    assert set(last.whole) == set(last.detail) == {ORIGINAL, *last.sizes}
    assert [share for share, _ in said] == sorted(share for share, _ in said)
    assert all(0 <= share <= 1 for share, _ in said)
    rgo, png = Path(last.rgo), Path(last.png)
    assert (rgo.name, png.name) == ("my photo.rgo", "my photo.png")
    assert regio.inspect(rgo).width == 48
    for name in (png, last.whole["Regio"], last.whole[ORIGINAL]):  # the stand-in keeps every pixel
        assert np.array_equal(np.asarray(Image.open(name)), np.asarray(Image.open(path)))
    assert list(last.files) == ["JPEG", "WebP", "AVIF"]
    for name, file in last.files.items():
        assert Path(file).stem == "my photo"
        assert Path(file).stat().st_size == last.sizes[name]
        with Image.open(file) as image:
            assert image.format == name.upper()
    assert last.bits is not None
    assert all(isinstance(value, str) for value in last.whole.values())


def test_a_picture_named_like_one_of_our_files_does_not_overwrite_it(desk: Desk, picture_file: Pictures) -> None:
    choices = Choices("stand-in", 9000, Region.BOX, box="0,0,10,10")
    for name in ("region", "bits", "original-whole"):
        *_, last = desk.compress(str(picture_file(f"{name}.png", width=48, height=32)), choices, quiet)
        shown = {last.region, last.bits, *last.whole.values(), *last.detail.values()}
        assert last.png not in shown
        assert last.region is not None
        assert not np.array_equal(np.asarray(Image.open(last.png)), np.asarray(Image.open(last.region)))


def test_a_file_is_opened_with_what_it_says(desk: Desk, picture_file: Pictures, tmp_path: Path) -> None:
    *_, made = desk.compress(str(picture_file(width=48, height=32)), CHOICES, quiet)
    opened = desk.open(made.rgo, quiet)
    assert np.array_equal(np.asarray(Image.open(opened.png)), np.asarray(Image.open(made.png)))
    assert "48 × 32 pixels, RGB" in opened.table
    text = tmp_path / "a.rgo"
    text.write_text("Dear diary")
    with pytest.raises(CorruptFile, match="not a"):
        desk.open(str(text), quiet)


def test_several_pictures_become_one_archive_and_questions_of_the_study(
    desk: Desk, picture_file: Pictures, tmp_path: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Dear diary")
    paths = [picture_file(name, width=48, height=32) for name in ("a.png", "b.png", "a.bmp")] + [text]
    choices = Choices("stand-in", None)
    said: list[float] = []
    found = list(
        desk.several(list(map(str, paths)), choices, 24, ("jpeg", "avif"), lambda share, what: said.append(share))
    )
    assert len(found) == 5
    assert [one.archive for one in found[:-1]] == [None] * 4
    assert said == sorted(said)
    assert found[-1].asked == desk.study.pictures() == 3
    ballot = desk.study.ballot("ann")
    assert ballot is not None
    assert len(ballot.versions) == 3
    assert "not a picture" in found[-1].table
    assert "3 of 4" in found[-1].table
    assert found[-1].archive is not None
    with zipfile.ZipFile(found[-1].archive) as archive:
        assert archive.namelist() == ["a.rgo", "b.rgo", "a.bmp.rgo"]
        for name in archive.namelist():
            assert regio.inspect(archive.read(name)).width == 48
    nothing = list(desk.several([str(text)], choices, 24, (), quiet))
    assert [one.archive for one in nothing] == [None]
    for wrong in ([], [str(text)] * 201):
        with pytest.raises(UsageError, match="1 to 200"):
            list(desk.several(wrong, choices, 24, (), quiet))
    assert desk.study.pictures() == 3


def test_the_sample_passes_as_a_picture_and_has_text_to_find(desk: Desk) -> None:
    desk.limits = Limits()
    path = desk.sample()
    assert desk.receive(path).line == "640 × 448 pixels"
    assert desk.look(path, Choices("stand-in", None, Region.TEXT), quiet)[1].startswith("text")
    assert Path(path).read_bytes() == Path(desk.sample()).read_bytes()


def test_only_codecs_that_are_offered_are_loaded(desk: Desk) -> None:
    with pytest.raises(MissingWeights, match="no codec"):
        desk.codec("/etc/passwd")
    assert desk.codec("stand-in") is desk.codec("stand-in")


def test_what_was_compressed_can_be_judged(desk: Desk, picture_file: Pictures) -> None:
    *_, made = desk.compress(str(picture_file(width=48, height=32)), CHOICES, quiet)
    assert desk.add_to_study(made) == 1
    ballot = desk.study.ballot("ann")
    assert ballot is not None
    assert len(ballot.versions) == 4
    first, *_ = desk.compress(str(picture_file(width=48, height=32)), CHOICES, quiet)
    with pytest.raises(UsageError, match="2 to"):
        desk.add_to_study(first)


def test_the_part_with_most_to_see_is_where_the_damage_is() -> None:
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)
    decoded = reference.copy()
    decoded[20:60, 30:70] = 128
    decoded[150:180, 250:290] //= 2
    window = most_to_see(reference, decoded, None)
    assert window.left <= 50 <= window.left + window.width
    assert window.top <= 40 <= window.top + window.height
    mask = np.zeros((200, 300), bool)
    mask[140:, 240:] = True
    window = most_to_see(reference, decoded, mask)
    assert window.left + window.width > 250
    assert window.top + window.height > 150


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 900), (1200, 1500), (3001, 700)])
def test_the_part_lies_in_pictures_of_any_shape(height: int, width: int) -> None:
    reference = np.zeros((height, width, 3), np.uint8)
    window = most_to_see(reference, reference + np.uint8(1), None)
    assert window.cut(reference).shape == (window.height, window.width, 3)
    assert window.width >= 1


def test_old_files_go_and_new_ones_stay(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    old, new = shelf.folder(), shelf.folder()
    (old / "a.png").write_bytes(b"x")
    stray = tmp_path / "upload"
    stray.write_bytes(b"x")
    for entry in (old, stray):
        os.utime(entry, (1, 1))
    third = shelf.folder()
    assert sorted(tmp_path.iterdir()) == sorted([new, third])
    assert old.name != new.name
    assert len(new.name) == 32


def test_large_pictures_are_shown_smaller_and_keep_their_profile(tmp_path: Path) -> None:
    path = save_png(np.zeros((100, 400, 3), np.uint8), tmp_path / "a.png", icc=b"profile", longest=200)
    with Image.open(path) as image:
        assert image.size == (200, 50)
        assert image.info["icc_profile"] == b"profile"


def test_a_file_is_decoded_within_the_limits_of_the_server(
    desk: Desk, stand_in: ModuleType, picture_file: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, made = desk.compress(str(picture_file(width=48, height=32)), CHOICES, quiet)
    given: list[dict[str, int]] = []

    def decode(self: object, data: bytes, **limits: int) -> object:
        given.append(limits)
        return stand_in.decode(data)

    monkeypatch.setattr(stand_in.Codec, "decode", decode)
    desk.open(made.rgo, quiet)
    assert given == [{"max_pixels": 2000, "max_memory": desk.limits.memory}]
