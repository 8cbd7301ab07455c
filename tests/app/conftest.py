"""A stand-in codec for the application's functions, and its page in a real browser against the real command."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from browsing import CHROMIUM, DESKTOP, PATIENCE, PORTRAIT, Open
from PIL import Image

import regio.codec.roi
import regio.evaluation.bit_share  # noqa: F401 - both are loaded before anything stands in for regio.codec


@pytest.fixture
def stand_in(stand_in: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(stand_in.Codec, "net", SimpleNamespace(rated=True, stride=16), raising=False)
    monkeypatch.setattr(stand_in.Codec, "watched", lambda self, told: self, raising=False)
    return stand_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def face(folder: Path) -> Path:
    """A small part of the portrait: encoding it takes a second or two."""
    path = folder / "a face.png"
    with Image.open(PORTRAIT) as image:
        image.crop((150, 110, 342, 302)).save(path)
    return path


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """`regio app` in a process of its own -> its address. Ended as service managers do it, it leaves nothing behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "tmp").mkdir()
    command = [sys.executable, "-m", "regio", "app", "--port", str(port)]
    command += ["--max-upload", "1M", "--study", str(folder / "votes.db")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=os.environ | {"TMPDIR": str(folder / "tmp")}
        )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address == f"http://127.0.0.1:{port}/", (folder / "log").read_text()
        yield address
        assert process.poll() is None, "the server ended by itself"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stdout.close()
    said = (folder / "log").read_text()
    assert "Traceback" not in said, said
    assert [entry.name for entry in (folder / "tmp").iterdir() if entry.name.startswith("regio-app-")] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


@pytest.fixture(scope="module")
def visit(browser: Any, server: str) -> Iterator[Open]:
    """A function that opens the page as somebody who was never here. Nobody else may be asked for anything."""
    asked: list[str] = []
    faults: list[str] = []
    contexts = []

    def call(viewport: dict[str, int] = DESKTOP, **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, **options)
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: asked.append(request.url))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server)
        page.wait_for_selector("#upload")
        return page

    yield call
    for context in contexts:
        context.close()
    assert {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))} == {
        urlsplit(server).netloc
    }
    assert faults == [], faults
