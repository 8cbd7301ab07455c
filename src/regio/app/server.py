"""The server: one process, with one folder for files that is removed when it ends."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from regio.app.coding import codec_names
from regio.app.desk import Desk
from regio.app.gate import Gate
from regio.app.limits import Limits, only_kinds
from regio.app.scores import lpips_at_hand
from regio.app.shelf import Shelf
from regio.app.study import Study
from regio.app.workers import Workers
from regio.errors import UsageError

PREFIX, LOCK = "regio-app-", "lock"  # folders of servers, and the file in each that its server locks
WAITING = 32  # people in the queue; later ones are told that the server is busy


@dataclass(frozen=True)
class Settings:
    """The options of `regio app`. port: None takes the first free one from 7860 on. study: None: votes are not kept.

    hosts: names under which people reach the server, besides `host`, IP addresses and localhost.
    codecs: names or paths of weights beside the bundled ones. lpips: folder with the weights of LPIPS.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    limits: Limits = field(default_factory=Limits)
    study: Path | None = None
    hosts: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()
    lpips: Path | None = None
    device: str = "auto"


def serve(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until somebody ends the process (SIGINT, SIGTERM). ready: called once with the address.

    Raises UsageError for a port that is taken and for what is no study, MissingWeights, OSError.
    """
    with serving(settings) as address, _until_told() as end:
        ready(address)
        end.wait()


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """A server in the background, and its address."""
    if find_spec("gradio") is None:
        raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
    _check_port(settings)
    with _folder() as folder, only_kinds(settings.limits.pixels):
        files = folder / "files"
        files.mkdir()
        desk = _desk(settings, files, folder / "votes.db")
        _quieten(files)
        logging.getLogger("uvicorn.error").addFilter(no_hangup)
        from regio.app.page import build, look

        workers = Workers(desk)
        workers.warm()
        page = build(desk, workers, kept=settings.study is not None)
        try:
            page.queue(max_size=WAITING, default_concurrency_limit=8)
            try:
                _, address, _ = page.launch(
                    server_name=settings.host,
                    server_port=settings.port,
                    max_file_size=settings.limits.upload,
                    prevent_thread_lock=True,
                    inbrowser=False,
                    share=False,
                    quiet=True,
                    ssr_mode=False,
                    pwa=False,
                    mcp_server=False,
                    run_history=False,
                    footer_links=[],
                    enable_monitoring=False,
                    app_kwargs={"lifespan": _gated(desk, settings)},
                    **look(),
                )
            except OSError as error:
                raise _refusal(settings, error) from error
            yield address
        finally:
            page.close()


def no_hangup(record: logging.LogRecord) -> bool:
    """Whether a record of the server's log is worth a line: one visitor who leaves during an upload is not."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "ClientDisconnect"


def _check_port(settings: Settings) -> None:
    """Try the address before anything is loaded; UsageError if it is taken or not ours."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            settings.host, settings.port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server that just ended leaves behind
            trial.bind(address)
    except OSError as error:
        raise _refusal(settings, error) from error


def _refusal(settings: Settings, error: OSError) -> UsageError:
    where = settings.host if settings.port is None else f"{settings.host}:{settings.port}"
    return UsageError(f"cannot listen on {where}: {' '.join((error.strerror or str(error)).split())}")


def _desk(settings: Settings, files: Path, votes: Path) -> Desk:
    """files: the folder that is swept; votes: where they go if nobody wants to keep them."""
    lpips, line = lpips_at_hand(settings.lpips)
    desk = Desk(
        shelf=Shelf(files, settings.limits.total),
        study=Study(settings.study or votes),
        limits=settings.limits,
        lpips=lpips,
        lpips_line=line,
        codecs=tuple(dict.fromkeys([*codec_names(), *settings.codecs])),
        device=settings.device,
    )
    for name in (desk.codecs[0], *settings.codecs):
        desk.codec(name)  # so that a wrong name is said now; workers load their own
    desk.loaded.clear()
    return desk


def _gated(desk: Desk, settings: Settings) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan for Gradio's application that puts a `Gate` before it, before the first request is taken.

    As an ordinary middleware, the gate would stand behind Gradio's own, which answers foreign sites.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        hosts = (settings.host, *settings.hosts)
        app.middleware_stack = Gate(app.middleware_stack, desk.shelf, settings.limits.upload, hosts)
        yield

    return lifespan


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder for this server, locked while it runs. Folders of servers that were killed are removed."""
    _remove_left_over(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as place:
        folder = Path(place).resolve()
        with (folder / LOCK).open("w") as held:
            _lock(held.fileno())
            yield folder


def _remove_left_over(place: Path) -> None:
    """Remove the folders in `place` whose server no longer runs: nobody holds the lock."""
    for folder in place.glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or (hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid()):
                continue
            with (folder / LOCK).open("r+") as held:
                dead = _lock(held.fileno())
            if dead:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # being made, being removed, or not ours


def _lock(file: int) -> bool:
    """Take the lock of a file -> whether nobody else has it. False where the system has no such locks."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _quieten(folder: Path) -> None:
    """Settings that Gradio reads when it is imported: where files go, and no telemetry."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    end = threading.Event()

    def stop(number: int, frame: Any) -> None:
        end.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
