"""The decoder in a real browser: pixels, page, the script for images, what it fetches and how much.

With REGIO_SCREENSHOTS=FOLDER the picture for the docs is written there: `make screenshots`.
"""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image
from web.conftest import CONFORMANCE, ROOT, packed_names
from web.opened import FACTS, FILES, Visit, chosen, decode, expected, harness, pixels

import regio

pytestmark = [pytest.mark.browser, pytest.mark.weights]

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
OURS = ("harness.html", "embedded.html", "example.html", "photo.rgo", "large.rgo")  # what tests put into the site
BUDGET = {"scripts and page": 160_000, "engine": 14_500_000, "weights": 10_500_000}  # bytes; docs/web.md says them


def test_files_of_all_kinds_decode_to_the_pictures_of_the_python_decoder(visit: Visit) -> None:
    page = harness(visit)
    assert len(FILES) >= 12
    for name in FILES:
        found = decode(page, name)
        assert "message" not in found, (name, found)
        difference = np.abs(pixels(found) - expected(name))
        assert difference.max() <= 1, name  # networks round otherwise elsewhere
        assert not difference[..., 3].any(), name
        assert found["codec"] == (FACTS[name]["codec"] if FACTS[name]["tiles"] else "without loss")


def test_threads_change_no_pixel_by_more_than_one(visit: Visit) -> None:
    page = harness(visit, "threads/")
    assert page.evaluate("crossOriginIsolated")
    name = next(name for name in FILES if name.endswith("-blocks"))
    assert np.abs(pixels(decode(page, name)) - expected(name)).max() <= 1


def test_the_png_has_the_same_pixels_and_the_metadata(visit: Visit) -> None:
    page = harness(visit)
    for feature in ("metadata", "colour", "grey", "alpha"):
        name = next(name for name in FILES if name.endswith(f"-{feature}"))
        found = decode(page, name)
        ours = regio.decode(CONFORMANCE / f"{name}.rgo", codec=FACTS[name]["codec"], device="cpu")
        with Image.open(io.BytesIO(base64.b64decode(found["png"]))) as image:
            assert image.mode == ours.mode
            assert (np.asarray(image.convert("RGBA")).astype(int) == pixels(found)).all()
            if feature == "metadata":
                assert image.getexif()[0x010E] == "a description"
                assert image.info["xmp"] == b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
                assert image.info.get("icc_profile") == ours.info.get("icc_profile")
            if feature == "colour":
                assert b"cICP\x0c\x0d\x00\x01" in base64.b64decode(found["png"])


def test_a_visitor_opens_zooms_and_saves_a_picture(visit: Visit, tmp_path: Path) -> None:
    page = visit("index.html")
    name = next(name for name in FILES if name.endswith("-alpha"))
    said = chosen(page, CONFORMANCE / f"{name}.rgo")
    assert said.startswith(f"{name}.rgo: 65 × 63, ")
    before = page.locator("#canvas").bounding_box()["width"]
    assert page.text_content("#zoom") == "100 %"
    page.click("#in")
    page.focus("#stage")
    page.keyboard.press("+")
    assert page.text_content("#zoom") == "225 %"
    assert page.locator("#canvas").bounding_box()["width"] == pytest.approx(2.25 * before)
    page.mouse.move(640, 300)
    page.mouse.wheel(0, 300)
    page.wait_for_selector("#zoom:text-is('113 %')")
    canvas = page.locator("#canvas")
    before = canvas.bounding_box()
    page.mouse.down()
    page.mouse.move(670, 320, steps=3)
    page.mouse.up()
    page.mouse.move(600, 300)
    after = canvas.bounding_box()
    assert (after["x"] - before["x"], after["y"] - before["y"]) == (pytest.approx(30), pytest.approx(20))
    page.click("#fit")
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == f"{name}.png"
    download.value.save_as(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as image:
        assert np.abs(np.asarray(image).astype(int) - expected(name)).max() <= 1


def test_two_fingers_zoom(visit: Visit) -> None:
    page = visit("index.html", has_touch=True, viewport={"width": 400, "height": 700})
    name = next(name for name in FILES if name.endswith("-region"))
    chosen(page, CONFORMANCE / f"{name}.rgo")
    before = page.locator("#canvas").bounding_box()["width"]
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", None)):
        points = [] if apart is None else [{"x": 200 + sign * apart, "y": 350, "id": sign + 1} for sign in (-1, 1)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert page.locator("#canvas").bounding_box()["width"] == pytest.approx(2 * before, rel=0.05)


def test_weights_and_engine_are_fetched_once(visit: Visit) -> None:
    page = visit("index.html")
    fetched: list[str] = []
    page.context.on("request", lambda request: fetched.append(request.url))
    chosen(page, CONFORMANCE / f"{FILES[0]}.rgo")
    assert sum(bool(re.search(r"\.(rgow|wasm)", url)) for url in fetched) == 2
    fetched.clear()
    page.reload()
    chosen(page, CONFORMANCE / f"{FILES[0]}.rgo")
    assert [url for url in fetched if re.search(r"\.(rgow|wasm)", url)] == []


def test_weights_that_do_not_arrive_are_said_and_tried_again(visit: Visit) -> None:
    page = visit("index.html")
    page.context.route("**/models.json", lambda route: route.fulfill(status=503))
    file = CONFORMANCE / f"{FILES[0]}.rgo"
    assert chosen(page, file) == f"{file.name}: /models.json cannot be fetched: the server says 503"
    page.context.unroute("**/models.json")
    page.context.route("**/*.rgow?*", lambda route: route.fulfill(body=b"half of it"))
    assert re.fullmatch(rf"{file.name}: /\S+\.rgow did not arrive whole; try again", chosen(page, file))
    page.context.unroute("**/*.rgow?*")
    assert chosen(page, file).startswith(f"{file.name}: {FACTS[FILES[0]]['header']['width']} × ")


def embedded(site: Path, *images: str) -> None:
    """A page with these images and the one line of script."""
    line = '<!doctype html><title>t</title><script type="module" src="regio-embed.js"></script>'
    (site / "embedded.html").write_text("\n".join([line, *images]), encoding="utf-8")


def test_images_of_a_page_are_shown_by_one_line(visit: Visit, site: Path) -> None:
    name = next(name for name in FILES if name.endswith("-plain"))
    embedded(
        site,
        f'<img id="good" data-rgo="files/{name}.rgo" alt="waves" title="the sea">',
        f'<img id="sized" data-rgo="files/{name}.rgo" alt="waves" width="50" height="40">',
    )
    page = visit("embedded.html")
    for image in ("good", "sized"):
        page.wait_for_function(f"document.getElementById('{image}').naturalWidth === 100")
    assert (page.get_attribute("#good", "alt"), page.get_attribute("#good", "title")) == ("waves", "the sea")
    after = page.locator("#sized").bounding_box()
    assert (after["width"], after["height"]) == (50, 40)  # as its attributes say


def test_an_image_that_cannot_be_shown_says_why(visit: Visit, site: Path) -> None:
    name = next(name for name in FILES if name.endswith("-plain"))
    (site / "files" / "broken.rgo").write_bytes((CONFORMANCE / f"{name}.rgo").read_bytes()[:-5])
    embedded(
        site,
        '<img id="told" data-rgo="files/none.rgo" alt="a lighthouse" title="the coast">',
        '<img id="mute" data-rgo="files/broken.rgo">',
        '<img id="kept" data-rgo="files/none.rgo" src="data:image/gif;base64,'
        'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7" alt="a dot">',
    )
    page = visit("embedded.html")
    why = "files/none.rgo cannot be fetched: the server says 404"
    page.wait_for_selector(f"#told[title='{why}']")
    assert page.get_attribute("#told", "alt") == "a lighthouse"
    assert page.locator("#told").bounding_box()["width"] > 60  # the words are seen
    page.wait_for_selector("#mute[title^='the file is damaged']", state="attached")
    assert page.get_attribute("#mute", "alt") == page.get_attribute("#mute", "title")
    page.wait_for_selector(f"#kept[title='{why}']", state="attached")
    assert page.evaluate("document.getElementById('kept').naturalWidth") == 1
    show = "([id, address]) => { document.getElementById(id).dataset.rgo = address }"
    for image in ("told", "mute"):
        page.evaluate(show, [image, f"files/{name}.rgo"])
        page.wait_for_function(f"document.getElementById('{image}').naturalWidth === 100")
    assert page.get_attribute("#told", "title") == "the coast"  # the complaint goes
    assert page.get_attribute("#mute", "title") is page.get_attribute("#mute", "alt") is None
    page.evaluate(show, ["told", "files/none.rgo"])
    page.wait_for_selector(f"#told[title='{why}']")
    assert page.evaluate("document.getElementById('told').naturalWidth") == 0  # not the picture of another file


def test_the_site_stays_within_its_budget(site: Path) -> None:
    files = [path for path in site.iterdir() if path.is_file() and path.name not in OURS]
    kinds = {".wasm": "engine", ".rgow": "weights"}
    found: dict[str, list[int]] = {kind: [] for kind in BUDGET}
    for path in files:
        found[kinds.get(path.suffix, "scripts and page")].append(path.stat().st_size)
    sizes = {kind: max(each) if kind == "weights" else sum(each) for kind, each in found.items()}  # of one codec
    assert all(sizes[kind] <= most for kind, most in BUDGET.items()), sizes
    page = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    for kind, most in BUDGET.items():
        size = f"{most / 1e6:g} MB" if most >= 1e6 else f"{most / 1e3:g} kB"
        assert re.search(rf"\| {kind} .*\| {size} \|", page), f"docs/web.md does not say {size} of the {kind}"


@pytest.mark.skipif("REGIO_SCREENSHOTS" not in os.environ, reason="no pictures for the docs are wanted")
def test_the_page_is_shown_in_the_docs(visit: Visit, tmp_path: Path) -> None:
    path = tmp_path / "grace hopper.rgo"
    path.write_bytes(regio.encode(PORTRAIT, codec=packed_names()[0], quality=50, device="cpu"))
    page = visit("index.html", viewport={"width": 880, "height": 600})
    chosen(page, path)
    page.screenshot(path=Path(os.environ["REGIO_SCREENSHOTS"]) / "web.png")
