"""Speed and memory: what is measured, in which process, and what is skipped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from regio.cli.app import build
from regio.errors import MissingWeights, RegioError, UsageError
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.evaluation.speed import Skipped, Speed, Task, bench, cut, in_a_process_of_its_own, measure, size_in, table


def test_a_task_is_timed_at_the_rate_wanted() -> None:
    pixels = cut(None, 128, 96)
    found = measure(Task("jpeg", "cpu", pixels, bpp=1.5, repeats=3, threads=1))
    assert (found.codec, found.width, found.height) == ("jpeg", 128, 96)
    assert found.bpp == 8 * len(OPPONENTS["jpeg"].encode(pixels, found.setting)) / (128 * 96)
    assert 1.2 < found.bpp <= 1.5
    assert found.encode_seconds > 0
    assert found.decode_seconds > 0
    assert found.weights == OPPONENTS["jpeg"].weights


@pytest.mark.slow
def test_each_task_has_a_process_of_its_own_so_that_memory_is_its_own() -> None:
    ballast = np.ones(2**26, np.uint8)  # 64 MiB here
    small, large = (
        in_a_process_of_its_own(Task("jpeg", "cpu", cut(None, side, side), bpp=0.5, repeats=1, threads=1))
        for side in (64, 1500)
    )
    assert ballast[0] == 1
    assert small.mebibytes > 20
    assert large.mebibytes > small.mebibytes + 5  # a picture of 6 MB, and what the codec makes of it


def test_what_cannot_be_measured_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(task: Task) -> Speed:
        if task.codec == "webp":
            raise RegioError("no\nluck")
        if task.codec == "wepb":
            raise MissingWeights("no bundled weights are called 'wepb'")
        return measure(task)

    monkeypatch.setattr("regio.evaluation.speed.in_a_process_of_its_own", here)
    told: list[str] = []
    found = list(bench(["jpeg", "webp"], devices=["cpu", "cuda"], sizes=[(64, 48)], repeats=1, progress=told.append))
    assert isinstance(found[0], Speed)
    assert found[1] == Skipped("webp", "cpu", "64x48", "no luck")
    assert told == ["jpeg on cpu, 64x48", "webp on cpu, 64x48"]  # opponents know no other device
    with pytest.raises(MissingWeights):
        list(bench(["wepb"], sizes=[(64, 48)]))
    assert table([found[0]]).splitlines()[1].split()[:5] == ["jpeg", "cpu,", "1", "thread", "64x48"]


def test_without_a_gpu_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UsageError, match="no CUDA device"):
        measure(Task("segpic-xs", "cuda", cut(None, 64, 64), bpp=0.5, repeats=1, threads=1))


def test_sizes_are_cut_from_a_picture_and_mirrored_beyond_it() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert cut(picture, 3, 1)[0, :, 0].tolist() == [0, 3, 3]
    assert cut(picture, 1, 4)[:, 0, 0].tolist() == [0, 6, 6, 0]
    assert (cut(None, 40, 30) == cut(None, 40, 30)).all()
    assert size_in("1920x1080") == (1920, 1080)
    for text in ("1920", "0x5", "ax5", "5x"):
        with pytest.raises(UsageError, match="WIDTHxHEIGHT"):
            size_in(text)


def test_the_command_prints_one_table_or_a_line_of_json_each() -> None:
    command = ["bench", "--codecs", "jpeg", "--sizes", "64x48", "--repeats", "1"]
    result = CliRunner().invoke(build(), command)
    assert result.exit_code == 0, result.output
    header, row = result.stdout.splitlines()
    assert header.split()[:4] == ["codec", "device", "size", "bpp"]
    assert "64x48" in row
    made = json.loads(CliRunner().invoke(build(), [*command, "--json"]).stdout)
    assert (made["codec"], made["width"], made["height"]) == ("jpeg", 64, 48)


@pytest.mark.gpu
def test_a_gpu_is_timed_and_its_memory_told() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = measure(Task("segpic-xs", "cuda", cut(None, 256, 256), bpp=0.5, repeats=2, threads=1))
    assert found.device.startswith("cuda (")
    assert found.device_mebibytes > 10  # the weights alone
