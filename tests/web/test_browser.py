"""The decoder in a real browser: pixels, page, the script for images, what it fetches and how much.

With REGIO_SCREENSHOTS=FOLDER the picture for the docs is written there: `make screenshots`.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from web.conftest import CONFORMANCE, ROOT, packed_names

import regio

pytestmark = [pytest.mark.browser, pytest.mark.weights]

FACTS: dict[str, dict[str, Any]] = json.loads((CONFORMANCE / "files.json").read_text(encoding="utf-8"))
FILES = [name for name, facts in FACTS.items() if facts["codec"] in packed_names()]
PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
BUDGET = {"scripts and page": 160_000, "engine": 14_500_000, "weights": 10_500_000}  # bytes; docs/web.md says them
Visit = Callable[..., Any]


def expected(name: str) -> NDArray[np.int64]:
    """The picture of a conformance file, RGBA."""
    with Image.open(CONFORMANCE / f"{name}.png") as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def decode(page: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("name => window.decode(`files/${name}`)", f"{name}.rgo")
    return found


def pixels(found: dict[str, Any]) -> NDArray[np.int64]:
    """(H,W,4)."""
    data = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return data.reshape(found["height"], found["width"], 4).astype(int)


def harness(visit: Visit, where: str = "") -> Any:
    page = visit(f"{where}harness.html")
    page.wait_for_function("document.title === 'ready'")
    return page


def test_files_of_all_kinds_decode_to_the_pictures_of_the_python_decoder(visit: Visit) -> None:
    page = harness(visit)
    assert len(FILES) >= 12
    for name in FILES:
        found = decode(page, name)
        assert "message" not in found, (name, found)
        difference = np.abs(pixels(found) - expected(name))
        assert difference.max() <= 1, name  # networks round otherwise elsewhere
        assert not difference[..., 3].any(), name
        assert found["codec"] == FACTS[name]["codec"]


def test_threads_change_no_pixel_by_more_than_one(visit: Visit) -> None:
    page = harness(visit, "threads/")
    assert page.evaluate("crossOriginIsolated")
    name = next(name for name in FILES if name.endswith("-blocks"))
    assert np.abs(pixels(decode(page, name)) - expected(name)).max() <= 1


def test_large_files_show_their_first_parts_before_the_rest_is_decoded(visit: Visit) -> None:
    page = harness(visit)
    name = next(name for name in FILES if name.endswith("-blocks"))
    found = decode(page, name)
    assert len(found["parts"]) == 4
    covered = np.zeros((found["height"], found["width"]), int)
    for left, top, width, height in found["parts"]:
        covered[top : top + height, left : left + width] += 1
    assert (covered == 1).all()


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


def test_bad_files_are_refused_in_one_line_of_the_kind_that_python_has(visit: Visit, site: Path) -> None:
    page = harness(visit)
    data = (CONFORMANCE / f"{FILES[0]}.rgo").read_bytes()
    bad = {
        "cut": data[:-9],
        "flipped": data[:-4] + bytes([data[-4] ^ 4]) + data[-3:],
        "text": b"this is no picture",
        "later": data[:2] + b"\x20" + data[3:],
        "other": data[:3] + bytes([99]) + data[4:],
        "huge": bytes.fromhex("D752 10 06 ABCD 808040 808040 9603 00000000"),
    }
    kinds = {"later": "UnsupportedFile", "other": "MissingWeights", "huge": "LimitExceeded"}
    for name, wrong in bad.items():
        (site / "files" / f"bad-{name}.rgo").write_bytes(wrong)
        found = decode(page, f"bad-{name}")
        assert found["kind"] == kinds.get(name, "CorruptFile"), (name, found)
        assert "\n" not in found["message"]
    assert "message" not in decode(page, FILES[0])  # and the decoder goes on


def chosen(page: Any, path: Path) -> str:
    """Choose a file on the page -> what it says in the end."""
    page.evaluate("document.getElementById('stage').dataset.state = ''")
    page.set_input_files("#file", str(path))
    page.wait_for_selector("#stage[data-state=done], #stage[data-state=fault]")
    said: str = page.text_content("#status")
    return said


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


def test_a_bad_file_gives_one_line_and_the_next_one_opens(visit: Visit, tmp_path: Path) -> None:
    page = visit("index.html")
    (tmp_path / "no picture.rgo").write_bytes(b"GIF89a and so on")
    said = chosen(page, tmp_path / "no picture.rgo")
    assert said == "no picture.rgo: this is not a .rgo file: it does not begin with the bytes D7 52"
    assert page.locator("#status.fault").count() == 1
    assert page.locator("#canvas").is_hidden()
    assert chosen(page, CONFORMANCE / f"{FILES[0]}.rgo").startswith(f"{FILES[0]}.rgo: ")
    assert page.locator("#status.fault").count() == 0


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


def test_images_of_a_page_are_shown_by_one_line(visit: Visit, site: Path) -> None:
    name = next(name for name in FILES if name.endswith("-plain"))
    (site / "embedded.html").write_text(
        '<!doctype html><title>t</title><script type="module" src="regio-embed.js"></script>'
        f'<img id="good" data-rgo="files/{name}.rgo" alt="waves">'
        '<img id="bad" data-rgo="files/none.rgo" alt="nothing">',
        encoding="utf-8",
    )
    page = visit("embedded.html")
    page.wait_for_selector("#bad[title]", state="attached")
    assert page.get_attribute("#bad", "title") == "files/none.rgo cannot be fetched: the server says 404"
    page.wait_for_function("document.getElementById('good').naturalWidth === 100")
    page.evaluate("document.getElementById('bad').dataset.rgo = document.getElementById('good').dataset.rgo")
    page.wait_for_function("document.getElementById('bad').naturalWidth === 100")


def test_the_site_stays_within_its_budget(site: Path) -> None:
    files = [path for path in site.iterdir() if path.is_file() and path.name not in ("harness.html", "embedded.html")]
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
