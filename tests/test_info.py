"""inspect() tells what a file says about itself, quickly and without a model."""

import subprocess
import sys
import types
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from regio.errors import CorruptFile, NoSuchFile, UnsupportedFile, UsageError
from regio.format import Chunk, CustomWeights, Header, Kind, RgoFile, Tile, TileIndex, pack
from regio.info import Info, inspect

HEADER = Header(model=1, fingerprint=b"\xab\xcd", width=100, height=70, rate=2420, grid=4)
PLAIN = pack(RgoFile(HEADER, payload=bytes(range(200))), 1)
RICH = pack(
    RgoFile(
        replace(HEADER, model=0, fingerprint=b"\1\1", grey=True),
        (
            Chunk(Kind.EXIF, b"MM\0*"),
            Chunk(Kind.ALPHA, b"\x80"),
            TileIndex(7, (Tile(4, 0),)).chunk(),
            CustomWeights(b"\1" * 16, "mine").chunk(),
            Chunk(200, b""),
        ),
        b"tile",
    ),
    1,
)


@dataclass
class Entry:
    """What inspect() needs of a catalog entry."""

    name: str


@pytest.fixture(autouse=True)
def catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of one model, so that these tests do not change with the real one."""
    stand_in = types.ModuleType("regio.models.catalog")
    stand_in.CATALOG = {1: Entry("segpic-xs")}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "regio.models", types.ModuleType("regio.models"))
    monkeypatch.setitem(sys.modules, "regio.models.catalog", stand_in)


def test_a_plain_file_says_all_of_this() -> None:
    assert inspect(PLAIN).as_dict() == {
        "width": 100,
        "height": 70,
        "grey": False,
        "alpha": False,
        "codec": "segpic-xs",
        "fingerprint": "abcd",
        "quality": 60.5,
        "lossless": False,
        "grid": 4,
        "bytes_total": 214,
        "bpp": 8 * 214 / 7000,
        "parts": {"header": 14, "payload": 200},
        "metadata": (),
        "metadata_bytes": 0,
        "tile_side": None,
        "scale": 1.0,
        "roi_quality": None,
        "version": 1,
    }


def test_a_file_with_everything_says_so() -> None:
    info = inspect(RICH)
    assert info.codec == "custom (mine)"
    assert info.fingerprint == "01" * 16
    assert info.colour == "LA"
    assert info.metadata == ("exif",)
    assert (info.metadata_bytes, info.metadata_share) == (10, "exif: 10 bytes, 12.5 % of the file")
    assert info.tile_side == 128
    assert info.parts == {
        "header": 15,
        "exif": 10,
        "alpha": 7,
        "tiles": 12,
        "weights": 26,
        "chunk 200": 6,
        "payload": 4,
    }
    assert sum(info.parts.values()) == info.bytes_total == len(RICH)


def test_it_prints_as_one_line() -> None:
    assert repr(inspect(PLAIN)) == "<Info 100x70 RGB, segpic-xs, quality 60.5, 214 bytes, 0.2446 bpp>"
    assert repr(inspect(RICH)) == "<Info 100x70 LA, custom (mine), quality 60.5, 80 bytes, 0.09143 bpp, exif>"


def test_a_notebook_shows_a_table_and_nothing_of_a_file_becomes_markup() -> None:
    page = inspect(RICH)._repr_html_()
    assert "<tr><th>picture</th><td>100 × 70, LA</td></tr>" in page
    assert "<td>header 15, exif 10, alpha 7" in page
    chunk = CustomWeights(b"\1" * 16, "<script>").chunk()
    page = inspect(pack(RgoFile(replace(HEADER, model=0, fingerprint=b"\1\1"), (chunk,)), 1))._repr_html_()
    assert "custom (&lt;script&gt;)" in page
    assert "<script>" not in page


def test_a_model_of_a_later_release_has_no_name_yet() -> None:
    data = pack(RgoFile(replace(HEADER, model=99)), 1)
    assert inspect(data).codec == "unknown (id 99)"


def test_a_picture_beyond_the_limits_of_decoding_can_be_looked_at() -> None:
    data = pack(RgoFile(replace(HEADER, width=1 << 20, height=1 << 20)), 1)
    assert inspect(data).width == 1 << 20


def test_bytes_and_paths_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a picture.rgo"
    path.write_bytes(PLAIN)
    expected: Info = inspect(PLAIN)
    for source in (path, str(path), bytearray(PLAIN), memoryview(PLAIN)):
        assert inspect(source) == expected


def test_another_kind_of_file_is_not_read_to_its_end() -> None:
    with pytest.raises(CorruptFile, match="it begins with 00 00"):
        inspect("/dev/zero")


def test_damage_and_later_versions_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "half.rgo"
    path.write_bytes(RICH[:40])
    with pytest.raises(CorruptFile, match="offset"):
        inspect(path)
    with pytest.raises(UnsupportedFile, match="version is 2"):
        inspect(b"\xd7\x52\x20")
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "none.rgo")


def test_looking_needs_the_standard_library_alone() -> None:
    script = (
        "import sys, regio.format, regio.info; print(*{'torch', 'numpy', 'PIL', 'constriction'} & set(sys.modules))"
    )
    # regio itself may register its Pillow plugin on import; that is not what is tested here
    alone = "import sys, types; from pathlib import Path; p = types.ModuleType('regio'); p.__path__ = [sys.argv[1]]; "
    here = str(Path(sys.modules["regio.info"].__file__ or "").parent)
    done = subprocess.run(
        [sys.executable, "-c", alone + "sys.modules['regio'] = p; " + script, here],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("wrong", [3, -1, 10**10, None, ["a.rgo"]])
def test_what_is_neither_bytes_nor_a_path_is_refused_at_once(wrong: object) -> None:
    with pytest.raises(UsageError, match=f"cannot read a file from {type(wrong).__name__}"):
        inspect(wrong)  # type: ignore[arg-type]


def test_a_path_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile, match=r"nope\.rgo"):
        inspect(tmp_path / "nope.rgo")
