"""What the tests in a browser share: what a visitor of the web application does, step by step."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib
import pytest

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
# looked for and not imported: Gradio leaves event loops open, which is an error here
NEEDS = [
    pytest.mark.browser,
    pytest.mark.weights,
    pytest.mark.skipif(find_spec("gradio") is None, reason="the application needs Gradio: pip install 'regio[app]'"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="needs Playwright: pip install playwright"),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
]
PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
PATIENCE = int(os.environ.get("REGIO_PATIENCE", "120")) * 1000  # ms: machines that test other things at once are slow
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SHOTS = os.environ.get("REGIO_SCREENSHOTS_CHECK", "")  # folder for pictures to look at; "" for none
Open = Callable[..., Any]


def drop(page: Any, path: Path, place: str = "#upload", told: str = "#message", words: str = "") -> str:
    """Choose a file -> what the page says to it; words: of that, where another message may still stand there."""
    clear(page, place)
    page.set_input_files(f"{place} input[type=file]", path)
    page.locator(f"{told} .notice", has_text=words).first.wait_for()
    return str(page.inner_text(told))


def clear(page: Any, place: str = "#upload") -> None:
    """Take away the file that is there, if one is."""
    if page.locator(f"{place} [aria-label=Clear]").count():
        page.click(f"{place} [aria-label=Clear]")
        page.wait_for_selector(f"{place} input[type=file]", state="attached")


def look_at(page: Any, name: str) -> None:
    """Pictures of the whole page for people to look at, wide and narrow, if they are wanted."""
    for size in (DESKTOP, PHONE) if SHOTS else ():
        page.set_viewport_size(size)
        page.wait_for_timeout(600)
        page.screenshot(path=f"{SHOTS}/{name}-{size['width']}.png", full_page=True)
    page.set_viewport_size(DESKTOP)


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """With the mouse over the picture that is marked, from a point to another, in shares of its sides."""
    box = ready(page).bounding_box()
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2, steps=3)
    page.mouse.move(x1, y1, steps=3)
    page.mouse.up()


def ready(page: Any) -> Any:
    """The picture that is marked, loaded and in view."""
    ground = page.locator("#marker .ground")
    ground.wait_for()
    ground.locator("img").evaluate("image => image.decode()")
    ground.scroll_into_view_if_needed()
    return ground


def paint(page: Any) -> None:
    """Scribble over the middle of the picture."""
    page.get_by_label("What I paint").check()
    page.wait_for_selector("#marker .paint canvas")
    for row in range(8):
        drag(page, (0.35, 0.3 + 0.05 * row), (0.65, 0.3 + 0.05 * row))


def compress(page: Any, size: float | None = None) -> None:
    if size is not None:
        page.fill("#size input", str(size))
    page.click("#compress")


def wait_for_all(page: Any) -> None:
    """Until the other codecs are there, too."""
    page.wait_for_selector("#scores :text('AVIF')")
    page.wait_for_selector("#maps img")


def whole_tables(page: Any) -> int:
    """How many tables are seen, none of which is cut off: nothing has to be moved to see its last column."""
    found = page.locator(".scores").locator("visible=true")
    for k in range(found.count()):
        wide, seen = found.nth(k).evaluate("one => [one.scrollWidth, one.clientWidth]")
        assert wide <= seen, found.nth(k).inner_text()
        right = found.nth(k).bounding_box()
        assert right["x"] >= 0
        assert right["x"] + right["width"] <= page.viewport_size["width"]
    return int(found.count())


def divider(page: Any) -> float:
    """Where it stands, as a share of the width, by what the browser draws."""
    inset = page.evaluate("getComputedStyle(document.querySelector('.stage .over')).clipPath")
    found = re.search(r"inset\(0px calc\(100% - ([\d.]+)%\) 0px 0px\)|inset\(0px ([\d.]+)% 0px 0px\)", inset)
    assert found, inset
    return float(found[1]) if found[1] else 100 - float(found[2])
