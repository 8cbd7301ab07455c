"""Encode options are checked in one place, and mean the same however they are given."""

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_codec import picture, toy

import regio
from regio.codec.options import NAMES, STRENGTH, checked, count, numbers_of
from regio.errors import TargetMissed, UsageError


@pytest.mark.parametrize(
    ("text", "number"),
    [("4000", 4000), ("40k", 40_000), ("40kB", 40_000), (" 1.5M ", 1_500_000), ("64Ki", 65_536), ("2g", 2 * 10**9)],
)
def test_sizes_are_read_as_people_write_them(text: str, number: int) -> None:
    assert count(text, "max_bytes") == number


@pytest.mark.parametrize("text", ["", "k", "4x", "-4", "1e6", "4 0", "\u0664k", "0", "0.1"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="max_bytes="):
        count(text, "max_bytes")


@pytest.mark.parametrize("number", [40, 40.0, np.int16(40), np.uint8(40), np.float32(40), Fraction(40)])
def test_numbers_of_every_type_are_numbers(number: Any) -> None:
    assert checked({"quality": number}).wanted == 40
    assert checked({"max_bytes": number}).wanted == 40


def test_defaults_are_filled_in() -> None:
    settings = checked(dict.fromkeys(NAMES))
    assert (settings.rate, settings.wanted, settings.step) == (None, 60, 2400)
    assert (settings.strength, settings.background, settings.grid, settings.max_memory) == (STRENGTH, None, None, None)
    assert not settings.searched


def test_an_unknown_option_is_a_type_error_that_names_those_there_are() -> None:
    with pytest.raises(TypeError, match=r"no encode option 'qualty'; there are quality, target_bpp"):
        toy().encode(picture(64, 64), qualty=3)  # type: ignore[call-arg]


def test_messages_spell_options_as_asked() -> None:
    with pytest.raises(UsageError, match="--target-bpp=0: must be a finite number above 0"):
        checked({"target_bpp": 0}, lambda name: "--" + name.replace("_", "-"))


def test_numbers_of_drops_what_is_not_given() -> None:
    assert numbers_of({"strip": False, "grid": None, "max_bytes": "1k", "quality": 0}) == {
        "max_bytes": 1000,
        "quality": 0,
    }


def test_a_size_in_words_gives_the_file_of_the_number() -> None:
    pixels = picture(96, 96)
    assert toy().encode(pixels, max_bytes="0.9k") == toy().encode(pixels, max_bytes=900)
    assert len(toy().encode(pixels, max_bytes="0.9k")) <= 900


def test_encode_takes_a_codec_as_decode_does() -> None:
    pixels = picture(96, 96)
    data = regio.encode(pixels, codec=toy(), quality=30)
    assert data == toy().encode(pixels, quality=30)
    assert regio.decode(data, codec=toy()).size == (96, 96)


def test_a_codec_decodes_and_verifies_a_path(tmp_path: Any) -> None:
    data = toy().encode(picture(96, 96))
    path = tmp_path / "a.rgo"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data)):
        assert toy().decode(source).size == (96, 96)
        toy().verify(source)
    with path.open("rb") as stream:
        assert toy().decode(stream).size == (96, 96)
    with pytest.raises(FileNotFoundError):
        toy().decode(tmp_path / "b.rgo")


@pytest.mark.parametrize("wrong", [3, None, 2.5, ["a.rgo"], np.zeros(3), object()])
def test_what_is_no_file_is_refused_in_words(wrong: Any) -> None:
    for call in (toy().decode, toy().verify, regio.decode, regio.verify):
        with pytest.raises(
            UsageError, match=f"cannot read a file from {type(wrong).__name__}: give its bytes, its path"
        ):
            call(wrong)


@pytest.mark.parametrize(
    ("target", "nearest", "note"),
    [
        ({"target_bpp": 20}, {"quality": 100}, "20 bpp is more than the best quality takes"),
        ({"target_bpp": 0.001}, {"quality": 0, "scale": "1/4"}, "0.001 bpp is out of reach: the smallest file"),
        ({"target_bpp": 0.001, "scale": 1}, {"quality": 0}, "0.001 bpp is out of reach at scale 1: the smallest file"),
        ({"target_psnr": 90}, {"quality": 100}, "90 dB is out of reach: the best is"),
    ],
)
def test_targets_out_of_reach_give_the_nearest_file_and_a_warning(
    target: dict[str, Any], nearest: dict[str, Any], note: str
) -> None:
    pixels = picture(96, 96)
    with pytest.warns(TargetMissed, match=note) as caught:
        data = toy().encode(pixels, **target)
    assert caught[0].filename == __file__
    assert data == toy().encode(pixels, **nearest)
    found = toy().encode_noted(pixels, **target)
    assert found.data == data
    assert [line.startswith(note) for line in found.notes] == [True]


def test_strict_refuses_files_that_break_their_target_and_no_others() -> None:
    pixels = picture(96, 96)
    for target in ({"target_bpp": 0.001}, {"target_psnr": 90}):
        with pytest.raises(UsageError, match="out of reach"):
            toy().encode(pixels, strict=True, **target)
    assert toy().encode_noted(pixels, strict=True, target_bpp=20).data == toy().encode(pixels, quality=100)


def test_targets_within_reach_and_budgets_warn_of_nothing() -> None:
    pixels = picture(96, 96)
    size = len(toy().encode(pixels, quality=50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        toy().encode(pixels, target_bpp=size * 8 / 96**2)
        toy().encode(pixels, max_bytes=10**6)
        toy().encode(pixels, target_psnr=1)


def test_a_path_without_a_file_is_an_error_of_ours_and_of_pythons(tmp_path: Path) -> None:
    for read in (toy().decode, regio.decode, regio.verify):
        with pytest.raises(UsageError, match=r"No such file or directory: .*nowhere\.rgo"):
            read(tmp_path / "nowhere.rgo")
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nowhere.rgo")
