"""What goes wrong in training is noticed, survived where it can be, and said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from regio.errors import RegioError
from regio.training import run as run_module
from regio.training.loop import train
from regio.training.step import TrainingStep

Toy = Callable[..., Path]
Values = dict[str, torch.Tensor]


def steps_of(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "loss" in line]


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], bool], float], None]:
    """A function: multiply the loss of forward passes by a factor, wherever a rule about their number says so."""

    def install(rule: Callable[[int], bool], factor: float) -> None:
        forward, calls = TrainingStep.forward, iter(range(1, 10**9))

        def spoiled(self: TrainingStep, *arguments: Any) -> Values:
            values = forward(self, *arguments)
            return values | {"loss": values["loss"] * factor} if rule(next(calls)) else values

        monkeypatch.setattr(TrainingStep, "forward", spoiled)

    return install


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_step_without_a_finite_gradient_changes_nothing(
    toy: Toy, tmp_path: Path, spoil: Callable[..., None], factor: float
) -> None:
    recipe, run = toy(), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=3)
    before = torch.load(run / "last.pt", weights_only=True)["model"]
    spoil(lambda call: True, factor)
    train(recipe, out=run, device="cpu", steps=2, resume=True)
    state = torch.load(run / "last.pt", weights_only=True)
    assert (state["step"], state["skipped"]) == (5, 2)
    assert all(torch.equal(before[key], state["model"][key]) for key in before)
    spoil(lambda call: False, 1.0)
    assert steps_of(run)[-1] | {"loss": None, "norm": None, "skipped": 2} == steps_of(run)[-1]


def test_figures_are_means_of_the_finite_steps(toy: Toy, tmp_path: Path, spoil: Callable[..., None]) -> None:
    spoil(lambda call: call == 2, float("nan"))
    train(toy({"steps": 4}, run={"log_every": 4}), out=tmp_path / "run", device="cpu")
    (line,) = steps_of(tmp_path / "run")
    assert line["loss"] > 0
    assert line["skipped"] == 1


def test_a_run_that_fails_for_long_goes_back_once_and_draws_anew(
    toy: Toy, tmp_path: Path, spoil: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "GIVE_UP", 3)
    monkeypatch.setattr("regio.training.loop.GIVE_UP", 3)
    spoil(lambda call: 5 <= call <= 7, float("nan"))
    train(toy(run={"save_every": 2}), out=tmp_path / "run", device="cpu")
    lines = steps_of(tmp_path / "run")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert lines[-1]["restored"] == 1
    assert lines[-1]["skipped"] == 3


def test_the_second_time_the_run_ends_with_one_clear_line(
    toy: Toy, tmp_path: Path, spoil: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "GIVE_UP", 3)
    monkeypatch.setattr("regio.training.loop.GIVE_UP", 3)
    spoil(lambda call: call > 2, float("nan"))
    with pytest.raises(RegioError, match="no finite gradient in 3 steps up to step 5"):
        train(toy(run={"save_every": 2}), out=tmp_path / "run", device="cpu")
    assert torch.load(tmp_path / "run" / "last.pt", weights_only=True)["step"] == 2
    with pytest.raises(RegioError, match="no finite gradient"):  # nothing saved yet, so nothing to go back to
        train(toy(), out=tmp_path / "other", device="cpu")


def test_weights_that_are_not_finite_are_never_saved(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recipe, run = toy({"optimizer": "adam"}, run={"save_every": 1}), tmp_path / "run"
    train(recipe, out=run, device="cpu", steps=2)
    step = torch.optim.Adam.step

    def broken(self: torch.optim.Adam, *arguments: Any, **options: Any) -> Any:
        result = step(self, *arguments, **options)
        for group in self.param_groups:
            group["params"][0].data.fill_(float("nan"))
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", broken)
    train(recipe, out=run, device="cpu", steps=2, resume=True)
    state = torch.load(run / "last.pt", weights_only=True)
    assert state["step"] == 2
    assert all(bool(torch.isfinite(value).all()) for value in state["model"].values())
    assert "is not saved" in caplog.text


def test_a_rate_that_collapses_raises_an_alarm(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forward = TrainingStep.forward

    def silent(self: TrainingStep, *arguments: Any) -> Values:
        values = forward(self, *arguments)
        return values | {"bpp": values["bpp"] * 0}

    monkeypatch.setattr(TrainingStep, "forward", silent)
    train(toy({"steps": 1}), out=tmp_path / "run", device="cpu")
    assert steps_of(tmp_path / "run")[0]["alarm"] == "the rate has collapsed"
    assert "step 1: the rate has collapsed to 0.0000 bits per pixel" in caplog.text
