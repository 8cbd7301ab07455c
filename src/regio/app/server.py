"""The server: one process, one folder for files, which goes when it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from regio.app.coding import codec_names
from regio.app.desk import Desk
from regio.app.limits import Limits
from regio.app.scores import lpips_at_hand
from regio.app.shelf import Shelf
from regio.app.study import Study
from regio.errors import UsageError

WAITING = 32  # people in the queue; later ones are told that the server is busy


@dataclass(frozen=True)
class Settings:
    """What `regio app` was told. port: None takes the first that is free from 7860 on. study: None: votes are not kept.

    codecs: names or paths of weights beside the bundled ones. lpips: folder with the weights of LPIPS.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    limits: Limits = field(default_factory=Limits)
    study: Path | None = None
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
    with tempfile.TemporaryDirectory(prefix="regio-app-", ignore_cleanup_errors=True) as place:
        folder = Path(place).resolve()
        files = folder / "files"
        files.mkdir()
        desk = _desk(settings, files, folder / "votes.db")
        _quieten(files, settings.limits)
        logging.getLogger("uvicorn.error").addFilter(no_hangup)
        from regio.app.page import build, look

        page = build(desk, kept=settings.study is not None)
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
        shelf=Shelf(files),
        study=Study(settings.study or votes),
        limits=settings.limits,
        lpips=lpips,
        lpips_line=line,
        codecs=tuple(dict.fromkeys([*codec_names(), *settings.codecs])),
        device=settings.device,
    )
    for name in (desk.codecs[0], *settings.codecs):
        desk.codec(name)  # so that a wrong name is said now, and the first visitor does not wait
    return desk


def _quieten(folder: Path, limits: Limits) -> None:
    """Settings of libraries that must stand before Gradio is imported or asked: where files go, and no telemetry."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    Image.MAX_IMAGE_PIXELS = limits.pixels  # Gradio opens painted layers by itself


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
