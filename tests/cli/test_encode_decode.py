"""Encode and decode on the command line, everything but the codec itself."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regio import names as regio_names
from regio.cli import paths
from regio.cli.batch import change
from regio.info import inspect

Regio = Callable[..., Any]
MakeFile = Callable[..., Path]


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_picture_goes_there_and_back_beside_itself(regio: Regio, picture_file: MakeFile, tmp_path: Path) -> None:
    original = pixels(picture_file())
    done = regio("encode", "photo.png")
    assert done.out.startswith("photo.png -> photo.rgo: ")
    assert done.err == ""
    (tmp_path / "photo.png").unlink()
    done = regio("decode", "photo.rgo")
    assert done.out == "photo.rgo -> photo.png: 24 x 16\n"
    np.testing.assert_array_equal(pixels("photo.png"), original)
    assert names(tmp_path) == ["photo.png", "photo.rgo"]


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "bmp"])
def test_the_output_name_says_what_kind_of_picture(regio: Regio, picture_file: MakeFile, extension: str) -> None:
    original = pixels(picture_file())
    regio("encode", "photo.png")
    assert regio("decode", "photo.rgo", "-o", f"b.{extension}").code == 0
    with Image.open(f"b.{extension}") as image:
        assert image.format == {"tif": "TIFF"}.get(extension, extension.upper())
    np.testing.assert_array_equal(pixels(f"b.{extension}"), original)


def test_the_kind_of_picture_is_checked_before_the_work(
    regio: Regio, picture_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_file()
    regio("encode", "photo.png")
    done = regio("decode", "photo.rgo", "-o", "b.xyz")
    assert (done.code, done.err) == (2, "regio: cannot write pictures of type .xyz; try .png, .webp or .jpg\n")


def test_transparency_into_jpeg_is_one_clear_line(regio: Regio, photo: Callable[..., Image.Image]) -> None:
    photo(mode="RGBA").save("a.png")
    regio("encode", "a.png")
    done = regio("decode", "a.rgo", "-o", "b.jpg")
    assert done.code == 2
    assert "JPEG cannot store this RGBA picture" in done.err
    assert not Path("b.jpg").exists()


def test_nothing_is_overwritten_without_force(regio: Regio, picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file()
    Path("photo.rgo").write_bytes(b"precious")
    done = regio("encode", "photo.png")
    assert (done.code, done.err) == (2, "regio: photo.rgo exists already; --force overwrites\n")
    assert Path("photo.rgo").read_bytes() == b"precious"
    assert regio("encode", "photo.png", "--force").code == 0
    assert inspect("photo.rgo").width == 24
    done = regio("decode", "photo.rgo")
    assert (done.code, done.err) == (2, "regio: photo.png exists already; --force overwrites\n")


def test_a_file_is_never_written_over_itself(regio: Regio, picture_file: MakeFile) -> None:
    before = picture_file().read_bytes()
    done = regio("encode", "photo.png", "-o", "photo.png", "--force")
    assert done.code == 2
    assert "would be written over itself" in done.err
    assert Path("photo.png").read_bytes() == before


def test_a_folder_is_mirrored_and_other_files_are_left_alone(
    regio: Regio, picture_file: MakeFile, tmp_path: Path
) -> None:
    for name in ("in/a.png", "in/deep/b.JPG", "in/deep/.hidden.png", "in/.git/c.png"):
        picture_file(name)
    Path("in/notes.txt").write_text("no picture")
    done = regio("encode", "in", "-o", "out")
    assert done.code == 0, done.err
    assert names(tmp_path / "out") == ["a.rgo", "deep/b.rgo"]
    assert regio("decode", "out", "-o", "back", "--format", "webp").code == 0
    assert names(tmp_path / "back") == ["a.webp", "deep/b.webp"]


def test_a_folder_without_output_gets_its_results_beside_the_pictures(
    regio: Regio, picture_file: MakeFile, tmp_path: Path
) -> None:
    picture_file("in/a.png")
    assert regio("encode", "in").code == 0
    assert names(tmp_path / "in") == ["a.png", "a.rgo"]


def test_a_folder_goes_on_after_a_bad_picture_and_ends_with_its_code(
    regio: Regio, picture_file: MakeFile, tmp_path: Path
) -> None:
    picture_file("in/a.png")
    Path("in/b.png").write_bytes(b"no picture")
    picture_file("in/c.png")
    done = regio("encode", "in", "-o", "out", "--json")
    assert done.code == 3
    assert names(tmp_path / "out") == ["a.rgo", "c.rgo"]
    assert done.err.splitlines() == [
        "regio: in/b.png: not a picture of a kind that Pillow can read",
        "regio: 1 of 3 failed: in/b.png",
    ]
    assert [record.get("exit_code", 0) for record in done.records] == [0, 3, 0]


def test_the_first_failure_gives_the_exit_code(regio: Regio, picture_file: MakeFile) -> None:
    picture_file("a.png")
    regio("encode", "a.png")
    whole = Path("a.rgo").read_bytes()
    Path("b.rgo").write_bytes(whole[:2] + b"\x20" + whole[3:])  # version 2
    Path("c.rgo").write_bytes(whole[:-1])
    assert regio("verify", "b.rgo", "c.rgo").code == 4
    assert regio("verify", "c.rgo", "b.rgo").code == 3


@pytest.mark.parametrize("parallel", [2, 8])
def test_jobs_give_the_same_files_and_the_same_order(
    regio: Regio, picture_file: MakeFile, tmp_path: Path, parallel: int
) -> None:
    for number in range(6):
        picture_file(f"in/{number}.png", width=8 + number)
    one = regio("encode", "in", "-o", "one", "--json").records
    many = regio("encode", "in", "-o", "many", "-j", parallel, "--json").records
    assert [record["source"] for record in many] == [record["source"] for record in one]
    for name in names(tmp_path / "one"):
        assert Path("many", name).read_bytes() == Path("one", name).read_bytes()


def test_globs_are_understood_where_the_shell_does_not(regio: Regio, picture_file: MakeFile, tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b1.png", "[odd].png"):
        picture_file(name)
    regio("encode", "a*.png", "[odd].png", "-o", "out/")
    assert names(tmp_path / "out") == ["[odd].rgo", "a1.rgo", "a2.rgo"]


def test_a_file_that_is_meant_twice_is_encoded_once(regio: Regio, picture_file: MakeFile) -> None:
    picture_file("a.png")
    assert len(regio("encode", "a.png", "*.png", "--json").records) == 1


@pytest.mark.parametrize("name", ["x.txt", "x", "x.rgo.gz", "x.jpg"])
def test_a_result_has_the_name_of_its_kind(regio: Regio, picture_file: MakeFile, tmp_path: Path, name: str) -> None:
    picture_file("a.png")
    done = regio("encode", "a.png", "-o", name)
    better = Path(name).with_suffix(".rgo").name
    assert (done.code, done.err) == (
        2,
        f"regio: {name}: the result is a .rgo file; name it {better}, or a folder, with a / at its end\n",
    )
    assert names(tmp_path) == ["a.png"]
    assert regio("encode", "a.png", "-o", "X.RGO").code == 0


def test_opacity_that_takes_much_of_a_file_is_named(regio: Regio, photo: Callable[..., Image.Image]) -> None:
    image = photo(width=64, height=64)
    plain, clear = image.convert("RGB"), image.convert("RGB")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    clear.putalpha(Image.fromarray(noise))
    plain.save("plain.png")
    clear.save("clear.png")
    size = inspect_parts(regio, "clear.png")["alpha"]
    shown = regio("encode", "clear.png", "--force").out
    assert f"(opacity: {size} bytes, " in shown
    assert "opacity" in regio("info", "clear.rgo").out
    assert "opacity" not in regio("encode", "plain.png", "--force").out


def inspect_parts(regio: Regio, name: str) -> dict[str, int]:
    regio("encode", name)
    return inspect(Path(name).with_suffix(".rgo")).parts


def test_two_pictures_never_share_an_output(regio: Regio, picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file("a.png")
    picture_file("a.bmp")
    done = regio("encode", "a.png", "a.bmp")
    assert (done.code, done.err) == (
        2,
        "regio: a.png and a.bmp would both be written to a.rgo; --keep-suffix keeps them apart\n",
    )
    assert names(tmp_path) == ["a.bmp", "a.png"]
    assert regio("encode", "a.png", "a.bmp", "--keep-suffix").code == 0
    assert names(tmp_path) == ["a.bmp", "a.bmp.rgo", "a.png", "a.png.rgo"]
    assert regio("decode", "a.png.rgo", "a.bmp.rgo", "-o", "back/").code == 0
    assert names(tmp_path / "back") == ["a.bmp.png", "a.png.png"]


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_the_same_name_in_two_folders_is_refused_with_advice_that_helps(
    regio: Regio, picture_file: MakeFile, tmp_path: Path, command: str
) -> None:
    inputs = [str(picture_file(name).relative_to(tmp_path)) for name in ("in/one/p.png", "in/two/p.png")]
    if command == "decode":
        assert regio("encode", *inputs).code == 0
        inputs = [name.replace(".png", ".rgo") for name in inputs]
    for more in [[], ["--keep-suffix"]] if command == "encode" else [[]]:
        done = regio(command, *inputs, "-o", "same/", *more)
        assert done.code == 2
        assert done.err.endswith("; give the folder that holds them all, or each its own -o\n")
        assert not (tmp_path / "same").exists()
    assert regio(command, "in", "-o", "same/").code == 0
    assert len(list((tmp_path / "same").rglob("p.*"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "b.png", "-o", "-"], "takes one result only"),
        (["a.png", "b.png", "-o", "file"], "several results need a folder"),
        (["-", "-o", "folder"], "needs a file name"),
        (["-", "-", "-o", "-"], "once only"),
        (["empty"], "no pictures in empty"),
        ([""], "an empty file name"),
    ],
)
def test_outputs_that_make_no_sense_are_usage_errors(
    regio: Regio, picture_file: MakeFile, arguments: list[str], message: str
) -> None:
    picture_file("a.png")
    picture_file("b.png")
    Path("file").write_bytes(b"")
    Path("folder").mkdir()
    Path("empty").mkdir()
    done = regio("encode", *arguments)
    assert done.code == 2
    assert message in done.err


ODD_NAMES = ["a b.png", "ä✓.png", "-q.png", "new\nline.png", "a.b.c.png", "'quoted\".png", "%s.png"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_files_like_others(regio: Regio, picture_file: MakeFile, name: str) -> None:
    picture_file(name)
    done = regio("encode", "--", name)
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert Path(name).with_suffix(".rgo").exists()


def test_a_name_that_is_not_unicode_is_a_file_like_others(regio: Regio, picture_file: MakeFile) -> None:
    picture = picture_file("a.png").rename(os.fsdecode(b"\xff.png"))
    done = regio("encode", picture.name, "--json")
    assert done.code == 0
    assert os.fsencode(done.records[0]["source"]) == b"\xff.png"
    assert os.fsencode(done.records[0]["target"]) == b"\xff.rgo"


@pytest.mark.parametrize(
    ("options", "reaches"),
    [
        (["-q", "35.5"], {"quality": 35.5}),
        (["--quality", "0"], {"quality": 0.0}),
        (["--target-bpp", "0.2"], {"target_bpp": 0.2}),
        (["--max-bytes", "40k"], {"max_bytes": 40_000}),
        (["--max-bytes", "1.5M"], {"max_bytes": 1_500_000}),
        (["--max-bytes", "64KiB"], {"max_bytes": 65_536}),
        (["--max-bytes", "300"], {"max_bytes": 300}),
        (["--target-psnr", "34"], {"target_psnr": 34.0}),
        (["--grid", "4"], {"grid": 4}),
        (["--strip"], {"strip": True}),
        ([], {}),
    ],
)
def test_options_reach_the_codec(
    regio: Regio, picture_file: MakeFile, stand_in: Any, options: list[str], reaches: dict[str, object]
) -> None:
    picture_file()
    regio("encode", "photo.png", *options)
    assert stand_in.LOADED[stand_in.DEFAULT].calls == [reaches]


def test_the_codec_is_loaded_once_for_many_pictures(regio: Regio, picture_file: MakeFile, stand_in: Any) -> None:
    for name in "abc":
        picture_file(f"{name}.png")
    regio("encode", "*.png", "--codec", "other")
    assert list(stand_in.LOADED) == ["other"]
    assert len(stand_in.LOADED["other"].calls) == 3


def test_json_says_what_was_made(regio: Regio, picture_file: MakeFile) -> None:
    picture_file()
    (record,) = regio("encode", "photo.png", "-q", "40", "--json").records
    size = Path("photo.rgo").stat().st_size
    seconds = record.pop("seconds")
    assert seconds >= 0
    assert record == {
        "source": "photo.png",
        "target": "photo.rgo",
        "width": 24,
        "height": 16,
        "codec": "stand-in",
        "quality": 40.0,
        "lossless": False,
        "scale": 1.0,
        "bytes_total": size,
        "bpp": 8 * size / (24 * 16),
        "metadata_bytes": 0,
        "bytes_in": Path("photo.png").stat().st_size,
        "notes": [],
    }


def test_what_reading_changed_is_said_on_standard_error(regio: Regio) -> None:
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save("deep.png")
    done = regio("encode", "deep.png", "--json")
    assert done.err == "regio: deep.png: 16-bit grey reduced to 8 bits\n"
    assert done.records[0]["notes"] == ["16-bit grey reduced to 8 bits"]


def test_metadata_is_kept_unless_stripped(regio: Regio, photo: Callable[..., Image.Image]) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Regio"
    photo().save("a.jpg", exif=exif)
    regio("encode", "a.jpg")
    regio("decode", "a.rgo", "-o", "kept.png")
    regio("decode", "a.rgo", "-o", "bare.png", "--strip")
    with Image.open("kept.png") as kept, Image.open("bare.png") as bare:
        assert kept.getexif()[0x010F] == "Regio"
        assert not bare.getexif()


def test_a_failed_write_leaves_nothing_behind(
    regio: Regio, picture_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_file()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = regio("encode", "photo.png")
    assert (done.code, done.err) == (1, "regio: photo.png: No space left on device\n")
    assert names(tmp_path) == ["photo.png"]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no/such/folder.rgo", "there is no folder no/such"),
        ("photo.png/a.rgo", "photo.png is not a folder"),
        ("b.jpg", "the result is a .rgo file"),
        ("B.PNG", "the result is a .rgo file"),
        ("/proc/nothing/a.rgo", "there is no folder /proc/nothing"),
    ],
)
def test_a_place_that_cannot_be_written_is_named_before_any_work(
    regio: Regio, picture_file: MakeFile, stand_in: Any, output: str, message: str
) -> None:
    picture_file()
    done = regio("encode", "photo.png", "-o", output, "--force")
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not any(codec.calls for codec in stand_in.LOADED.values())


def test_several_pictures_do_not_make_a_folder_with_the_name_of_a_file(regio: Regio, picture_file: MakeFile) -> None:
    for name in ("a.png", "b.png"):
        picture_file(name)
    done = regio("encode", "a.png", "b.png", "-o", "one.rgo")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "one.rgo is a file's name" in done.err
    assert regio("encode", "a.png", "b.png", "-o", "one.rgo/").code == 0


def test_devices_are_written_to_and_links_stay_links(regio: Regio, picture_file: MakeFile, tmp_path: Path) -> None:
    picture_file()
    assert regio("encode", "photo.png", "-o", "/dev/null").code == 0
    Path("real.rgo").write_bytes(b"")
    Path("link.rgo").symlink_to("real.rgo")
    assert regio("encode", "photo.png", "-o", "link.rgo", "--force").code == 0
    assert Path("link.rgo").is_symlink()
    assert inspect("real.rgo").width == 24


@pytest.mark.skipif(os.name == "nt", reason="permissions are a matter of POSIX here")
def test_new_files_have_the_permissions_that_the_user_asked_for(regio: Regio, picture_file: MakeFile) -> None:
    picture_file()
    old = os.umask(0o027)
    try:
        regio("encode", "photo.png")
    finally:
        os.umask(old)
    assert Path("photo.rgo").stat().st_mode & 0o777 == 0o640


def test_a_large_picture_is_nothing_to_warn_of(
    regio: Regio, picture_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture_file()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 16 - 1)
    assert regio("encode", "photo.png").err == ""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    done = regio("encode", "photo.png", "--force")
    assert done.code == 5
    assert "allow more with --max-pixels" in done.err
    assert regio("encode", "photo.png", "--force", "--max-pixels", 24 * 16).code == 0
    done = regio("encode", "photo.png", "--force", "--max-pixels", 24 * 16 - 2)
    assert (done.code, "allow more with --max-pixels" in done.err) == (5, True)
    assert "not a number of pixels" in regio("decode", "photo.rgo", "--max-pixels", "many").err


def test_the_share_of_metadata_is_shown(regio: Regio, photo: Callable[..., Image.Image]) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Regio"
    photo().save("a.jpg", exif=exif)
    made, asked = regio("encode", "a.jpg", "--json").records[0], regio("info", "a.rgo")
    assert made["metadata_bytes"] == inspect("a.rgo").parts["exif"]
    share = (
        f"exif: {made['metadata_bytes']} bytes, {100 * made['metadata_bytes'] / made['bytes_total']:.3g} % of the file"
    )
    assert f"metadata {share}" in asked.out
    assert f"({share})" in regio("encode", "a.jpg", "--force").out
    assert "metadata" not in regio("encode", "a.jpg", "--force", "--strip").out


def test_what_a_folder_leaves_out_is_said_in_one_line(
    regio: Regio, picture_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = regio_names.find_spec
    monkeypatch.setattr(regio_names, "find_spec", lambda name: None if name == "pillow_heif" else real(name))
    picture_file("in/a.png")
    for name in ("a.heic", "deep/b.heic", "c.dng", "d.CR2", "e.rgo", ".hidden", "README"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    done = regio("encode", "in", "-o", "out", "--json")
    assert (done.code, len(done.records)) == (0, 1)
    counts = ".heic 2, without an ending 1, .dng 1, .CR2 1"
    hints = ".heic needs pillow-heif; .rgo files are coded already"
    assert done.err == f"regio: 6 files skipped: {counts}, .rgo 1 ({hints})\n"
    assert regio("decode", "out", "-o", "back").err == ""
    alone = regio("encode", "in/deep", "-o", "out2")
    assert (alone.code, alone.err) == (
        2,
        "regio: no pictures in in/deep; 1 file skipped: .heic 1 (.heic needs pillow-heif)\n",
    )
    named = regio("encode", "in/a.heic")
    assert named.code == 3


def test_sizes_and_totals_are_shown(regio: Regio, picture_file: MakeFile) -> None:
    for name in ("in/a.png", "in/b.png"):
        picture_file(name)
    before = Path("in/a.png").stat().st_size
    done = regio("encode", "in", "-o", "out")
    after = Path("out/a.rgo").stat().st_size
    first, _, last = done.out.splitlines()
    assert first.endswith(f", {before / 1000:.1f} kB → {after} bytes ({100 * after / before:.3g} %)")
    assert last == f"2 pictures, {2 * before / 1000:.1f} kB → {2 * after / 1000:.1f} kB ({100 * after / before:.3g} %)"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (92_100_000, 3_400_000, "92.1 MB → 3.4 MB (3.69 %)"),
        (999_949, 999, "999.9 kB → 999 bytes (0.0999 %)"),
        (999_950, 1000, "1.0 MB → 1.0 kB (0.1 %)"),
        (0, 12, "0 bytes → 12 bytes"),
        (77_200, 1_630_000, "77.2 kB → 1.6 MB (2,111 %)"),
    ],
)
def test_sizes_are_written_as_people_read_them(before: int, after: int, text: str) -> None:
    assert change(before, after) == text


def test_a_result_that_is_larger_than_its_original_is_noted(regio: Regio) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 100, 3), np.uint8)
    Image.fromarray(noise).save("noise.jpg", quality=50)
    rough = regio("encode", "noise.jpg")
    sizes = Path("noise.rgo").stat().st_size, Path("noise.jpg").stat().st_size
    assert rough.err.count("\n") == 1
    assert f"larger than the original: {sizes[0]} bytes, not {sizes[1]}" in rough.err


def test_existing_results_can_be_left_out(regio: Regio, picture_file: MakeFile, stand_in: Any) -> None:
    for name in ("in/a.png", "in/b.png"):
        picture_file(name)
    regio("encode", "in/a.png", "-o", "out/")
    before = Path("out/a.rgo").stat().st_mtime_ns, Path("out/a.rgo").stat().st_ino
    done = regio("encode", "in", "-o", "out", "--skip-existing")
    assert (done.code, done.err) == (0, "regio: 1 of 2 skipped: their results exist\n")
    assert before == (Path("out/a.rgo").stat().st_mtime_ns, Path("out/a.rgo").stat().st_ino)
    again = regio("encode", "in", "-o", "out", "--skip-existing")
    assert (again.code, again.out, again.err) == (0, "", "regio: 2 of 2 skipped: their results exist\n")
    assert regio("decode", "out", "-o", "in", "--skip-existing").code == 0
    assert regio("encode", "in", "-o", "out", "--skip-existing", "--force").code == 2


def test_results_keep_the_time_of_their_input(regio: Regio, picture_file: MakeFile) -> None:
    os.utime(picture_file(), (1_000_000_000, 1_000_000_000))
    regio("encode", "photo.png")
    regio("decode", "photo.rgo", "-o", "b.png")
    assert Path("photo.rgo").stat().st_mtime == Path("b.png").stat().st_mtime == 1_000_000_000


def test_decode_takes_a_quality(regio: Regio, picture_file: MakeFile) -> None:
    picture_file(width=200, height=160)
    regio("encode", "photo.png")
    sizes = {}
    for kind in ("jpg", "webp", "avif"):
        for quality in ([], ["-q", 20]):
            done = regio("decode", "photo.rgo", "-o", f"{len(quality)}.{kind}", *quality)
            assert done.code == 0, done.err
        sizes[kind] = [Path(f"{count}.{kind}").stat().st_size for count in (0, 2)]
    assert sizes["jpg"][1] < sizes["jpg"][0]
    assert sizes["avif"][1] < sizes["avif"][0]
    with Image.open("0.webp") as whole, Image.open("photo.png") as photo:
        assert whole.tobytes() == photo.tobytes()
    done = regio("decode", "photo.rgo", "-o", "c.png", "-q", 50)
    assert (done.code, done.err) == (2, "regio: PNG files have no quality; it is for .jpg, .webp and .avif\n")


def test_a_full_disk_is_said_once(regio: Regio, picture_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("in/a.png", "in/b.png", "in/c.png"):
        picture_file(name)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        done = regio("encode", "in", "-o", "out")
    assert done.code == 1
    assert done.err.splitlines() == [
        "regio: in/a.png: No space left on device",
        "regio: 2 more not tried: the results cannot be written",
        "regio: 1 of 3 failed: in/a.png",
    ]
    monkeypatch.setattr(paths.shutil, "disk_usage", lambda folder: SimpleNamespace(total=9999, free=4095))
    done = regio("encode", "in", "-o", "out")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "out/a.rgo: the disk of the folder out is full" in done.err
