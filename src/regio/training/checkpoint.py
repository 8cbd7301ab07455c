"""A run folder: recipe, environment, log, the last state, and the best averaged weights."""

import json
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from regio.training.recipe import Recipe


@dataclass
class RunFolder:
    """`runs/<name>/{recipe.json, environment.json, log.jsonl, last.pt, ema.pt}`; explains itself."""

    path: Path
    _log: list[str] = field(default_factory=list)

    def open(self, recipe: Recipe) -> None:
        """Make the folder and write down what runs where."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._write_json("recipe.json", recipe.as_dict())
        environment = {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        self._write_json("environment.json", environment)

    def log(self, line: dict[str, Any]) -> None:
        """Append one JSON line."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def cut_log(self, step: int) -> None:
        """Drop what was logged after `step`, when a run goes on from there."""
        path = self.path / "log.jsonl"
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] <= step]
            path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Write `state` whole or not at all."""
        partial = self.path / f"{name}.part"
        torch.save(state, partial)
        os.replace(partial, self.path / name)

    def load(self, name: str, device: torch.device | str = "cpu") -> dict[str, Any]:
        """What `save` wrote; tensors and plain data only."""
        state: dict[str, Any] = torch.load(self.path / name, map_location=device, weights_only=True)
        return state

    def has(self, name: str) -> bool:
        """Whether `save` ever wrote it."""
        return (self.path / name).exists()

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        (self.path / name).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
