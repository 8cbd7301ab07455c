"""The gate before the page: which requests are served, how large they may be, and how long they may take.

An ASGI application around Gradio's. Gradio itself answers to any host name and lets other sites read its answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from regio.app.shelf import Shelf
from regio.errors import LimitExceeded

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

STALLED = 30.0  # seconds without a byte after which a connection is closed
LONGEST = 600.0  # seconds that a whole request body may take
SLACK = 1_000_000  # bytes of a request besides the file: names, boundaries, other fields
QUERY = 2048  # bytes of a query string, where Gradio takes ids of any length


class Gate:
    """Passes on the requests that are allowed, and answers the others.

    hosts: host names that are served besides IP addresses and "localhost". A page of another site can point its own
    name at this server (DNS rebinding), but it cannot make a browser send an IP address as the host.
    upload: largest file in bytes.
    """

    def __init__(
        self, app: Application, shelf: Shelf, upload: int, hosts: tuple[str, ...] = (), stalled: float = STALLED
    ) -> None:
        self.app, self.shelf, self.upload, self.stalled = app, shelf, upload, stalled
        self.hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the page uses none
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        elif refusal := self._refusal(scope):
            await _answer(send, *refusal)
        else:
            await _Exchange(self, receive, send).run(scope)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        """Status and reason if the head of a request is not allowed."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        hosts, origins = headers.get(b"host", []), headers.get(b"origin", [])
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if not self._serves(host):
            return 421, "This host name is not served here. Start the server with --allow-host NAME to allow it."
        if any(urlsplit(origin.decode("latin-1").lower()).netloc != host for origin in origins):
            return 403, "Requests from other sites are not allowed."
        if len(scope.get("query_string", b"")) > QUERY:
            return 414, "The address is too long."
        length = headers.get(b"content-length", [b"0"])[0]
        size = int(length) if length.isdigit() else 0
        if size > self.upload + SLACK:
            return 413, "The file is too large."
        if scope["method"] == "POST" and scope["path"].endswith("/upload"):
            try:
                self.shelf.check_room(size)
            except LimitExceeded as error:
                return 507, str(error)
        return None

    def _serves(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.hosts:
            return True
        with contextlib.suppress(ValueError):
            return bool(ipaddress.ip_address(name))
        return False


class _Exchange:
    """One request and its answer, with limits on time and on the bytes of the body."""

    def __init__(self, gate: Gate, receive: Receive, send: Send) -> None:
        self.gate, self.receive, self.send = gate, receive, send
        self.taken, self.whole, self.started = 0, False, False
        self.refused: tuple[int, str] | None = None
        self.end = time.monotonic() + LONGEST

    async def run(self, scope: Message) -> None:
        try:
            await self.gate.app(scope, self._take, self._give)
        except Exception:
            if self.refused is None:
                raise
        if self.refused is not None and not self.started:
            await _answer(self.send, *self.refused)

    async def _take(self) -> Message:
        """The next part of the body; the application is told that the visitor left where a limit is passed."""
        if self.whole:  # what follows is the end of the connection, for which one may wait for long
            return await self.receive()
        patience = min(self.gate.stalled, self.end - time.monotonic())
        try:
            message = await asyncio.wait_for(self.receive(), max(0.001, patience))
        except TimeoutError:
            return self._refuse(408, "The request took too long to arrive.")
        self.taken += len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        if self.taken > self.gate.upload + SLACK:
            return self._refuse(413, "The file is too large.")
        return message

    async def _give(self, message: Message) -> None:
        if self.refused is None:
            self.started = True
            try:
                await asyncio.wait_for(self.send(message), self.gate.stalled)
            except TimeoutError:
                self._refuse(408, "The answer was not read in time.")
                raise

    def _refuse(self, status: int, text: str) -> Message:
        self.refused = status, text
        return {"type": "http.disconnect"}


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
