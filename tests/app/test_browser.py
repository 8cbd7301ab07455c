"""The page in a real browser, against the real command and the bundled codec: what a visitor does, and does wrong.

With REGIO_SCREENSHOTS=FOLDER the pictures for the docs are written there, of Matplotlib's portrait: `make screenshots`.
"""

from __future__ import annotations

import csv
import http.client
import io
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from browsing import (
    DESKTOP,
    NEEDS,
    PATIENCE,
    PHONE,
    PORTRAIT,
    Open,
    clear,
    compress,
    divider,
    drag,
    drop,
    look_at,
    paint,
    ready,
    wait_for_all,
    whole_tables,
)
from PIL import Image

import regio

pytestmark = NEEDS


@pytest.fixture(scope="module")
def finished(visit: Open, face: Path) -> Any:
    """A page on which a picture with a painted region has been compressed to 2.5 kB."""
    page = visit()
    assert "192 × 192 pixels" in drop(page, face)
    paint(page)
    compress(page, 2.5)
    wait_for_all(page)
    return page


def test_a_painted_region_is_encoded_and_the_file_decodes_to_the_same_pixels_elsewhere(
    finished: Any, folder: Path
) -> None:
    saved = {}
    for name, suffix in {"rgo": "rgo", "png": "png", "jpeg": "jpg", "webp": "webp", "avif": "avif"}.items():
        with finished.expect_download() as waiting:
            finished.click(f"#{name}")
        saved[name] = folder / f"downloaded.{name}"
        waiting.value.save_as(saved[name])
        assert waiting.value.suggested_filename == f"a face.{suffix}"
    info = regio.inspect(saved["rgo"])
    for name, kind in {"jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF"}.items():
        assert saved[name].stat().st_size <= info.bytes_total
        with Image.open(saved[name]) as other:
            assert (other.format, other.size) == (kind, (192, 192))
    assert 1500 < info.bytes_total <= 2500
    assert info.roi_quality is not None
    assert info.roi_quality - info.quality == pytest.approx(20)
    decoded = folder / "decoded.png"
    command = [sys.executable, "-m", "regio", "decode", str(saved["rgo"]), "-o", str(decoded)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(decoded) as ours, Image.open(saved["png"]) as theirs:
        apart = np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)
    assert np.abs(apart).max() <= 1  # the app decodes by torch, the command by ONNX Runtime


def test_the_region_is_where_it_was_painted_and_is_better_for_it(finished: Any) -> None:
    assert finished.get_by_alt_text("The picture, dark where it does not matter").is_visible()
    heads = [text.strip() for text in finished.locator("#scores th[scope=rowgroup]").all_inner_texts()]
    assert heads == ["Whole picture", "Region", "Rest"]
    names = finished.locator("#scores tbody th[scope=row]").all_inner_texts()
    assert names == ["Regio", "JPEG", "WebP", "AVIF"] * 3
    ours = finished.locator("#scores tbody tr:has(:text('Regio')) td:nth-child(3)").all_inner_texts()
    whole, region, rest = map(float, ours)
    assert region > whole > rest


def test_the_divider_moves_by_keys_and_by_pointer(finished: Any) -> None:
    assert divider(finished) == 50
    handle = finished.get_by_role("slider", name="Divider: Original on its left, Regio on its right")
    handle.focus()
    for _ in range(5):
        finished.keyboard.press("ArrowLeft")
    assert divider(finished) == 45
    finished.keyboard.press("End")
    assert divider(finished) == 100
    box = finished.locator(".stage").bounding_box()
    finished.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    assert divider(finished) == pytest.approx(25, abs=2)
    finished.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    finished.mouse.down()
    finished.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2, steps=5)
    finished.mouse.up()
    assert divider(finished) == pytest.approx(75, abs=2)


def test_other_codecs_and_a_closer_view_can_be_compared(finished: Any) -> None:
    whole = finished.locator(".stage img").first.get_attribute("src")
    finished.get_by_label("JPEG").check()
    finished.get_by_role("slider", name="Divider: JPEG on its left, Regio on its right").wait_for()
    finished.get_by_label("Closer").check()
    finished.wait_for_selector(".compare.detail")
    closer = finished.locator(".stage img").first
    assert closer.get_attribute("src") != whole
    width = closer.evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert 30 < width < 100  # of 192
    finished.get_by_label("Whole picture").check()
    finished.get_by_label("Original").check()


def test_every_control_has_a_name(finished: Any) -> None:
    tree = finished.locator("body").aria_snapshot()
    controls = "button|textbox|slider|radio|checkbox|combobox|link|spinbutton|tab"
    unnamed = [line for line in tree.splitlines() if re.match(rf"^\s*- ({controls})\b(?! \")", line)]
    assert unnamed == [], tree
    assert finished.locator("img").evaluate_all("images => images.every((image) => image.alt)")


def test_everything_but_painting_is_reached_by_keyboard(visit: Open, face: Path) -> None:
    page = visit()
    drop(page, face)
    page.get_by_label("Faces").check()
    page.wait_for_selector("#strength input[type=range]")
    page.get_by_role("tab", name="Blind study").focus()
    reached: list[str] = []
    while "compress" not in reached and len(reached) < 40:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.closest('[id]:not(input)')?.id ?? ''"))
    first = list(dict.fromkeys(reached))
    assert first == ["upload", "sample", "region", "strength", "codec", "size", "metadata", "compress"]
    page.keyboard.press("Enter")  # on "Compress"
    page.wait_for_selector(".stage img")
    page.close()


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const over = (top, below) => top.slice(0, 3).map((v, k) => v * (top[3] ?? 1) + below[k] * (1 - (top[3] ?? 1)));
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => layer.length < 3 ? below : over(layer, below), [255, 255, 255]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    const style = getComputedStyle(node);
    if (!text || !node.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (node.closest('[disabled], script, style, .stage') || !node.getClientRects().length) continue;
    const back = behind(node), front = over(parse(style.color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    found.push([text.slice(0, 40), Math.round(ratio * 100) / 100, large ? 3 : 4.5]);
  }
  return found;
}"""


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_stands_out_from_its_ground(finished: Any, colours: str) -> None:
    finished.evaluate(f"document.body.classList.toggle('dark', {str(colours == 'dark').lower()})")
    finished.mouse.move(5, 5)
    finished.wait_for_timeout(600)  # colours fade over
    try:
        texts = finished.evaluate(CONTRAST)
        assert len(texts) > 40
        assert [text for text in texts if text[1] < text[2]] == []  # WCAG 2.2, 1.4.3
    finally:
        finished.evaluate("document.body.classList.remove('dark')")


def test_a_phone_shows_everything_without_scrolling_sideways(finished: Any) -> None:
    finished.set_viewport_size(PHONE)
    finished.wait_for_timeout(600)
    try:
        assert finished.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for name in ("Compress", "Several", "Open", "Blind study"):
            assert finished.get_by_role("tab", name=name, exact=True).is_visible()
        for name in ("#upload", "#region", "#compress", ".stage", "#scores table", "#rgo", "#maps img"):
            box = finished.locator(name).first.bounding_box()
            assert box is not None, name
            assert box["x"] >= 0, name
            assert box["width"] > 100, name
        assert whole_tables(finished) == 1
        ground = finished.locator("#marker .ground").bounding_box()
        assert ground["width"] > 300  # of 390, for the picture that is painted
        look_at(finished, "result")
    finally:
        finished.set_viewport_size(DESKTOP)


def test_wrong_files_get_a_message_and_the_right_one_works_after_them(visit: Open, face: Path, folder: Path) -> None:
    page = visit()
    text = folder / "holiday.png"
    text.write_text("Dear diary, today I learned about picture formats.")
    huge = folder / "huge.png"
    Image.new("1", (20_000, 10_000)).save(huge)
    damaged = folder / "half.png"
    damaged.write_bytes(face.read_bytes()[:9000])
    for path, told in ((text, "not a picture"), (huge, "200 megapixels"), (damaged, "Is it complete?")):
        assert told in drop(page, path, words=told)
        assert page.locator("#message [role=alert]").is_visible()
        assert page.locator("#compress").is_disabled()
    heavy = folder / "heavy.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)).save(heavy)
    clear(page)
    page.set_input_files("#upload input[type=file]", heavy)
    page.get_by_text(re.compile("maximum allowed size|too large|up to 1 MB", re.IGNORECASE)).first.wait_for()
    page.reload()
    page.wait_for_selector("#upload")
    assert "192 × 192" in drop(page, face, words="192 × 192")
    page.get_by_label("What I paint").check()
    compress(page)
    page.wait_for_selector("#outcome :text('Nothing is painted yet')")
    page.get_by_label("None, spread evenly").check()
    compress(page, 0.01)
    page.wait_for_selector("#outcome :text('bytes are too few')")
    page.close()


def test_a_closed_tab_ends_nothing_else_and_two_visitors_work_at_once(visit: Open, face: Path) -> None:
    leaving, first, second = visit(), visit(), visit()
    for page in (leaving, first, second):
        drop(page, face)
    compress(leaving, 3)
    leaving.wait_for_timeout(700)
    leaving.close()
    for page in (first, second):
        compress(page, 3)
    for page in (first, second):
        wait_for_all(page)
        page.close()


def test_a_box_is_dragged_or_typed_and_shows_what_it_covers(visit: Open, face: Path) -> None:
    page = visit()
    page.get_by_label("A box").check()  # before there is a picture
    page.wait_for_selector("#box", state="visible")
    page.get_by_label("None, spread evenly").check()
    page.wait_for_selector("#box", state="hidden")
    drop(page, face)
    page.get_by_label("A box").check()
    field = page.locator("#box input, #box textarea").first
    drag(page, (0.25, 0.25), (0.75, 0.75))
    page.locator("#message .notice", has_text="a box, 25% of the picture").wait_for()
    x, y, width, height = (int(number) for number in field.input_value().split(","))
    assert max(abs(x - 48), abs(y - 48), abs(width - 96), abs(height - 96)) <= 2
    drag(page, (0.5, 0.5), (0.6, 0.4))  # its inside moves it
    page.wait_for_function("!document.querySelector('#box :is(input, textarea)').value.startsWith('48')")
    moved = [int(number) for number in field.input_value().split(",")]
    assert moved[0] == pytest.approx(x + 19, abs=2)
    assert moved[1] == pytest.approx(y - 19, abs=2)
    assert moved[2:] == [width, height]
    drag(page, (0.85, 0.65), (1.2, 1.2))  # a corner changes it, up to the border
    page.locator("#message .notice", has_text="55% of the picture").wait_for()
    field.fill("48, 48, 96, 96")
    field.press("Enter")
    page.locator("#message .notice", has_text="a box, 25% of the picture").wait_for()
    place = page.locator("#marker .rectangle").evaluate("one => [one.style.left, one.style.width, one.hidden]")
    assert place == ["25%", "50%", False]
    for text, told in (("48, 48", "four whole numbers"), ("900, 0, 5, 5", "outside the picture")):
        field.fill(text)
        field.press("Enter")
        page.locator("#message .notice.alert", has_text=told).wait_for()
    page.get_by_label("What I paint").check()
    page.get_by_label("A box").check()  # the field stays reachable though what it holds is wrong
    page.wait_for_selector("#box", state="visible")
    compress(page, 3)
    page.locator("#outcome .notice.alert", has_text="outside the picture").wait_for()
    page.locator("#marker").get_by_role("button", name="Clear").click()
    page.locator("#message .notice.status", has_text="192 × 192 pixels").wait_for()
    assert field.input_value() == ""
    drag(page, (0.2, 0.2), (0.7, 0.6))
    compress(page, 3)
    page.get_by_alt_text("The picture, dark where it does not matter").wait_for()
    look_at(page, "box")


def test_paint_is_undone_stroke_by_stroke_and_shows_on_every_colour(visit: Open, folder: Path) -> None:
    page = visit()
    colours = [(255, 45, 85), (255, 255, 255), (0, 0, 0), (30, 200, 60), (40, 60, 220), (128, 128, 128)]
    stripes = np.repeat(np.array(colours, np.uint8), 32, axis=0)[None].repeat(96, axis=0)
    path = folder / "colours.png"
    Image.fromarray(stripes).save(path)
    drop(page, path)
    page.get_by_label("What I paint").check()
    before = ready(page).screenshot()
    drag(page, (0.02, 0.5), (0.98, 0.5))
    after = ready(page).screenshot()
    bare, painted = (np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int) for shot in (before, after))
    row = slice(bare.shape[0] // 2 - 6, bare.shape[0] // 2 + 6)
    changed = np.abs(painted - bare)[row].max(axis=2)
    for part in np.array_split(changed, len(colours), axis=1):
        assert (part > 60).mean() > 0.2
    drag(page, (0.1, 0.2), (0.3, 0.2))
    undo = page.locator("#marker").get_by_role("button", name="Undo")
    undo.click()
    undo.click()
    again = np.asarray(Image.open(io.BytesIO(ready(page).screenshot())).convert("RGB")).astype(int)
    assert np.abs(again - bare).max() < 8
    compress(page, 3)
    page.locator("#outcome .notice.alert", has_text="Nothing is painted yet").wait_for()
    page.close()


def test_a_cleared_size_is_asked_for_and_the_old_result_goes(visit: Open, face: Path) -> None:
    page = visit()
    drop(page, face)
    compress(page, 2.5)
    wait_for_all(page)
    page.fill("#size input", "")
    page.keyboard.press("Tab")
    compress(page)
    page.locator("#outcome .notice.alert", has_text="Enter a size in kB").wait_for()
    page.wait_for_selector("#comparison .stage", state="detached")
    assert page.locator("#scores table").count() == 0
    assert not page.locator("#rgo").is_visible()
    compress(page, 2.5)
    wait_for_all(page)


def test_a_sample_picture_is_there_to_start_with(visit: Open) -> None:
    page = visit()
    page.click("#sample")
    page.locator("#message .notice", has_text="640 × 448 pixels").wait_for()
    compress(page, 4)
    wait_for_all(page)
    look_at(page, "sample")
    page.close()


def test_work_is_cancelled_at_once_and_the_next_picture_starts_clean(visit: Open, face: Path, folder: Path) -> None:
    page = visit()
    drop(page, face)
    compress(page, 2.5)
    wait_for_all(page)
    large = folder / "large.jpg"
    with Image.open(PORTRAIT) as image:
        image.resize((2600, 3000)).save(large, quality=70)
    assert "2600 × 3000" in drop(page, large, words="2600 × 3000")
    page.wait_for_selector("#comparison .stage", state="detached")  # the result of the picture before
    assert page.locator("#scores table").count() == 0
    compress(page, 60)
    page.locator("#outcome .notice", has_text=re.compile(r"Encoding, try \d+ of about 8, part \d+ of \d+")).wait_for()
    page.locator("#outcome .notice", has_text=re.compile("so far, about .* left")).wait_for()
    assert not page.locator("#compress").is_visible()
    look_at(page, "working")
    began = time.monotonic()
    page.click("#cancel")
    page.locator("#outcome .notice", has_text="Cancelled.").wait_for()
    assert time.monotonic() - began < 10
    page.wait_for_selector("#cancel", state="hidden")
    drop(page, face, words="192 × 192")
    compress(page, 2.5)
    wait_for_all(page)
    page.close()


@pytest.mark.slow  # not dependable on a busy machine: now and then no word of the cancelling comes
def test_comparing_is_cancelled_and_the_next_run_works(visit: Open) -> None:
    page = visit()
    page.click("#sample")
    page.locator("#message .notice", has_text="640 × 448 pixels").wait_for()
    compress(page, 4)
    ready_to_see = "document.querySelector('.stage img') && document.querySelector('#cancel').checkVisibility()"
    page.wait_for_function(f"{ready_to_see} && !document.querySelector('#cancel').click()")  # it answers undefined
    page.locator("#outcome .notice", has_text="Cancelled. What was finished is below.").wait_for()
    page.wait_for_selector("#cancel", state="hidden")
    with page.expect_download() as waiting:
        page.click("#rgo")
    assert regio.decode(waiting.value.path()).size == (640, 448)
    assert page.locator("#scores :text('AVIF')").count() == 0
    compress(page, 3)
    wait_for_all(page)
    with page.expect_download() as waiting:
        page.click("#rgo")
    assert waiting.value.path().stat().st_size <= 3000
    page.close()


@pytest.mark.slow
def test_measuring_24_megapixels_is_cancelled_and_what_is_finished_stays(visit: Open, folder: Path) -> None:
    page = visit()
    page.context.set_default_timeout(10 * PATIENCE)  # the file alone takes a minute or two
    large = folder / "24 megapixels.jpg"
    with Image.open(PORTRAIT) as image:
        image.resize((4000, 6000)).save(large, quality=30)
    assert "4000 × 6000" in drop(page, large, words="4000 × 6000")
    compress(page, 150)
    page.locator("#outcome .notice", has_text=re.compile("Measuring|JPEG at|WebP at|AVIF at")).wait_for()
    began = time.monotonic()
    page.click("#cancel")
    page.locator("#outcome .notice", has_text="Cancelled. What was finished is below.").wait_for()
    assert time.monotonic() - began < 10
    with page.expect_download() as waiting:
        page.click("#rgo")
    assert regio.inspect(waiting.value.path()).height == 6000
    page.close()


def test_other_hosts_and_sites_are_not_served(server: str) -> None:
    place = urlsplit(server)

    def ask(host: str, **headers: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
        try:
            connection.request("GET", "/config", headers={"Host": host, **headers})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    assert ask(place.netloc)[0] == 200
    assert ask(f"evil.example:{place.port}")[0] == 421
    status, headers = ask(place.netloc, Origin="https://evil.example")
    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_file_is_opened_and_a_damaged_one_is_not(visit: Open, face: Path, folder: Path) -> None:
    made = regio.encode(face, quality=40)
    path, spoilt = folder / "made.rgo", folder / "spoilt.rgo"
    path.write_bytes(made)
    spoilt.write_bytes(made[:-40] + bytes(40))
    page = visit()
    page.get_by_role("tab", name="Open").click()
    assert "checksum" in drop(page, spoilt, "#rgo-upload", "#rgo-message", "checksum")
    clear(page, "#rgo-upload")
    page.set_input_files("#rgo-upload input[type=file]", path)
    page.wait_for_selector("#info table")
    assert "192 × 192 pixels, RGB" in page.inner_text("#info")
    with page.expect_download() as waiting:
        page.click("#decoded-png")
    with Image.open(waiting.value.path()) as shown:
        assert np.array_equal(np.asarray(shown), np.asarray(regio.decode(made)))
    page.close()


def look_closely(page: Any) -> None:
    """Every control of the place where the versions of the study are seen at their pixels."""
    viewer = page.locator("#viewer")
    sheet = viewer.locator(".sheet")
    assert sheet.bounding_box()["width"] == 192  # a pixel of the picture is one of the screen
    shown = "() => [...document.querySelectorAll('#viewer .sheet img.on')].map((image) => image.alt).join()"
    assert page.evaluate(shown) == "Original, at its pixels"
    for letter in ("D", "A"):
        viewer.get_by_role("button", name=letter, exact=True).click()
        assert page.evaluate(shown) == f"{letter}, at its pixels"
    viewer.get_by_role("button", name="4 to 1").click()
    assert sheet.bounding_box()["width"] == 4 * 192
    flicker = viewer.get_by_role("button", name="Flicker with the original")
    flicker.click()
    for name in ("Original", "A", "Original"):
        page.wait_for_function(f"({shown})() === '{name}, at its pixels'")
    look_at(page, "study")
    flicker.click()
    viewer.get_by_role("button", name="Original", exact=True).click()
    viewer.get_by_role("button", name="1 to 1").click()
    assert sheet.bounding_box()["width"] == 192
    assert page.evaluate(shown) == "Original, at its pixels"


def test_a_vote_is_blind_and_is_counted(finished: Any, folder: Path) -> None:
    finished.click("#add")
    finished.wait_for_selector("#added :text('The study has 1 picture')")
    finished.get_by_role("tab", name="Blind study").click()
    finished.wait_for_selector("#ballot figure")
    page_so_far = finished.inner_html("#ballot") + finished.inner_html("#choice")
    assert not re.search("regio-whole|jpeg|webp|avif", page_so_far, re.IGNORECASE)
    assert (
        finished.locator("#ballot img").evaluate_all(
            "images => Promise.all(images.map((image) => image.decode().then(() => image.naturalWidth)))"
        )
        == [192] * 5
    )
    look_closely(finished)
    finished.click("#vote")
    finished.wait_for_selector("#study-message :text('Choose a letter first')")
    finished.locator("#choice").get_by_label("C", exact=True).check()
    finished.click("#vote")
    finished.wait_for_selector("#study-message :text('You have judged every picture')")
    finished.get_by_role("button", name="Results, with names").click()
    finished.click("#show-results")
    finished.wait_for_selector("#tally table")
    with finished.expect_download() as waiting:
        finished.click("#votes")
    (row,) = csv.DictReader(Path(waiting.value.path()).read_text().splitlines())
    assert row["choice"] == "C"
    assert row["codec"] == row["shown"].split()[2]
    assert row["title"] == "a face"
    assert (folder / "votes.db").stat().st_size > 1000


def test_a_folder_is_compressed_at_once_and_goes_to_the_study(visit: Open, face: Path, folder: Path) -> None:
    holiday = folder / "holiday"
    holiday.mkdir()
    with Image.open(face) as image:
        image.save(holiday / "one.png")
        image.rotate(90).save(holiday / "two.jpg")
    (holiday / "list.txt").write_text("not a picture")
    page = visit()
    page.get_by_role("tab", name="Several").click()
    page.click("#compress-all")
    page.locator("#several-message .notice.alert", has_text="Choose pictures first").wait_for()
    with page.expect_file_chooser() as chooser:
        page.click("#folder")
    chooser.value.set_files(holiday)
    page.wait_for_selector("#several :text('two')")
    page.locator("#several-region").get_by_label("What stands out").check()
    page.locator("#several-region").get_by_label("None, spread evenly").check()
    page.get_by_label("Bits per pixel").fill("")
    page.keyboard.press("Tab")
    page.click("#compress-all")
    page.locator("#several-message .notice.alert", has_text="Bits per pixel is a number").wait_for()
    page.get_by_label("Bits per pixel").fill("0.5")
    page.locator("#several-metadata").get_by_label("Keep metadata").uncheck()
    page.locator("#against").get_by_label("AVIF").check()
    page.click("#compress-all")
    page.locator("#several-message .notice", has_text="The blind study has 2 more").wait_for()
    assert page.locator("#several-table tfoot th").inner_text() == "2 of 3"
    look_at(page, "several")
    with page.expect_download() as waiting:
        page.click("#zip")
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert sorted(archive.namelist()) == ["one.rgo", "two.rgo"]
        for name in archive.namelist():
            assert regio.decode(archive.read(name)).size == (192, 192)
            assert len(archive.read(name)) <= 0.5 * 192 * 192 / 8
    page.get_by_role("tab", name="Blind study").click()
    page.locator("#study-message .notice", has_text=re.compile("[23] pictures to judge")).wait_for()
    page.close()


def test_several_pictures_are_compressed_on_a_phone_and_cancelled_before(
    visit: Open, face: Path, tmp_path: Path
) -> None:
    page = visit(PHONE, has_touch=True, is_mobile=True)
    names = ["one.png", "a picture with a name that is longer than a phone is wide.png"]
    for name in names:
        shutil.copy(face, tmp_path / name)
    page.get_by_role("tab", name="Several", exact=True).tap()
    page.set_input_files("#several input[type=file]", [tmp_path / name for name in names])
    page.wait_for_selector("#several :text('one')")
    page.tap("#compress-all")
    page.tap("#cancel-all")
    page.locator("#several-message .notice", has_text="Cancelled.").wait_for()
    page.wait_for_selector("#cancel-all", state="hidden")
    page.tap("#compress-all")
    page.locator("#several-message .notice", has_text="Done.").wait_for()
    assert page.locator("#several-table tbody th").all_inner_texts() == names
    assert page.locator("#several-table tfoot th").inner_text() == "2 of 2"
    assert whole_tables(page) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    with page.expect_download() as waiting:
        page.tap("#zip")
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert sorted(archive.namelist()) == sorted(name.replace(".png", ".rgo") for name in names)
    page.close()


@pytest.mark.skipif("REGIO_SCREENSHOTS" not in os.environ, reason="no pictures for the docs are wanted")
def test_pictures_for_the_docs_are_taken(visit: Open) -> None:
    target = Path(os.environ["REGIO_SCREENSHOTS"])
    target.mkdir(parents=True, exist_ok=True)

    def take(page: Any, name: str, **options: Any) -> None:
        page.wait_for_timeout(1200)
        path = target / f"{name}.png"
        page.screenshot(path=path, **options)
        with Image.open(path) as image:
            small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        assert path.stat().st_size <= 300_000

    page = visit()
    drop(page, PORTRAIT)
    page.get_by_label("Faces").check()
    page.wait_for_selector("#message :text('1 found')")
    compress(page, 6)
    wait_for_all(page)
    page.get_by_label("WebP").check()
    page.wait_for_selector("[aria-label^='Divider: WebP']")
    page.evaluate("window.scrollTo(0, 0)")
    take(page, "app", clip={"x": 0, "y": 0, "width": DESKTOP["width"], "height": 1250}, full_page=True)
    page.set_viewport_size(PHONE)
    take(page, "app-phone", full_page=True)
