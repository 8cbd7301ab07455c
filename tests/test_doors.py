"""The public door: whatever is handed in, an error is one plain line of Regio's own, and codecs can be copied."""

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from toy_codec import codec_of, picture, toy, toy_net

import regio
from regio.errors import CorruptFile, IsAFolder, NoSuchFile, RegioError, UsageError

READERS: dict[str, Callable[[Any], Any]] = {
    "decode": toy().decode,
    "verify": toy().verify,
    "inspect": regio.inspect,
}
DOORS: dict[str, Callable[[Any], Any]] = READERS | {"encode": toy().encode}
DATA = toy().encode(picture(70, 90))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("wrong", [None, 3, 2.5, io.StringIO("text"), object()], ids=repr)
def test_what_is_no_file_is_a_usage_error(door: str, wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"cannot read a (file|picture) from"):
        DOORS[door](wrong)


@pytest.mark.parametrize("door", DOORS)
def test_a_folder_and_a_missing_file_are_named(door: str, tmp_path: Path) -> None:
    with pytest.raises(IsAFolder, match=f"Is a directory: {tmp_path}"):
        DOORS[door](tmp_path)
    with pytest.raises(NoSuchFile, match=r"No such file or directory: .*none"):
        DOORS[door](str(tmp_path / "none"))
    assert issubclass(IsAFolder, IsADirectoryError)
    assert issubclass(NoSuchFile, FileNotFoundError)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["a\0b", "\0", "photo.rgo\0"])
def test_what_is_no_name_of_a_file_is_a_usage_error(door: str, name: str) -> None:
    with pytest.raises(UsageError, match="null"):
        DOORS[door](name)


@pytest.mark.parametrize("name", ["exif", "icc_profile", "xmp"])
@pytest.mark.parametrize("wrong", [5, 2.5, [1], {}])
def test_pillow_refuses_metadata_that_is_none(name: str, wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{name} is a {type(wrong).__name__}: must be bytes"):
        Image.fromarray(picture(32, 32)).save(tmp_path / "a.rgo", codec=toy(), **{name: wrong})


@pytest.mark.parametrize("door", READERS)
def test_bytes_paths_and_streams_are_read_alike(door: str, tmp_path: Path) -> None:
    path = tmp_path / "a.rgo"
    path.write_bytes(DATA)
    with path.open("rb") as stream:
        for source in (DATA, bytearray(DATA), memoryview(DATA), path, str(path), io.BytesIO(DATA), stream):
            READERS[door](source)


@pytest.mark.parametrize("door", READERS)
@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP picture"),
        (b"\0\0\0\x20ftypavif", r"an AVIF, HEIC or MP4 file \(avif\)"),
        (b"\0\0\0\x20ftypheic", r"an AVIF, HEIC or MP4 file \(heic\)"),
        (b"GIF89a", "a GIF picture"),
        (b"%PDF-1.4", "a PDF document"),
        (b"hello world", "it begins with 68 65 6C 6C"),
        (b"\xd7\x53\x10", "it begins with D7 53 10"),
        (b"\xd6", "it begins with D6"),
    ],
)
def test_another_kind_of_file_is_called_by_its_name(door: str, start: bytes, kind: str) -> None:
    with pytest.raises(CorruptFile, match=f"^not a .rgo file: .*{kind}$"):
        READERS[door](start)


def test_the_first_byte_alone_is_a_truncated_file() -> None:
    with pytest.raises(CorruptFile, match="truncated"):
        regio.inspect(DATA[:1])


@pytest.mark.parametrize("wrong", [None, 3, b"segpic-xs", ["segpic-xs"], {}], ids=repr)
def test_a_codec_is_loaded_by_name_or_path_only(wrong: Any) -> None:
    with pytest.raises(UsageError, match="cannot load a codec from"):
        regio.load(wrong)
    if wrong is not None:
        with pytest.raises(UsageError, match="cannot load a codec from"):
            regio.decode(DATA, codec=wrong)


def pickled(codec: Any) -> Any:
    return pickle.loads(pickle.dumps(codec))


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_a_codec_writes_and_reads_the_same(way: Callable[[Any], Any]) -> None:
    codec = codec_of(toy_net())
    other = way(codec)
    assert (other.name, other.fingerprint, other.device) == (codec.name, codec.fingerprint, codec.device)
    assert other.encode(picture(70, 90)) == codec.encode(picture(70, 90))
    assert other.decode(DATA).tobytes() == codec.decode(DATA).tobytes()


@pytest.mark.parametrize("option", ["qualty", "lossless", "optimize", "Quality", "max_byte", "roi-strength"])
def test_pillow_names_options_that_have_no_effect(option: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=f"^{option}= has no effect on a .rgo file"):
        Image.fromarray(picture(32, 32)).save(tmp_path / "a.rgo", codec=toy(), **{option: 3})
    assert (tmp_path / "a.rgo").exists()


def test_pillow_refuses_several_frames(tmp_path: Path) -> None:
    frame = Image.fromarray(picture(32, 32))
    for more in ([], [frame]):
        with pytest.raises(RegioError, match="holds one picture"):
            frame.save(tmp_path / "a.rgo", codec=toy(), save_all=True, append_images=more)
    assert not (tmp_path / "a.rgo").exists()


@pytest.mark.parametrize("name", ["", " ", "\t"])
def test_a_codec_without_a_name_is_one_clear_line(name: str) -> None:
    with pytest.raises(UsageError, match="the name of the codec is empty; `regio models` lists the names"):
        regio.load(name)
