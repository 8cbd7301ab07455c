"""What a browser sends: right, empty, or anything at all."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regio.app.choices import Region, box_share
from regio.app.fields import START, box_in, bytes_in, choices_in, painted_in, several_in
from regio.errors import UsageError

NAN, INFINITE = float("nan"), float("inf")
SENT: dict[str, Any] = {
    "region": str(Region.BOX), "marked": None, "box": "1, 2, 3, 4", "strength": 20, "codec": "stand-in", "size": 2.5,
    "metadata": True,
}  # fmt: skip


def canvas(size: tuple[int, int], kind: str = "PNG") -> str:
    """A canvas on which the left half is painted, as a browser sends it."""
    image = Image.new("RGBA" if kind == "PNG" else "RGB", size)
    image.paste((255, 255, 255), (0, 0, size[0] // 2, size[1]))
    stream = io.BytesIO()
    image.save(stream, kind)
    return START + base64.b64encode(stream.getvalue()).decode()


def test_fields_become_choices() -> None:
    found = choices_in(**SENT)
    assert (found.codec, found.max_bytes, found.region, found.box) == ("stand-in", 2500, Region.BOX, "1, 2, 3, 4")
    assert (found.strength, found.keep_metadata) == (20.0, True)
    even = choices_in(**SENT | {"region": str(Region.EVEN), "strength": None, "marked": "nonsense", "box": None})
    assert even.region is Region.EVEN


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"codec": None}, "Choose a codec"),
        ({"size": 0}, "kB above 0"),
        ({"size": -3}, "kB above 0"),
        ({"size": NAN}, "kB above 0"),
        ({"size": INFINITE}, "kB above 0"),
        ({"size": "ten"}, "kB above 0"),
        ({"strength": None}, "from 5 to 60"),
        ({"strength": 4}, "from 5 to 60"),
        ({"strength": NAN}, "from 5 to 60"),
        ({"strength": "much"}, "from 5 to 60"),
    ],
)
def test_every_field_that_is_empty_or_holds_nonsense_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        choices_in(**SENT | change)


def test_an_empty_size_is_left_to_the_codec_and_a_tiny_one_is_a_byte() -> None:
    assert bytes_in(None) is None
    assert bytes_in(0.0001) == 1
    assert bytes_in(10) == 10_000


def test_fields_for_several_pictures_become_choices_or_are_named() -> None:
    choices, rate, against = several_in(str(Region.FACES), "stand-in", 0.5, False, ["AVIF", "JPEG"])
    assert (choices.codec, choices.max_bytes, choices.region, choices.keep_metadata) == (
        "stand-in", None, Region.FACES, False,
    )  # fmt: skip
    assert (rate, against) == (0.5, ("jpeg", "avif"))
    assert several_in(str(Region.EVEN), "stand-in", 1, True, None)[2] == ()
    for nonsense in (None, 0, -1, 25, NAN, INFINITE, "much"):
        with pytest.raises(UsageError, match="Bits per pixel"):
            several_in(str(Region.EVEN), "stand-in", nonsense, True, [])
    with pytest.raises(UsageError, match="Choose a codec"):
        several_in(str(Region.EVEN), None, 1, True, [])


def test_paint_is_where_the_canvas_is_not_empty() -> None:
    found = painted_in({"paint": canvas((8, 4))})
    assert found is not None
    assert np.array_equal(found > 0, np.tile(np.arange(8) < 4, (4, 1)))
    for nothing in (None, {}, {"paint": ""}, {"paint": None}, "text", 7):
        assert painted_in(nothing) is None


@pytest.mark.parametrize(
    "paint",
    [
        7,
        "x",
        START + "%%%",
        START + "AAAA",
        canvas((8, 4))[:-40],
        canvas((8, 4), "BMP"),
        canvas((1025, 1)),
        "http://a/b",
    ],
)
def test_paint_that_is_no_canvas_is_refused(paint: object) -> None:
    with pytest.raises(UsageError, match="paint again"):
        painted_in({"paint": paint})


def test_a_dragged_box_arrives_as_text() -> None:
    assert box_in({"box": "1, 2, 3, 4"}) == "1, 2, 3, 4"
    for nothing in (None, {}, {"box": 5}, {"box": None}, "text"):
        assert box_in(nothing) == ""


def test_the_share_of_a_box_counts_what_lies_in_the_picture() -> None:
    assert box_share("48, 48, 96, 96", 192, 192) == 0.25
    assert box_share("-96, 0, 192, 192", 192, 192) == 0.5
    with pytest.raises(UsageError, match="outside the picture"):
        box_share("300, 0, 10, 10", 192, 192)
    for nonsense in ("", None, "1, 2", "a, b, c, d", "1, 2, 3, 4, 5"):
        with pytest.raises(UsageError, match="four whole numbers"):
            box_share(nonsense, 192, 192)
