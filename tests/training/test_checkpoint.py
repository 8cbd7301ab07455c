"""Run folders survive full disks, crashes between two files, and hands that take files away."""

import errno
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from regio import durable
from regio.errors import RegioError, UsageError
from regio.training.checkpoint import AVERAGE, LAST, OPTIMIZERS, RunFolder
from regio.training.loop import train
from regio.training.records import Record

Toy = Callable[..., Path]
STATES = (LAST, OPTIMIZERS, AVERAGE)


def steps(run: Path) -> list[int]:
    return [line["step"] for line in RunFolder(run).records() if "loss" in line]


def contents(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("which", [1, 2, 3])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=3)
    before = contents(run)
    write, calls = durable.write_part, iter(range(1, 100))

    def full(part: Path, data: bytes, mode: int | None = None) -> None:
        write(part, data, mode)
        if part.name.endswith(".pt.part") and next(calls) == which:
            no_space()

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write_part", full)
        with pytest.raises(
            RegioError, match=r"state could not be saved \(No space left on device\).*--resume"
        ) as caught:
            train(recipe, out=run, device="cpu", steps=2, resume=True)
    assert "\n" not in str(caught.value)
    after = contents(run)
    assert {name: after[name] for name in STATES} == {name: before[name] for name in STATES}
    assert not [name for name in after if name.endswith(".part")]
    train(recipe, out=run, device="cpu", resume=True)
    assert steps(run) == list(range(1, 9))


def test_a_full_disk_before_anything_was_saved_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "write_part", no_space)
    with pytest.raises(RegioError, match=r"No space left on device\); none was saved before, so free some space"):
        RunFolder(tmp_path).save({LAST: {"step": 1}})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_at_the_start_of_a_resumed_run_keeps_the_log(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=3)
    with (run / "log.jsonl").open("a") as log:
        log.write('{"step": 4, "loss": 1.0}\n')  # to be cut
    before = contents(run)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(OSError, match="No space left"):
            train(recipe, out=run, device="cpu", resume=True)
    assert contents(run) == before


def test_a_line_that_does_not_fit_on_the_disk_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"step": 1})
    opened = Path.open

    class Full:
        """A file that takes half of what is written to it."""

        def __init__(self, path: Path) -> None:
            self.file = opened(path, "ab", buffering=0)

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def tell(self) -> int:
            return self.file.tell()

        def write(self, data: bytes) -> None:
            self.file.write(data[: len(data) // 2])
            no_space()

        def flush(self) -> None: ...

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *_, **__: Full(self))
        with pytest.raises(OSError, match="No space left"):
            folder.log({"step": 2})
    folder.log({"step": 3})
    assert [line["step"] for line in folder.records()] == [1, 3]


@pytest.mark.parametrize("renamed", [0, 1, 2])
def test_a_run_killed_while_states_take_their_names_goes_on_with_files_that_belong_together(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: int
) -> None:
    recipe, run, whole = toy(), tmp_path / "run", tmp_path / "whole"
    train(recipe, out=whole, device="cpu")
    train(recipe, out=run, device="cpu", steps=2)
    replace, calls = Path.replace, iter(range(100))

    class Killed(BaseException):
        pass

    def killed(self: Path, target: Path) -> Path:
        if self.name.endswith(".pt.part") and next(calls) == renamed:
            raise Killed
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(Killed):
            train(recipe, out=run, device="cpu", steps=3, resume=True)
    RunFolder(run).settle()
    reached = {name: RunFolder(run).load(name)["step"] for name in STATES}
    assert set(reached.values()) == {2 if renamed == 0 else 5}
    assert not list(run.glob("*.part"))
    train(recipe, out=run, device="cpu", resume=True)
    curves = [[(r["step"], r["loss"]) for r in RunFolder(f).records() if "loss" in r] for f in (run, whole)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("name", STATES)
def test_a_flipped_bit_in_a_state_is_one_line(toy: Toy, tmp_path: Path, name: str) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    data = bytearray((run / name).read_bytes())
    data[len(data) // 2] ^= 1
    (run / name).write_bytes(data)
    before = contents(run)
    with pytest.raises(RegioError, match=f"{name} is damaged: its checksum is wrong"):
        train(recipe, out=run, device="cpu", resume=True)
    assert contents(run) == before


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("gone", [(LAST,), (LAST, OPTIMIZERS), (LAST, AVERAGE), STATES])
def test_a_run_without_its_state_does_not_start_over(
    toy: Toy, tmp_path: Path, gone: tuple[str, ...], resume: bool
) -> None:
    recipe, run = toy(run={"save_every": 2}), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=3)
    for name in gone:
        (run / name).unlink()
    before = contents(run)
    with pytest.raises(RegioError, match=r"last.pt is missing, so this run cannot continue; .*--output"):
        train(recipe, out=run, device="cpu", resume=resume)
    assert contents(run) == before


def test_a_run_that_was_killed_before_it_saved_anything_begins_again(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"

    def killed(line: Record) -> None:
        if line["step"] == 2:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(recipe, out=run, device="cpu", report=killed)
    train(recipe, out=run, device="cpu", resume=True)
    assert steps(run) == list(range(1, 9))
    train(recipe, out=tmp_path / "new", device="cpu", resume=True)  # nothing there yet: a run like any other
    assert steps(tmp_path / "new") == list(range(1, 9))


@pytest.mark.parametrize("name", [OPTIMIZERS, AVERAGE])
def test_a_state_of_another_step_is_refused(toy: Toy, tmp_path: Path, name: str) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    older = (run / name).read_bytes()
    train(recipe, out=run, device="cpu", steps=2, resume=True)
    (run / name).write_bytes(older)
    with pytest.raises(RegioError, match=f"{name} was saved at step 2(, | and )last.pt at step 4"):
        train(recipe, out=run, device="cpu", resume=True)
    if name == OPTIMIZERS:
        (run / name).unlink()  # as the message says
        train(recipe, out=run, device="cpu", resume=True)
        assert steps(run) == list(range(1, 9))


@pytest.mark.parametrize("change", [{"optimizers": []}, {"optimizers": None}, {"optimizers": [{}]}, {"kind": "soap"}])
def test_an_optimiser_state_that_does_not_fit_is_one_line(toy: Toy, tmp_path: Path, change: dict[str, Any]) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    folder = RunFolder(run)
    folder.save({OPTIMIZERS: folder.load(OPTIMIZERS) | change})
    if change == {"optimizers": None}:
        train(recipe, out=run, device="cpu", resume=True)  # no state in it: fresh optimisers
        return
    with pytest.raises(UsageError, match="remove that file to continue with fresh optimisers"):
        train(recipe, out=run, device="cpu", resume=True)


@pytest.mark.parametrize("field", ["model", "step", "phase", "skipped"])
def test_a_last_state_without_a_field_is_one_line(toy: Toy, tmp_path: Path, field: str) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    folder = RunFolder(run)
    folder.save({LAST: {k: v for k, v in folder.load(LAST).items() if k != field}})
    with pytest.raises(UsageError, match="another model"):
        train(recipe, out=run, device="cpu", resume=True)


@pytest.mark.parametrize(
    "line", [b"{\n", b"[]\n", b"7\n", b"{}\n", b'{"step": "x"}\n', b"\xff\n", b"[" * 90_000 + b"\n"]
)
def test_a_damaged_line_of_the_log_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1}\n' + line)
    with pytest.raises(RegioError, match=r"log.jsonl, line 2 is damaged"):
        RunFolder(tmp_path).records()


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 90_000])
def test_damaged_tables_of_a_run_are_one_line(tmp_path: Path, text: str) -> None:
    for name in ("recipe.json", "environment.json", "pictures.json"):
        (tmp_path / name).write_text(text)
    folder = RunFolder(tmp_path)
    for read in (folder.recipe, folder.environment, folder.held_back):
        with pytest.raises(RegioError, match=r"damaged|not the folder of a run"):
            read()


def held(run: Path) -> list[str]:
    return [key.rpartition(" ")[0] for key in json.loads((run / "pictures.json").read_text())["held_back"]]


def test_held_back_pictures_stay_held_back_when_pictures_are_added(
    toy: Toy, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, run = toy(data={"held_back": 2}), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    assert held(run) == ["0.png", "3.png"]
    for name in ("00.png", "2a.png"):  # one before the first and one in the middle
        Image.new("RGB", (96, 96), (9, 9, 9)).save(pictures / name)
    seen: list[list[str]] = []
    monkeypatch.setattr("regio.training.loop.validate", lambda net, pack: seen.append(pack.names) or [])
    with caplog.at_level(logging.WARNING):
        train(recipe, out=run, device="cpu", resume=True)
    assert seen == [["0.png", "3.png"]]
    assert held(run) == ["0.png", "3.png"]
    assert "there are 6 pictures to train on, there were 4 when the run began" in caplog.text


def test_held_back_pictures_that_are_gone_are_warned_of(
    toy: Toy, tmp_path: Path, pictures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, run = toy(data={"held_back": 2}), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    Image.new("RGB", (96, 96), (9, 9, 9)).save(pictures / "0.png")  # the name stays, the picture does not
    train(recipe, out=run, device="cpu", steps=1, resume=True)
    assert "1 held-back pictures are missing or changed, the first is 0.png" in caplog.text
    (pictures / "3.png").unlink()
    with pytest.raises(UsageError, match="none of them is in the folders of the recipe"):
        train(recipe, out=run, device="cpu", resume=True)


def test_a_run_from_before_the_choice_was_noted_goes_on(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    (run / "pictures.json").unlink()
    train(recipe, out=run, device="cpu", steps=2, resume=True)
    assert held(run) == ["0.png"]


def test_time_that_is_no_number_is_refused(toy: Toy, tmp_path: Path) -> None:
    for minutes in (float("nan"), -1.0):
        with pytest.raises(UsageError, match="is not a number of minutes"):
            train(toy(), out=tmp_path / "run", device="cpu", max_minutes=minutes)


def test_states_keep_their_permissions(toy: Toy, tmp_path: Path) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    (run / LAST).chmod(0o600)
    train(recipe, out=run, device="cpu", steps=2, resume=True)
    assert (run / LAST).stat().st_mode & 0o777 == 0o600
    assert torch.load(run / LAST, weights_only=True)["step"] == 4
