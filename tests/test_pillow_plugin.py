"""Pillow's own calls work on .rgo: open, lazily; load; save, with options and metadata."""

import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import toy_codec
from PIL import Image, UnidentifiedImageError

from regio import pillow_plugin
from regio.codec import options
from regio.errors import CorruptFile, MissingWeights, UsageError

Photo = Callable[..., Image.Image]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_is_saved_opens_with_the_same_mode_and_pixels(
    stand_in: ModuleType, tmp_path: Path, photo: Photo, mode: str
) -> None:
    image = photo(mode=mode)
    image.save(tmp_path / "a.rgo")
    with Image.open(tmp_path / "a.rgo") as opened:
        assert (opened.format, opened.size, opened.mode) == ("RGO", image.size, mode)
        assert opened.get_format_mimetype() == "image/x-rgo"
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(image))
        opened.load()  # once more does no harm
        np.testing.assert_array_equal(np.asarray(opened.rotate(90)), np.asarray(image.rotate(90)))


def test_a_picture_larger_than_its_file_is_not_mapped_from_the_file(stand_in: ModuleType, tmp_path: Path) -> None:
    (image := Image.new("RGBA", (300, 200), (10, 20, 30, 40))).save(tmp_path / "a.rgo")
    assert (tmp_path / "a.rgo").stat().st_size < 300 * 200
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.rgo")), np.asarray(image))


def test_streams_copies_and_thumbnails_work(stand_in: ModuleType, photo: Photo) -> None:
    stream = io.BytesIO()
    photo().save(stream, "RGO")
    opened = Image.open(io.BytesIO(stream.getvalue()))
    np.testing.assert_array_equal(np.asarray(opened.copy()), np.asarray(photo()))
    opened.thumbnail((6, 6))
    assert opened.size == (6, 4)


def test_opening_decodes_nothing(stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch, photo: Photo) -> None:
    stream = io.BytesIO()
    photo().save(stream, "RGO")
    calls = []
    monkeypatch.setattr(sys.modules["regio.codec"], "decode", lambda data, **_: calls.append(1) or photo())
    opened = Image.open(stream)
    assert (opened.size, calls) == ((24, 16), [])
    opened.load()
    opened.load()
    assert calls == [1]


def test_opening_and_reading_metadata_imports_neither_torch_nor_numpy(
    stand_in: ModuleType, tmp_path: Path, photo: Photo
) -> None:
    photo().save(tmp_path / "a.rgo")
    code = """if True:
        import sys
        import regio
        from PIL import Image
        image = Image.open(sys.argv[1])
        print(image.size, image.mode, sorted({"torch", "numpy"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.rgo"], capture_output=True, text=True, check=True)
    assert done.stdout == "(24, 16) RGB []\n"


def test_metadata_is_in_info_before_loading_and_can_be_replaced_or_dropped(stand_in: ModuleType, photo: Photo) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Regio"
    image = photo()
    image.info["exif"] = exif.tobytes()
    profile = bytes(16) + b"RGB " + bytes(108)

    def saved(**options: object) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "RGO", **options)
        return Image.open(stream)

    assert saved().getexif()[0x010F] == "Regio"
    of_the_file = {"codec": stand_in.DEFAULT, "quality": 60.0}
    assert saved(exif=b"").info == of_the_file
    assert saved(strip=True).info == of_the_file
    assert saved(icc_profile=profile, exif=None).info == of_the_file | {"icc_profile": profile}
    exif[0x010F] = "Other"
    assert saved(exif=exif).getexif()[0x010F] == "Other"
    assert Image.Image.getexif(image)[0x010F] == "Regio"  # the caller's image is as it was


def test_save_options_reach_the_codec(stand_in: ModuleType, photo: Photo) -> None:
    def options_of(**options: object) -> dict[str, object]:
        photo().save(io.BytesIO(), "RGO", **options)
        return stand_in.LOADED[str(options.get("codec", stand_in.DEFAULT))].calls[-1]

    assert options_of(quality=35.5) == {"quality": 35.5}
    assert options_of(target_bpp=0.2, codec="other") == {"target_bpp": 0.2}
    with pytest.warns(UserWarning, match="optimize= has no effect"):
        assert options_of(max_bytes=4000, optimize=True) == {"max_bytes": 4000}
    assert options_of(target_psnr=34) == {"target_psnr": 34}


@pytest.mark.parametrize("name", ["exif", "icc_profile"])
def test_metadata_that_cannot_be_kept_is_said(stand_in: ModuleType, photo: Photo, name: str) -> None:
    stream = io.BytesIO()
    with pytest.warns(UserWarning, match=f"{name}= is damaged, or does not fit the picture, and is left out"):
        photo().save(stream, "RGO", **{name: b"no such thing"})
    assert name not in Image.open(stream).info


def test_a_loaded_codec_is_used_as_it_is(stand_in: ModuleType, photo: Photo) -> None:
    mine = stand_in.Codec("mine")
    photo().save(io.BytesIO(), "RGO", codec=mine, quality=10)
    assert mine.calls == [{"quality": 10}]
    with pytest.raises(UsageError, match="codec is a int"):
        photo().save(io.BytesIO(), "RGO", codec=3)


def test_damage_is_one_of_our_errors_and_foreign_bytes_are_nobodys(stand_in: ModuleType, photo: Photo) -> None:
    stream = io.BytesIO()
    photo().save(stream, "RGO")
    whole = stream.getvalue()
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(b"something else"))
    for cut in range(2, len(whole)):
        with pytest.raises(CorruptFile) as caught:
            Image.open(io.BytesIO(whole[:cut])).load()
        assert isinstance(caught.value, OSError)  # as programs expect of Pillow
        assert "\n" not in str(caught.value)


def test_a_region_of_interest_is_a_save_option(stand_in: ModuleType, tmp_path: Path, photo: Photo) -> None:
    mask = np.ones((16, 24), bool)
    photo().save(tmp_path / "a.rgo", quality=40, roi=(2, 3, 4, 5), roi_strength=15)
    photo().save(tmp_path / "b.rgo", quality=60, roi=mask, background=20)
    first, second = next(iter(stand_in.LOADED.values())).calls[-2:]
    assert first == {"quality": 40, "roi": (2, 3, 4, 5), "roi_strength": 15}
    assert second["roi"] is mask
    assert second["background"] == 20


def test_what_the_file_says_is_there_before_loading(stand_in: ModuleType, tmp_path: Path, photo: Photo) -> None:
    photo().save(tmp_path / "a.rgo", quality=35)
    with Image.open(tmp_path / "a.rgo") as opened:
        assert (opened.info["quality"], opened.info["codec"]) == (35.0, stand_in.DEFAULT)
        assert opened.about.bytes_total == (tmp_path / "a.rgo").stat().st_size
        opened.save(tmp_path / "b.png")  # what the file was is no option of another format
        opened.save(tmp_path / "b.jpg")
        opened.save(tmp_path / "b.rgo")
    with Image.open(tmp_path / "b.rgo") as again:
        assert again.info["quality"] == 60  # nor of a file made anew


def test_custom_weights_are_named_before_loading(tmp_path: Path, photo: Photo) -> None:
    codec = toy_codec.toy()
    photo().save(tmp_path / "a.rgo", codec=codec, quality=40)
    with Image.open(tmp_path / "a.rgo") as opened:
        assert opened.info["codec"] == "custom (toy)"
        with pytest.raises(OSError, match="name them with codec=") as caught:
            opened.load()
        assert isinstance(caught.value, MissingWeights)
        opened.codec = codec
        assert opened.tobytes() == codec.decode((tmp_path / "a.rgo").read_bytes()).tobytes()


def test_every_option_of_encode_is_a_save_option(stand_in: ModuleType, photo: Photo) -> None:
    given = dict.fromkeys(options.NAMES, 3) | {"roi": "faces"}
    for name in options.RATES[1:]:
        del given[name]
    photo().save(io.BytesIO(), "RGO", **given)
    assert stand_in.LOADED[stand_in.DEFAULT].calls == [given]


def test_errors_travel_between_processes() -> None:
    for kind in (
        pillow_plugin.DamagedImage,
        pillow_plugin.UnsupportedImage,
        pillow_plugin.UndecodableImage,
        pillow_plugin.TooLargeImage,
    ):
        again = pickle.loads(pickle.dumps(kind("at offset 3")))
        assert (type(again), str(again)) == (kind, "at offset 3")


def test_a_failed_save_leaves_no_new_file(stand_in: ModuleType, tmp_path: Path, photo: Photo) -> None:
    with pytest.raises(UsageError, match="one target at a time"):
        photo().save(tmp_path / "a.rgo", quality=3, target_bpp=1)
    assert list(tmp_path.iterdir()) == []
