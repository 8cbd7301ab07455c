"""The decoder for browsers, built into a folder of its own and served as a site would serve it."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from regio.models.catalog import CATALOG

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
WEIGHTS = ROOT / "src" / "regio" / "weights"
CONFORMANCE = ROOT / "tests" / "conformance"
PATIENCE = int(os.environ.get("REGIO_PATIENCE", "120")) * 1000  # ms
HARNESS = """<!doctype html><title>harness</title><script type="module">
import { Decoder, toPng } from "./regio-decode.js";
const decoder = new Decoder(new URL(".", location.href));
const text = async (blob) => new Promise((resolve) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.split(",")[1]);
  reader.readAsDataURL(blob);
});
window.decode = async (address, options = {}) => {
  const parts = [];
  const data = await (await fetch(address, { cache: "no-store" })).arrayBuffer();
  try {
    const onPart = ({ left, top, width, height }) => parts.push([left, top, width, height]);
    const picture = await decoder.decode(data, { onPart, ...options });
    const { width, height, grey, alpha, codec, milliseconds } = picture;
    const [pixels, png] = [await text(new Blob([picture.data])), await text(await toPng(picture))];
    return { width, height, grey, alpha, codec, milliseconds, parts, data: pixels, png };
  } catch (error) {
    return { kind: error.name, message: error.message, parts };
  }
};
document.title = "ready";
</script>"""


@pytest.fixture(scope="session")
def built() -> Path:
    """web/build: the TypeScript, compiled for Node."""
    if shutil.which("node") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("needs Node and its packages: npm ci in web/")
    subprocess.run(["npm", "run", "--silent", "compile"], cwd=WEB, check=True, timeout=300)
    return WEB / "build"


def packed_names() -> list[str]:
    """The codecs that can be packed for browsers."""
    return [entry.name for entry in CATALOG.values() if (WEIGHTS / f"{entry.name}.light.json").exists()]


@pytest.fixture(scope="session")
def site(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a site serves: bundles, engine, weights; and what the tests put beside them."""
    pytest.importorskip("onnx", reason="packing weights needs onnx: pip install 'regio[onnx]'")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(["node", "build.mjs", str(folder)], cwd=WEB, check=True, timeout=300)
    subprocess.run([sys.executable, str(WEB / "pack.py"), *packed_names(), str(folder)], check=True, timeout=600)
    return folder


class Handler(http.server.SimpleHTTPRequestHandler):
    """As most servers: no special headers. The path /threads/... is served with those that allow threads.

    The folder is also at /regio/, as in the examples of the pages.
    """

    def send_head(self) -> Any:
        self.isolated = self.path.startswith("/threads/")
        self.path = self.path.removeprefix("/threads").replace("/regio/", "/", 1)
        return super().send_head()

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *given: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Of a server of the site, with the conformance files under files/."""
    (site / "files").mkdir()
    for path in CONFORMANCE.glob("*.rgo"):
        shutil.copy(path, site / "files")
    (site / "harness.html").write_text(HARNESS, encoding="utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """A function that opens a page as somebody who was never here. No other host is asked, no script fails."""
    asked: list[str] = []
    faults: list[str] = []
    contexts = []

    def call(name: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: asked.append(request.url))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address + name)
        return page

    yield call
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
    assert faults == []
