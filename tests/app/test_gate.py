"""Requests that are refused before the page sees them, and limits on how long the others take."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from regio.app.gate import SLACK, Gate
from regio.app.shelf import Shelf

HOST = "127.0.0.1:7860"


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body, as the page does, and answers 200."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the visitor left")
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


@pytest.fixture
def status(tmp_path: Path) -> Callable[..., int]:
    """A function: headers, and parts of the body -> status of the answer. None among the parts: nothing comes."""

    def call(*headers: tuple[str, str], path: str = "/", query: bytes = b"", method: str = "GET", **more: Any) -> int:
        parts = more.get("parts", [b""])
        gate = Gate(page, Shelf(tmp_path, more.get("quota", 1 << 20)), 1000, more.get("hosts", ()), stalled=0.05)
        sent: list[Any] = []
        rest = list(enumerate(parts))

        async def receive() -> Any:
            number, part = rest.pop(0)
            if part is None:
                await asyncio.sleep(60)
            return {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}

        async def send(message: Any) -> None:
            if more.get("deaf"):
                await asyncio.sleep(60)
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        }
        asyncio.run(gate(scope, receive, send))
        return int(sent[0]["status"])

    return call


@pytest.mark.parametrize("host", [HOST, "localhost:7860", "LOCALHOST", "192.168.1.7:80", "[::1]:7860", "10.0.0.1"])
def test_addresses_and_localhost_are_served(status: Callable[..., int], host: str) -> None:
    assert status(("host", host)) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1", "a@b"]
)
def test_other_host_names_are_refused(status: Callable[..., int], host: str) -> None:
    assert status(("host", host)) == 421


def test_a_host_must_be_there_once(status: Callable[..., int]) -> None:
    assert status() == 421
    assert status(("host", HOST), ("host", "evil.example")) == 421


def test_a_host_name_can_be_allowed(status: Callable[..., int]) -> None:
    assert status(("host", "photos.example:80"), hosts=("Photos.Example",)) == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:7860", "http://127.0.0.1"]
)
def test_other_origins_are_refused(status: Callable[..., int], origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert status(("host", HOST), ("origin", origin), method=method) == 403


def test_the_page_itself_is_no_other_origin(status: Callable[..., int]) -> None:
    assert status(("host", HOST), ("origin", f"http://{HOST}"), method="POST") == 200


def test_long_ids_are_refused(status: Callable[..., int]) -> None:
    assert status(("host", HOST), query=b"upload_id=" + b"a" * 100) == 200
    assert status(("host", HOST), query=b"upload_id=" + b"a" * 3000) == 414


def test_a_body_is_limited_by_its_length_and_by_what_arrives(status: Callable[..., int]) -> None:
    most = 1000 + SLACK
    assert status(("host", HOST), ("content-length", str(most + 1)), method="POST") == 413
    assert status(("host", HOST), method="POST", parts=[b"a" * most, b""]) == 200
    assert status(("host", HOST), method="POST", parts=[b"a" * most, b"a", b""]) == 413


def test_an_upload_past_the_quota_is_refused(status: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_bytes(b"a" * 600)
    head = ("host", HOST), ("content-length", "500")
    assert status(*head, method="POST", path="/gradio_api/upload", quota=1100) == 200
    assert status(*head, method="POST", path="/gradio_api/upload", quota=1099) == 507


def test_a_stalled_body_ends(status: Callable[..., int]) -> None:
    assert status(("host", HOST), method="POST", parts=[b"a", None, b""]) == 408


def test_an_answer_that_nobody_reads_ends(status: Callable[..., int]) -> None:
    async def bounded() -> None:
        gate = Gate(page, Shelf(Path()), 1000, stalled=0.05)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            await asyncio.sleep(60)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", HOST.encode())]}
        await asyncio.wait_for(gate(scope, receive, send), 5)

    asyncio.run(bounded())
