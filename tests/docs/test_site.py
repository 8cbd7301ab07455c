"""The site builds without a warning, and needs no other server."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the site needs pip install 'regio[docs]'")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")

from regio.models.catalog import CATALOG

ROOT = Path(__file__).parents[2]
LARGEST = 150_000  # bytes of a picture in docs/images; the app's screenshots may be larger


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, made once."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # the theme's advertisement for its successor
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return folder


class Loaded(HTMLParser):
    """What a browser fetches by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        wanted = {"script": "src", "img": "src", "iframe": "src", "source": "src"}.get(tag)
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            wanted = "href"
        if wanted and values.get(wanted):
            self.found.append(str(values[wanted]))


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(pages) > 20
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.found, page
        for target in loaded.found:
            assert "//" not in target, f"{page.relative_to(site)} loads {target}"
            assert (page.parent / target.partition("?")[0]).exists(), f"{page.relative_to(site)} misses {target}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_every_bundled_codec_has_its_card(site: Path) -> None:
    choose = (site / "choose.html").read_text(encoding="utf-8")
    for entry in CATALOG.values():
        assert f'href="codecs/{entry.name}.html"' in choose
        assert entry.fingerprint in (site / "codecs" / f"{entry.name}.html").read_text(encoding="utf-8")


def test_every_decision_is_listed(site: Path) -> None:
    listed = (site / "decisions" / "index.html").read_text(encoding="utf-8")
    decisions = list((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert len(decisions) > 10
    for decision in decisions:
        assert f'href="{decision.stem}.html"' in listed


def test_what_the_tests_do_not_run_is_said_on_the_page(site: Path) -> None:
    assert '<p class="not-run">Not run by the tests: needs weights of your own' in (site / "choose.html").read_text()


def test_the_python_page_shows_what_the_package_exports(site: Path) -> None:
    import regio

    page = (site / "python.html").read_text(encoding="utf-8")
    for name in ("Codec", "decode", "encode", "inspect", "Info", "load", "verify"):
        assert name in regio.__all__
        assert re.search(rf'id="regio\.(\w+\.)*{name}"', page), name
    for name in ("CorruptFile", "UsageError", "MissingWeights"):
        assert f'id="regio.errors.{name}"' in page


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs" / "images").glob("[he][ox]*-*"):
        assert picture.stat().st_size <= LARGEST, picture
