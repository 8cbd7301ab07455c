"""A run folder: recipe, environment, log, the last state, the averaged weights, sample pictures."""

import json
import pickle
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from regio.errors import RegioError
from regio.training.recipe import Recipe
from regio.version import __version__

LOG = "log.jsonl"
LAST, OPTIMIZERS, AVERAGE = "last.pt", "optimizers.pt", "ema.pt"


@dataclass(frozen=True)
class RunFolder:
    """What a run leaves behind; it explains itself.

    recipe.toml as it was given and recipe.json with every default filled in; environment.json; log.jsonl; last.pt, the
    weights in training; optimizers.pt, which may be left out when a run travels; ema.pt, the averaged weights;
    samples/<step>.png.
    """

    path: Path

    @property
    def started(self) -> bool:
        """Whether there is a run to go on with."""
        return (self.path / LAST).exists()

    def open(self, recipe: Recipe, source: str, where: dict[str, Any], resumed_at: int) -> None:
        """Make the folder and write down what runs where. A log beyond the step a run goes on from is cut off."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "recipe.toml").write_text(source, encoding="utf-8")
        self._write_json("recipe.json", recipe.as_dict())
        environment = {
            "regio": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            **where,
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        self._write_json("environment.json", environment)
        self.cut_log(resumed_at)

    def cut_log(self, step: int) -> None:
        """Leave out what was logged after `step`: the run goes on from there."""
        kept = [line for line in self.records() if line["step"] <= step]
        (self.path / LOG).write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def recipe(self) -> Recipe:
        """The recipe of the run, every default as it was then."""
        try:
            values = json.loads((self.path / "recipe.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RegioError(f"{self.path}: not the folder of a run (recipe.json cannot be read)") from error
        return Recipe.from_dict(values)

    def environment(self) -> dict[str, Any]:
        """Where the run was last started; empty where that is not known."""
        path = self.path / "environment.json"
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return values

    def log(self, line: Mapping[str, Any]) -> None:
        """Append one JSON line."""
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """All lines of the log; the last one may have been cut short by a crash and is left out then."""
        path = self.path / LOG
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def save(self, states: dict[str, dict[str, Any]]) -> None:
        """Write states by file name, all of them before any takes its name, so that they belong together."""
        for name, state in states.items():
            torch.save(state, self._part(name))
        for name in states:
            self._part(name).replace(self.path / name)

    def load(self, name: str, device: torch.device | str = "cpu") -> dict[str, Any]:
        """What `save` wrote; tensors and plain data only. RegioError when it is missing or damaged."""
        try:
            state: dict[str, Any] = torch.load(self.path / name, map_location=device, weights_only=True)
        except FileNotFoundError as error:
            raise RegioError(f"{self.path}: there is no {name}") from error
        except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
            raise RegioError(f"{self.path / name} is damaged: {str(error).splitlines()[0]}") from error
        return state

    def has(self, name: str) -> bool:
        """Whether `save` ever wrote it."""
        return (self.path / name).exists()

    def _part(self, name: str) -> Path:
        return self.path / f"{name}.part"

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        (self.path / name).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
