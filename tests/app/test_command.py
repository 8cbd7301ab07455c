"""`regio app` where it cannot start: one line, the right exit code, and nothing left behind."""

import socket
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from regio.cli.app import run

needs_gradio = pytest.mark.skipif(find_spec("gradio") is None, reason="needs Gradio: pip install 'regio[app]'")
EVENTS = """
from regio.app.desk import Desk
from regio.app.page import build
from regio.app.workers import Workers
desk = Desk(shelf=None, study=None, codecs=("segpic-xs",))
page = build(desk, Workers(desk), kept=False)
assert not page.analytics_enabled
for event in page.fns.values():
    print(event.name, event.concurrency_id, event.concurrency_limit, event.api_visibility)
"""


@pytest.fixture
def app(
    stand_in: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """A function: options of `regio app` -> exit code and what was said. Files that need a temporary place get one."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))

    def call(*options: object) -> tuple[int, str]:
        code = run(["app", *(str(option) for option in options)])
        assert list(place.iterdir()) == []
        return code, capsys.readouterr().err

    return call


def test_without_gradio_it_says_what_to_install(
    app: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, said = app()
    assert (code, said) == (1, "regio: gradio is not installed; regio app needs: pip install 'regio[app]'\n")


@needs_gradio
def test_a_port_that_is_taken_is_named(app: Callable[..., tuple[int, str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = app("--port", port)
    assert code == 2
    assert said.startswith(f"regio: cannot listen on 127.0.0.1:{port}: ")
    assert said.count("\n") == 1


@needs_gradio
def test_what_cannot_be_used_is_said_before_anybody_visits(app: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("Dear diary, " * 100)
    code, said = app("--study", notes)
    assert code == 2
    assert "cannot be used as a study" in said
    code, said = app("--study", tmp_path / "nowhere" / "votes.db")
    assert code == 1
    assert "No such folder" in said
    code, said = app("--lpips-weights", tmp_path)
    assert code == 4
    assert said.count("\n") == 1
    assert app("--max-pixels", "lots")[0] == 2


@needs_gradio
def test_two_work_at_once_and_no_function_is_offered_to_programs() -> None:
    """In a process of its own: Gradio leaves event loops open, which is an error here."""
    done = subprocess.run([sys.executable, "-c", EVENTS], capture_output=True, text=True, timeout=120, check=True)
    events = [line.split() for line in done.stdout.splitlines()]
    assert {name: limit for name, shared, limit, _ in events if shared == "work"} == dict.fromkeys(
        ("arrive", "look", "run", "show"), "2"
    )
    assert {visible for *_, visible in events} == {"private"}
