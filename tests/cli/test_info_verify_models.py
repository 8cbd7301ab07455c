"""The commands that only look: info, verify, models."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Regio = Callable[..., Any]
MakeFile = Callable[..., Path]


def test_info_shows_what_the_bytes_are_spent_on(regio: Regio, picture_file: MakeFile) -> None:
    picture_file()
    regio("encode", "photo.png")
    done = regio("info", "photo.rgo")
    size = Path("photo.rgo").stat().st_size
    assert done.out == (
        "photo.rgo\n"
        "  picture  24 x 16, RGB\n"
        "  codec    stand-in, quality 60, grid 1, weights 1234\n"
        f"  size     {size} bytes, {8 * size / 384:.4g} bpp\n"
        f"  parts    header 14, payload {size - 14}\n"
    )


def test_info_as_json_is_the_whole_of_inspect(regio: Regio, picture_file: MakeFile) -> None:
    import regio as library

    picture_file()
    regio("encode", "photo.png")
    (record,) = regio("info", "photo.rgo", "--json").records
    assert record.pop("source") == "photo.rgo"
    assert record == json.loads(json.dumps(library.inspect("photo.rgo").as_dict()))


def test_info_of_a_folder_goes_on_after_a_damaged_file(regio: Regio, picture_file: MakeFile) -> None:
    picture_file("a.png")
    regio("encode", "a.png", "-o", "c.rgo")
    Path("b.rgo").write_bytes(Path("c.rgo").read_bytes()[:9])
    done = regio("info", ".", "--json")
    assert done.code == 3
    assert [Path(record["source"]).name for record in done.records] == ["b.rgo", "c.rgo"]


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_missing_name_fails_alone(regio: Regio, picture_file: MakeFile, command: str, at: int) -> None:
    picture_file("a.png")
    regio("encode", "a.png", "-o", "a.rgo")
    regio("encode", "a.png", "-o", "b.rgo")
    names = ["a.rgo", "b.rgo"]
    names.insert(at, "none.rgo")
    done = regio(command, *names)
    assert done.code == 2
    assert done.err.splitlines() == ["regio: none.rgo: No such file or directory", "regio: 1 of 3 failed: none.rgo"]
    assert all(name in done.out for name in ("a.rgo", "b.rgo"))


@pytest.mark.parametrize(("command", "suffix"), [("encode", ".rgo"), ("decode", ".png")])
def test_a_missing_input_leaves_the_others_their_outputs(
    regio: Regio, picture_file: MakeFile, command: str, suffix: str
) -> None:
    picture_file("a.png")
    regio("encode", "a.png", "-o", "a.rgo")
    inputs = ["none.png", "a.png"] if command == "encode" else ["none.rgo", "a.rgo"]
    assert regio(command, *inputs, "-o", "out").code == 2
    assert (Path("out") / f"a{suffix}").exists()


def test_verify_accepts_what_encode_writes_and_no_change_of_it(regio: Regio, picture_file: MakeFile) -> None:
    picture_file()
    regio("encode", "photo.png")
    done = regio("verify", "photo.rgo")
    assert (done.code, done.out, done.err) == (0, "photo.rgo: ok\n", "")
    whole = Path("photo.rgo").read_bytes()
    for at in range(0, len(whole), 5):
        Path("photo.rgo").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        done = regio("verify", "photo.rgo")
        assert done.code in (3, 4, 5)
        assert (done.out, done.err.count("\n")) == ("", 1)


def test_models_lists_the_catalog_and_marks_the_default(regio: Regio) -> None:
    assert regio("models").out == "stand-in       keeps every pixel (default)\n"
    (record,) = regio("models", "--json").records
    assert (record["name"], record["id"], record["default"]) == ("stand-in", 1, True)
