"""How long a browser takes for a picture, and what a visitor fetches for it.

    make web && python benchmarks/web.py FILE.rgo [--repeats 5] [--no-threads] [--chromium PATH]

Serves web/dist, opens Chromium as somebody who was never there, and decodes the file on a page. Printed: the bytes of
scripts, engine and weights that were fetched; seconds until the first picture, weights and engine included; and then
the seconds of each further decoding, median and least. Behind each, how long processors worked on it in all processes
of the browser, which says more on a machine that does other things besides. Of a file with tiles also: how many parts
came, and after how many seconds of decoding the first. It needs Playwright and Chromium.
"""

from __future__ import annotations

import argparse
import http.server
import os
import shutil
import statistics
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

DIST = Path(__file__).parents[1] / "web" / "dist"
PAGE = b"""<!doctype html><title>decoding</title><script type="module">
import { Decoder } from "/regio-decode.js";
const decoder = new Decoder("/");
window.decode = async () => {
  const data = await (await fetch("/file.rgo")).arrayBuffer();
  const parts = [];
  let start = 0;
  const onStart = () => { start = performance.now(); };
  const onPart = () => parts.push((performance.now() - start) / 1000);
  const picture = await decoder.decode(data, { onStart, onPart });
  return { seconds: picture.milliseconds / 1000, parts };
};
document.title = "ready";
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """web/dist, the page and the file; notes what it sends."""

    file: Path
    threads: bool
    sent: dict[str, int]

    def do_GET(self) -> None:
        """Send a file, and note its bytes."""
        name = self.path.split("?")[0]
        data = {"/": PAGE, "/file.rgo": self.file.read_bytes()}.get(name)
        if data is None:
            path = DIST / name.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            data = path.read_bytes()
            self.sent[name] = len(data)
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if data is PAGE else self.guess_type(name))
        self.send_header("Content-Length", str(len(data)))
        if self.threads:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *given: Any) -> None:
        """Nothing."""


class Decoding(NamedTuple):
    """One of them; all in seconds."""

    seconds: float
    processor: float
    parts: list[float]
    """When each part was there."""


def measure(address: str, chromium: str, repeats: int) -> tuple[float, list[Decoding]]:
    """Seconds until the first picture, and what each decoding took, that of this picture first."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page()
        page.set_default_timeout(600_000)
        tools = browser.new_browser_cdp_session()

        def worked() -> float:
            return sum(float(one["cpuTime"]) for one in tools.send("SystemInfo.getProcessInfo")["processInfo"])

        def decoding() -> Decoding:
            before = worked()
            found = page.evaluate("window.decode()")
            return Decoding(found["seconds"], worked() - before, found["parts"])

        start = time.perf_counter()
        page.goto(address)
        page.wait_for_function("document.title === 'ready'")
        decodings = [decoding()]
        first = time.perf_counter() - start
        decodings += [decoding() for _ in range(repeats)]
        browser.close()
    return first, decodings


def shown(name: str, seconds: list[float], processor: list[float]) -> str:
    """Median and least of both."""
    middle, least = (f"{of(seconds):.2f} s ({of(processor):.2f} s of processors)" for of in (statistics.median, min))
    return f"{name} {middle}, at best {least}"


def main() -> None:
    """Parse options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-threads", action="store_true", help="without the headers that allow threads")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    given = parser.parse_args()
    facts = {"file": given.file, "threads": not given.no_threads, "sent": {}}
    handler = type("Given", (Handler,), facts)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(DIST))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        until, (first, *again) = measure(address, given.chromium, given.repeats)
        server.shutdown()
    for name, size in sorted(facts["sent"].items()):
        print(f"{size:>10,} bytes  {name.lstrip('/')}")
    print(f"{sum(facts['sent'].values()):>10,} bytes fetched, the first time")
    print(f"{until:.2f} s until the first picture ({first.processor:.2f} s of processors)")
    if len(first.parts) > 1:
        print(f"{len(first.parts)} parts, the first after {first.parts[0]:.2f} s of {first.seconds:.2f} s of decoding")
    if again:
        print(shown("each further one:", [one.seconds for one in again], [one.processor for one in again]))


if __name__ == "__main__":
    main()
