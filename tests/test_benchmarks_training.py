"""benchmarks/training_curves.py, on logs written here."""

import json
import math
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from scripts import benchmark


@pytest.fixture(scope="module")
def command() -> ModuleType:
    return benchmark("training_curves")


def log(folder: Path, costs: list[float | None], start: int = 1, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    lines = [
        {"step": 10 * at, "loss": 1.0, "cost": cost, "bpp": 0.5, "psnr": 20.0 + at}
        for at, cost in enumerate(costs, start)
    ]
    point = {
        "step": 10,
        "held_back": [{"rate": 0.1, "bpp": 0.2, "psnr": 30.0}, {"rate": 0.9, "bpp": 0.4, "psnr": 34.0}],
    }
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in [*lines, point])
        file.write(more)
    return folder


def test_runs_are_drawn_and_compared_at_the_last_step_that_all_have(
    command: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = log(tmp_path / "masks", [4.0, 3.0, 2.0, 1.0])
    other = log(tmp_path / "grid", [5.0, 5.0, None], more='{"step": 40, "cost"')
    assert command.main([str(one), str(other), "-o", str(tmp_path / "out/curves.png"), "--window", "2"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1][:3] == ["masks", "30", "2.5000"]
    assert rows[2] == ["grid", "30", "5.0000", "0.5000", "22.5000"]
    with Image.open(tmp_path / "out/curves.png") as drawn:
        assert drawn.width > 1000


def test_a_log_tells_steps_held_back_pictures_and_what_was_done_anew(command: ModuleType, tmp_path: Path) -> None:
    run = log(tmp_path / "run", [4.0, 3.0, 2.0])
    log(run, [9.0, None], start=2)  # resumed from step 10
    found = command.read_log(run)
    assert found.steps == [10, 20, 30]
    assert found.lines["cost"][:2] == [4.0, 9.0]
    assert math.isnan(found.lines["cost"][2])
    assert found.held_back[0] == (10, pytest.approx(0.3), pytest.approx(32.0))
    assert command.read_log(run, until=20).steps == [10, 20]


def test_what_is_no_log_is_named_in_one_line(
    command: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd").mkdir()
    for content in (None, "", "[]\n", '{"step": 1}\n', "{\n"):
        if content is not None:
            (tmp_path / "odd/log.jsonl").write_text(content)
        assert command.main([str(tmp_path / "odd"), "-o", str(tmp_path / "never.png")]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert "odd/log.jsonl: not a run's log" in said.err
    assert not (tmp_path / "never.png").exists()
