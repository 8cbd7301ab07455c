"""Every control of every page, found on the page itself: pressed, chosen, moved, typed into, on a phone, too."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from browsing import DESKTOP, NEEDS, PATIENCE, PHONE, Open, wait_for_all, whole_tables
from PIL import Image

import regio

pytestmark = NEEDS

# Controls are known by place and label, as the page makes some of them anew.
WATCH = """
window.controls = {seen: new Set(), used: new Set(), said: new Set(), keys: new Set()};
const what = 'button, a[href], input:not([type=file]), select, textarea';
controls.name = (one) => {
  const told = [one.closest('label')?.innerText, one.ariaLabel, one.download, one.innerText, one.name, one.title];
  const place = one.closest('[id]:not(input, textarea, [role=tab], [id^=html-], [id^=component-])')?.id ?? '';
  return `${place}: ${(told.find(Boolean) ?? '').trim().split('\\n')[0]} (${one.type || one.tagName})`;
};
controls.there = () => [...document.querySelectorAll(what)].filter((one) =>
  !one.disabled && !one.querySelector(what) && one.getClientRects().length
  && one.checkVisibility({visibilityProperty: true}));
controls.look = () => {
  const there = controls.there().map((one) => [controls.name(one), one]);
  for (const [name] of there) controls.seen.add(name);
  for (const one of document.querySelectorAll('.toast-body, .notice.alert')) controls.said.add(one.innerText);
  for (const one of document.querySelectorAll('[aria-label*="common."]')) controls.keys.add(one.ariaLabel);
  return there;
};
controls.next = (later) => {  // choices last: one of them takes away what another one showed
  const free = controls.look().filter(([name, one]) => !controls.used.has(name) && !new RegExp(later).test(name));
  const [name, found] = free.find(([, one]) => one.type !== 'radio') ?? free[0] ?? [null, null];
  controls.found = found;
  return name;
};
setInterval(controls.look, 100);
for (const kind of ['click', 'input', 'change', 'keydown']) addEventListener(kind, (event) => {
  const one = event.target.closest?.(what);
  if (one) controls.used.add(controls.name(one));
}, true);
"""
COMPONENTS = "gradio_config.components.map((one) => [one.type, one.props.elem_id]).filter(([, name]) => name)"
SHOWN = {"html", "row", "column", "tabs", "tabitem", "state", "browserstate", "form"}  # nothing in these is pressed
TABS = "^tabs:"  # the test goes from tab to tab
CLEARING = f"{TABS}|^(upload|several|rgo-upload): Clear"
LEAVING = f"{CLEARING}|: (Remove this file|Vote) "  # after these, other controls are gone
BOX = "48, 48, 96, 96"


def use(page: Any) -> None:
    """The control that was found, as a person would."""
    one = page.evaluate_handle("controls.found").as_element()
    one.scroll_into_view_if_needed()
    kind = one.evaluate("one => one.type || one.tagName")
    if one.evaluate("one => one.readOnly"):  # a list to choose from
        one.click()
        page.keyboard.press("Enter")
    elif kind in ("text", "number", "textarea"):
        one.fill(one.input_value() or BOX)
        page.keyboard.press("Enter")
    elif kind == "range":
        one.focus()
        page.keyboard.press("ArrowRight")
    else:
        one.click()


class Visitor:
    """Somebody who uses all that is there, one after the other, and waits for the page to answer."""

    def __init__(self, page: Any):
        self.page = page
        self.open: set[Any] = set()
        """Requests; answers come as a stream, which ends when nothing is worked at."""
        page.on("request", lambda one: None if "/heartbeat/" in one.url else self.open.add(one))
        for ended in ("requestfinished", "requestfailed"):
            page.on(ended, lambda one: self.open.discard(one))
        page.evaluate(WATCH)

    def use_all(self, later: str = LEAVING) -> None:
        """Every control that is there and was not used yet, and every one that appears by it."""
        while (name := self.page.evaluate("later => controls.next(later)", later)) is not None:
            seen = self.page.evaluate("controls.seen.size")
            use(self.page)
            assert self.page.evaluate("name => controls.used.has(name)", name), f"{name} cannot be used"
            self.wait(seen)

    def leave(self) -> None:
        """The rest, what takes everything away at the end."""
        self.use_all(CLEARING)
        self.use_all(TABS)

    def wait(self, seen: int = 10_000) -> None:
        """Until nothing is being worked at, or there are more controls than so many."""
        end, calm = time.monotonic() + PATIENCE / 1000, 0
        while calm < 3 and self.page.evaluate("controls.seen.size") <= seen:
            assert time.monotonic() < end, self.open
            self.page.wait_for_timeout(100)
            calm = 0 if self.open else calm + 1


@pytest.mark.slow  # and at 390 pixels every other run fails: a stream of answers is not seen to end
@pytest.mark.parametrize("viewport", [pytest.param(PHONE, id="narrow"), pytest.param(DESKTOP, id="wide")])
def test_every_control_of_every_page_is_used(visit: Open, face: Path, tmp_path: Path, viewport: dict[str, int]) -> None:
    """No control is named here except those that must come first or last: one that is new is pressed, too.

    It fails for one that cannot be used, for one that was seen and never used, for a component that was never seen, and
    for any message of an error: on the page, in the browser's console, or in the server's log, which the fixture reads.
    """
    faults: list[str] = []
    page = visit(viewport)
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.context.on("page", lambda other: other.close())
    chosen: list[Any] = []
    page.on("filechooser", lambda chooser: chooser.set_files(chosen[-1]))
    visitor = Visitor(page)
    holiday, made = tmp_path / "holiday", tmp_path / "made.rgo"
    holiday.mkdir()
    with Image.open(face) as image:
        image.resize((96, 96)).save(holiday / "one.png")
        image.resize((96, 64)).save(holiday / "two with a name that is longer than a phone is wide.jpg")
    made.write_bytes(regio.encode(face, quality=40))

    def come(tab: str, place: str, files: Any) -> None:
        page.get_by_role("tab", name=tab, exact=True).click()
        chosen.append(files)
        page.locator(f"{place} button").first.click()
        page.locator(f"{place} a").first.wait_for()

    come("Compress", "#upload", face)
    page.wait_for_selector("#compress:not([disabled])")
    visitor.use_all()  # "Compress" and "Cancel" are among them, and the sample picture, which takes longer
    page.click("#upload [aria-label=Clear]")
    come("Compress", "#upload", face)
    visitor.wait()
    page.click("#compress")
    wait_for_all(page)
    visitor.use_all()
    visitor.leave()

    come("Several", "#several", sorted(map(str, holiday.iterdir())))
    chosen.append(str(holiday))
    visitor.use_all()
    visitor.wait()
    page.click("#compress-all")
    page.wait_for_selector("#zip")
    visitor.use_all()
    whole_tables(page)
    visitor.leave()

    come("Open", "#rgo-upload", str(made))
    page.wait_for_selector("#info table")
    visitor.use_all()
    whole_tables(page)
    visitor.leave()

    page.get_by_role("tab", name="Blind study", exact=True).click()
    page.wait_for_selector("#ballot figure")
    visitor.use_all()
    visitor.leave()
    whole_tables(page)

    seen, used = (set(page.evaluate(f"[...controls.{name}]")) for name in ("seen", "used"))
    assert sorted(seen - used) == [], "seen, and not used by this test"
    places = {one.split(":")[0] for one in seen}
    pressed = {name for kind, name in page.evaluate(COMPONENTS) if kind not in SHOWN}
    assert len(pressed) > 25
    assert sorted(pressed - places) == [], "never seen by this test"
    assert page.evaluate("[...controls.said]") == []
    assert page.evaluate("[...controls.keys]") == [], "a label that Gradio has no words for"
    assert faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    page.close()
