"""Another choice while the page still works at the one before: the last one counts, whatever the browser waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import NEEDS, PORTRAIT, Open, clear, drag, drop, ready
from PIL import Image

import regio

pytestmark = NEEDS

# Whether a choice shows what it should, and for three seconds nothing else.
STAYS = """([message, alt]) => {
  const shown = document.querySelector('#preview img')?.alt ?? '';
  const right = new RegExp(message).test(document.querySelector('#message').innerText) && shown === alt;
  window.since = right ? window.since ?? performance.now() : undefined;
  return performance.now() - window.since > 3000;
}"""
# What is asked for comes late, as by a slow connection.
SLOW = """
const quick = window.fetch;
window.fetch = async (...asked) => {
  if (String(asked[0]?.url ?? asked[0]).includes('/queue/join')) await new Promise((done) => setTimeout(done, 500));
  return quick(...asked);
};
"""
PLAIN, MAP = "The picture", "The picture, dark where it does not matter"


@pytest.fixture
def searching(visit: Open, face: Path) -> Any:
    """A page that looks for faces."""
    page = visit()
    drop(page, face)
    page.get_by_label("Faces").check()
    page.wait_for_selector("#message progress")
    yield page
    page.close()


@pytest.mark.parametrize(
    ("choice", "message", "alt"),
    [
        ("A box", r"^\s*192 × 192 pixels\s*$", ""),
        ("None, spread evenly", r"^\s*192 × 192 pixels\s*$", PLAIN),
        ("What stands out", r"^\s*(?!faces).*% of the picture\s*$", MAP),
    ],
)
def test_another_region_ends_the_search_for_the_one_before(searching: Any, choice: str, message: str, alt: str) -> None:
    searching.get_by_label(choice).check()
    searching.wait_for_function(STAYS, arg=[message, alt])


def test_another_region_ends_the_search_that_a_picture_began(searching: Any, folder: Path) -> None:
    other = folder / "nobody.png"
    Image.new("RGB", (96, 64), "teal").save(other)
    clear(searching)
    searching.set_input_files("#upload input[type=file]", other)
    searching.locator("#message", has_text="choose another region").wait_for()
    clear(searching)
    searching.set_input_files("#upload input[type=file]", PORTRAIT)
    searching.wait_for_selector("#message progress")
    searching.get_by_label("A box").check()
    searching.wait_for_function(STAYS, arg=["512 × 600 pixels", ""])


def test_a_picture_that_is_taken_away_is_not_spoken_of(searching: Any) -> None:
    clear(searching)
    searching.wait_for_function(STAYS, arg=[r"^\s*$", ""])


def test_a_box_moved_again_before_the_answer(visit: Open, face: Path) -> None:
    page = visit()
    drop(page, face)
    page.get_by_label("A box").check()
    page.wait_for_selector("#marker .box")
    ready(page)
    page.evaluate(SLOW)
    drag(page, (0.25, 0.25), (0.75, 0.75))
    drag(page, (0.5, 0.5), (0.6, 0.4))
    page.wait_for_function("/^6\\d, 2\\d, 9\\d, 9\\d$/.test(document.querySelector('#box input, #box textarea').value)")
    page.close()


def test_another_file_ends_the_decoding_of_the_one_before(visit: Open, face: Path, folder: Path) -> None:
    large, small = folder / "large.rgo", folder / "small.rgo"
    with Image.open(PORTRAIT) as image:
        large.write_bytes(regio.encode(image.resize((1500, 1800)), quality=10))
    small.write_bytes(regio.encode(face, quality=40))
    page = visit()
    page.get_by_role("tab", name="Open").click()
    page.evaluate("""
      window.told = new Set();
      setInterval(() => told.add(document.querySelector('#info')?.innerText.match(/\\d+ × \\d+ pixels/)?.[0]), 20);
    """)
    page.set_input_files("#rgo-upload input[type=file]", large)
    page.wait_for_selector("#rgo-message progress")
    clear(page, "#rgo-upload")
    page.set_input_files("#rgo-upload input[type=file]", small)
    page.locator("#info", has_text="192 × 192 pixels").wait_for()
    page.wait_for_timeout(1000)
    assert "1500 × 1800 pixels" not in page.evaluate("[...told]")
    assert "192 × 192 pixels" in page.evaluate("[...told]")
    page.close()
