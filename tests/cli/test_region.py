"""`--region`, `--reduced` and `--max-memory`: how they are read, and what they lead to."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from regio.cli.options import region_of
from regio.errors import UsageError


def test_a_region_is_four_whole_numbers() -> None:
    assert region_of("0,16,640,480") == (0, 16, 640, 480)
    assert region_of(" 1, 2,3 ,4 ") == (1, 2, 3, 4)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "1;2;3;4", "-1,0,5,5", "a,b,c,d", "1.5,0,2,2"])
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"x,y,width,height") as caught:
        region_of(text)
    assert "\n" not in str(caught.value)


def test_a_region_is_written_as_a_picture_of_its_size(
    regio: Callable[..., Any], picture_file: Callable[..., Path]
) -> None:
    picture = picture_file(width=24, height=16)
    assert regio("encode", picture).code == 0
    result = regio("decode", picture.with_suffix(".rgo"), "--region", "3,4,10,8", "-o", "part.png")
    assert result.code == 0
    assert "10 x 8" in result.out
    with Image.open(picture) as whole, Image.open("part.png") as part:
        assert part.tobytes() == whole.crop((3, 4, 13, 12)).tobytes()


def test_a_region_that_is_none_ends_the_command_before_any_work(
    regio: Callable[..., Any], picture_file: Callable[..., Path]
) -> None:
    picture = picture_file()
    regio("encode", picture)
    result = regio("decode", picture.with_suffix(".rgo"), "--region", "3,4", "-o", "part.png")
    assert result.code == 2
    assert not Path("part.png").exists()


def test_a_thumbnail_is_written_at_its_size(regio: Callable[..., Any], picture_file: Callable[..., Path]) -> None:
    picture = picture_file(width=25, height=16)
    regio("encode", picture)
    result = regio("decode", picture.with_suffix(".rgo"), "--reduced", "1/4", "-o", "small.png")
    assert (result.code, "7 x 4" in result.out) == (0, True)
    with Image.open("small.png") as small:
        assert small.size == (7, 4)


def test_a_size_that_is_none_ends_the_command_before_any_work(regio: Callable[..., Any], tmp_path: Path) -> None:
    result = regio("decode", tmp_path / "there is none.rgo", "--reduced", "1/3", "-o", "small.png")
    assert (result.code, result.err) == (2, "regio: --reduced='1/3': must be 1, 1/2 or 1/4\n")


def test_the_memory_limit_reaches_the_codec_in_bytes(
    regio: Callable[..., Any], picture_file: Callable[..., Path], stand_in: ModuleType
) -> None:
    assert regio("encode", picture_file(), "--max-memory", "2G").code == 0
    (codec,) = stand_in.LOADED.values()
    assert codec.calls == [{"max_memory": 2_000_000_000}]
    assert regio("encode", picture_file("b.png"), "--max-memory", "lots").code == 2
