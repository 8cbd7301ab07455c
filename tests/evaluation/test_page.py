"""The report's page: what is in it, and that a browser shows it without network or complaint."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.page import Scene, Take
from regio.evaluation.report import write_report
from regio.evaluation.scenes import scenes_of
from regio.evaluation.sweep import Outcome, Problem, Row, sweep

ROWS = [
    Row("c", picture, quality, 100, rate, 0.5, 0.25, "w", "k", figures={"psnr": psnr, "ms_ssim": similarity})
    for picture, quality, rate, psnr, similarity in (("a", 3, 0.3, 30, 0.9), ("a", 9, 0.8, 36, 0.99))
]


def noise(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def report(folder: Path) -> Path:
    scenes = [
        Scene(f"picture {n} </script>", tuple(Take(label, f"{label} figures", noise(10 * n + at)) for at, label in
                                               enumerate(("original", "jpeg", "ours"))))
        for n in range(2)
    ]  # fmt: skip
    better = [dataclasses.replace(one, codec="better & <b>", bpp=one.bpp / 2) for one in ROWS]
    outcome = Outcome((*ROWS, *better), (Problem("", "x.png", "not a picture"),))
    write_report(outcome, folder, anchor="c", scenes=scenes, skipped={"jxl": "not installed"})
    return folder / "index.html"


def test_the_page_needs_nothing_else_and_holds_every_part(tmp_path: Path) -> None:
    text = report(tmp_path).read_text()
    links = re.findall(r'(?:src|href)="([^"#][^"]*)"', text) + re.findall(r"url\(([^#)][^)]*)\)", text)
    assert all(link.startswith("data:") for link in links)
    assert "<b>" not in text
    assert "better &amp; &lt;b&gt;" in text
    assert text.count("</script>") == 2
    for part in (
        "Crops",
        "Rate and quality",
        "BD-rates",
        "Means",
        "Who and what",
        "Left out",
        "not installed",
        "x.png",
    ):
        assert part in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    targets = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text)
    assert {a or b for a, b in targets} <= set(ids)


def test_scenes_show_every_codec_at_the_rate_wanted_or_its_smallest(tmp_path: Path) -> None:
    paths = {}
    for number in range(4):
        paths[f"{number}.png"] = tmp_path / f"{number}.png"
        smooth = Image.fromarray(noise(number, 20)).resize((320, 300), Image.Resampling.BICUBIC)
        smooth.save(paths[f"{number}.png"])
    jpeg = OPPONENTS["jpeg"]
    outcome = sweep(paths, [jpeg], tmp_path / "s.csv", settings={"jpeg": [10, 50, 90]})
    rates = {row.quality: row.bpp for row in outcome.rows if row.picture == "0.png"}
    scenes = scenes_of(outcome, paths, [jpeg], rate=rates[50], count=2)
    assert [scene.title.split(",")[0] for scene in scenes] == ["0.png", "3.png"]
    original, take = scenes[0].takes
    assert original.crop.shape == take.crop.shape == (256, 256, 3)
    assert "setting 50" in take.figures
    assert (original.crop != take.crop).any()
    (smallest,) = scenes_of(outcome, paths, [jpeg], rate=0.001, count=1)
    assert "setting 10" in smallest.takes[1].figures


@pytest.mark.browser
def test_a_browser_shows_the_crops_and_flicks_through_them_by_keyboard(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    page_file = report(tmp_path)
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        complaints: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri())
        crop = page.locator("#crop")
        assert crop.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
        seen = [page.locator("#figures").inner_text()]
        shots = [np.asarray(Image.open(io.BytesIO(crop.screenshot())).convert("RGB"))]
        page.keyboard.press("ArrowDown")  # scrolls: nothing in the section has the focus
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.evaluate("scrollTo(0, 0)")
        for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
            if key == "ArrowDown":
                page.locator("#takes button").first.focus()
            page.keyboard.press(key)
            crop.evaluate("image => image.decode()")
            seen.append(page.locator("#figures").inner_text())
            shots.append(np.asarray(Image.open(io.BytesIO(crop.screenshot())).convert("RGB")))
        assert seen == ["original: original figures", "jpeg: jpeg figures", "ours: ours figures", "ours: ours figures"]
        assert page.locator("#scene").input_value() == "1"
        assert all((one != other).mean() > 0.5 for one, other in itertools.pairwise(shots))  # other noise
        middles = shots[0][5:640:10, 5:640:10].astype(int)  # 64 pixels are shown over 640
        assert np.median(abs(middles - noise(0))) <= 1  # most: at the edges the page's own pixels may shine through
        assert (abs(middles - noise(0)).max(2) <= 1).mean() > 0.95
        page.keyboard.down("0")
        assert page.locator("#figures").inner_text() == "original: original figures"
        page.keyboard.up("0")
        page.locator("#takes button").nth(1).focus()
        page.keyboard.press("Enter")
        assert page.locator("#takes button[aria-pressed=true]").inner_text() == "jpeg"
        assert page.locator("figure.plot svg").count() == 2
        assert not complaints
        assert all(url.startswith(("file:", "data:")) for url in asked)
        browser.close()
