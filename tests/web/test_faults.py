"""Files that cannot be shown: one plain line each, of the kind of error that Python has."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import benchmark
from web.conftest import CONFORMANCE
from web.opened import FACTS, FILES, Visit, chosen, decode, ended, harness

import regio
from regio.errors import RegioError
from regio.models.catalog import RETIRED

pytestmark = [pytest.mark.browser, pytest.mark.weights]

damage: ModuleType = benchmark("damage")
SOUND = (CONFORMANCE / f"{FILES[0]}.rgo").read_bytes()
HUGE = bytes.fromhex("D752 10 06 ABCD 808040 808040 9603 00000000")  # 2^20 by 2^20 pixels
BAD = {
    "empty": b"",
    "one byte": SOUND[:1],
    "cut": SOUND[:-9],
    "cut in its header": SOUND[:6],
    "flipped": SOUND[:-4] + bytes([SOUND[-4] ^ 4]) + SOUND[-3:],
    "longer": SOUND + b"\0",
    "text": b"this is no picture",
    "later": SOUND[:2] + b"\x20" + SOUND[3:],
    "later codec": SOUND[:3] + bytes([99]) + SOUND[4:],
    "retired codec": SOUND[:3] + bytes([min(RETIRED)]) + SOUND[4:],
    "other codec": (CONFORMANCE / "mcm-tiny-plain.rgo").read_bytes(),
    "other weights": SOUND[:4] + bytes([SOUND[4] ^ 1]) + SOUND[5:],
    "huge": HUGE,
}

INSIDE = """
document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight &&
[...document.querySelectorAll("button, #status")].every((one) => {
  const { right, bottom } = one.getBoundingClientRect();
  return one.offsetParent === null || (right <= innerWidth && bottom <= innerHeight);
})
"""


def python_says(data: bytes) -> str | None:
    """The kind of error, or None."""
    try:
        regio.decode(data, device="cpu")
    except RegioError as error:
        return type(error).__name__
    return None


def test_bad_files_are_refused_in_one_line_of_the_kind_that_python_has(visit: Visit, site: Path) -> None:
    page = harness(visit)
    for name, wrong in BAD.items():
        (site / "files" / "bad.rgo").write_bytes(wrong)
        found = decode(page, "bad")
        kind = "MissingWeights" if name == "other codec" else python_says(wrong)  # Python has all codecs
        assert found["kind"] == kind, (name, found)
        assert "\n" not in found["message"]
    assert "message" not in decode(page, FILES[0])  # and the decoder goes on


def test_damage_of_every_kind_ends_as_in_python(visit: Visit, site: Path) -> None:
    page = harness(visit)
    dice = random.Random(20)
    files = [CONFORMANCE / f"{name}.rgo" for name in FILES if FACTS[name]["bytes"] < 400]
    sound = [path.read_bytes() for path in files]
    kinds = set()
    for kind in damage.DAMAGES:
        data = kind(dice.choice(sound), dice.choice(sound), dice)
        (site / "files" / "bad.rgo").write_bytes(data)
        found = decode(page, "bad")
        expected = python_says(data)
        assert found.get("kind") == expected, (kind.__name__, found.get("message"), data.hex())
        kinds.add(expected)
    assert len(kinds) > 1


def test_the_page_says_what_is_wrong_and_the_next_one_opens(visit: Visit, tmp_path: Path) -> None:
    page = visit("index.html")
    lines = {
        "cut": "the file is damaged: its check is ",
        "text": "this is not a .rgo file: it does not begin with the bytes D7 52",
        "later": "version 2 of the format; this decoder knows version 1",
        "later codec": "the file needs model 99, from a later release; update the decoder",
        "other codec": "the file needs the weights of mcm-tiny, which this page does not have",
        "huge": "a picture of 1048576 by 1048576 is above the limit of 67108864 pixels",
    }
    for name, line in lines.items():
        path = tmp_path / f"{name}.rgo"
        path.write_bytes(BAD[name])
        said = chosen(page, path)
        assert said.startswith(f"{name}.rgo: {line}"), said
        assert "\n" not in said
        assert page.locator("#status.fault").is_visible()
        assert page.locator("#canvas").is_hidden()
        assert inside(page), name
    assert chosen(page, CONFORMANCE / f"{FILES[0]}.rgo").startswith(f"{FILES[0]}.rgo: ")
    assert page.locator("#status.fault").count() == 0
    assert inside(page)


def inside(page: Any) -> bool:
    """Whether all of the page is on a phone's screen and on a desk's, without scrolling."""
    found = []
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        found.append(page.evaluate(INSIDE))
    return all(found)


def test_weights_of_somebodys_own_are_named(visit: Visit, site: Path) -> None:
    page = harness(visit)
    (site / "files" / "own.rgo").write_bytes((CONFORMANCE.parent / "golden" / "photo.rgo").read_bytes())
    found = decode(page, "own")
    assert found["kind"] == "MissingWeights"
    assert found["message"] == 'the file needs the weights "exact", which this page does not have'


def test_a_folder_and_a_large_file_of_another_kind_are_no_trouble(visit: Visit) -> None:
    page = visit("index.html")
    drop = """
    (make) => {
      const data = new DataTransfer();
      data.items.add(eval(make));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }
    """
    page.evaluate(drop, "new File([new Uint8Array(3e8)], 'film.mp4')")
    assert ended(page).startswith("film.mp4: this is not a .rgo file")
    page.evaluate("document.getElementById('stage').dataset.state = ''")
    page.evaluate("File.prototype.slice = () => { throw new DOMException('gone', 'NotFoundError') }; 0")
    page.evaluate(drop, "new File([], 'holiday')")
    assert ended(page) == "holiday: it cannot be read; is it a folder, or gone?"


def test_several_files_are_gone_through(visit: Visit, tmp_path: Path) -> None:
    page = visit("index.html")
    (tmp_path / "bad.rgo").write_bytes(BAD["text"])
    first, last = (CONFORMANCE / f"{name}.rgo" for name in (FILES[0], FILES[1]))
    assert chosen(page, first).startswith(first.name)
    assert page.locator("#several").is_hidden()
    said = chosen(page, first, tmp_path / "bad.rgo", last)
    assert said.startswith(first.name)
    assert page.text_content("#place") == "1 of 3"
    assert page.is_disabled("#before")
    for step, place, name in (("#after", 2, "bad.rgo"), ("#after", 3, last.name), ("#before", 2, "bad.rgo")):
        page.evaluate("document.getElementById('stage').dataset.state = ''")
        page.click(step)
        assert ended(page).startswith(f"{name}: ")
        assert page.text_content("#place") == f"{place} of 3"
        assert inside(page)
    page.evaluate("document.getElementById('stage').dataset.state = ''")
    page.focus("#stage")
    page.keyboard.press("PageDown")
    assert ended(page).startswith(f"{last.name}: ")
    assert page.is_disabled("#after")
