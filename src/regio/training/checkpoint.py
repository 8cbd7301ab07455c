"""A run folder: recipe, environment, log, saved states, sample pictures."""

import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from regio import durable
from regio.errors import RegioError, UsageError, one_line
from regio.training import states
from regio.training.recipe import Recipe
from regio.version import __version__

LOG, PICTURES = "log.jsonl", "pictures.json"
LAST, OPTIMIZERS, AVERAGE = "last.pt", "optimizers.pt", "ema.pt"
_ORDER = (OPTIMIZERS, AVERAGE, LAST)  # in which states take their names; last.pt says that all have


@dataclass(frozen=True)
class RunFolder:
    """The folder that a run writes to.

    recipe.toml as it was given and recipe.json with every default filled in; environment.json; pictures.json, the
    held-back pictures; log.jsonl; last.pt, the weights in training; optimizers.pt, which may be left out when a run is
    copied; ema.pt, the averaged weights; samples/<step>.png.

    A file here is whole or absent, also after a crash, a full disk or a power cut.
    """

    path: Path

    @property
    def started(self) -> bool:
        """True when there is a saved state to continue from."""
        return (self.path / LAST).exists()

    def check(self, *, resume: bool) -> None:
        """UsageError for a run that was not asked for. RegioError when states were saved here and last.pt is missing:
        the run can neither go on nor begin.
        """
        if self.started and not resume:
            raise UsageError(f"{self.path} already holds a run; --resume continues it, --output names another folder")
        if self.started:
            return
        others = [name for name in (AVERAGE, OPTIMIZERS) if self.has(name)]
        steps = [line["step"] for line in self.records()]
        if others or (steps and max(steps) >= self.recipe().save_every):
            raise RegioError(
                f"{self.path}: {LAST} is missing, so this run cannot continue; put it back, or name another folder "
                "with --output"
            )

    def open(self, recipe: Recipe, source: str, where: dict[str, Any], resumed_at: int) -> None:
        """Create the folder and write what runs where. Log lines after the step the run continues from are removed."""
        durable.make_folders(self.path)
        self._write("recipe.toml", source)
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
        """Remove the log lines after `step`, from which the run continues."""
        kept = "".join(json.dumps(line) + "\n" for line in self.records() if line["step"] <= step)
        path = self.path / LOG
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != kept:
            self._write(LOG, kept)

    def recipe(self) -> Recipe:
        """Return the recipe of the run, with every default as it was then."""
        try:
            values = json.loads((self.path / "recipe.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RegioError(f"{self.path}: not the folder of a run (recipe.json cannot be read)") from error
        if not isinstance(values, dict):
            raise RegioError(f"{self.path}: not the folder of a run (recipe.json is not a table)")
        return Recipe.from_dict(values)

    def environment(self) -> dict[str, Any]:
        """Return where the run was last started; empty when that is not known."""
        return self._read_json("environment.json") or {}

    def held_back(self) -> dict[str, Any] | None:
        """Return what `note_pictures` wrote, or None for runs before it was written."""
        return self._read_json(PICTURES)

    def note_pictures(self, values: dict[str, Any]) -> None:
        """Write which pictures are held back, so that they stay the same when the run continues."""
        self._write_json(PICTURES, values)

    def log(self, line: Mapping[str, Any]) -> None:
        """Append one JSON line; on a full disk nothing of it stays."""
        with (self.path / LOG).open("ab") as file:
            before = file.tell()
            try:
                file.write((json.dumps(line) + "\n").encode())
                file.flush()
            except OSError:
                with suppress(OSError):
                    os.truncate(self.path / LOG, before)
                raise

    def records(self) -> list[dict[str, Any]]:
        """Return all lines of the log, without a last line that a crash cut short. RegioError names a damaged line."""
        path = self.path / LOG
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        found = []
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RegioError(f"{path}, line {number} is damaged; remove the line") from error
            if not isinstance(record, dict) or not isinstance(record.get("step"), int):
                raise RegioError(f"{path}, line {number} is damaged; remove the line")
            found.append(record)
        return found

    def save(self, saved: dict[str, dict[str, Any]]) -> None:
        """Write states by file name. All are on the disk before the first takes its name, so they belong together.

        RegioError when they cannot be written; the states saved before are still there then.
        """
        names = [name for name in _ORDER if name in saved] + [name for name in saved if name not in _ORDER]
        try:
            for name in names:
                durable.write_part(self._part(name), states.pack(saved[name]), durable.mode_of(self.path / name))
        except OSError as error:
            for name in names:
                with suppress(OSError):
                    self._part(name).unlink()
            before = "the one saved before is intact, and --resume continues from it"
            raise RegioError(
                f"{self.path}: the state could not be saved ({one_line(error)}); "
                f"{before if self.started else 'none was saved before, so free some space and start again'}"
            ) from error
        self._rename(names)

    def load(self, name: str, device: torch.device | str = "cpu") -> dict[str, Any]:
        """Read what `save` wrote: tensors and plain data only. RegioError when it is missing or any bit has changed."""
        try:
            return states.unpack((self.path / name).read_bytes(), device)
        except FileNotFoundError as error:
            raise RegioError(f"{self.path}: there is no {name}") from error
        except ValueError as error:
            raise RegioError(f"{self.path / name} is damaged: {error}") from error

    def has(self, name: str) -> bool:
        """True when this state was saved."""
        return (self.path / name).exists()

    def settle(self) -> None:
        """Finish a save that ended while states took their names; drop one that ended before.

        Names are taken in order, optimizers.pt first. When only later parts are left, the save had begun to rename.
        """
        left = [name for name in _ORDER if self._part(name).exists()]
        if left and left[0] != _ORDER[0]:
            self._rename(left)
        else:
            for name in left:
                self._part(name).unlink()

    def _rename(self, names: list[str]) -> None:
        for name in names:
            self._part(name).replace(self.path / name)
        durable.sync_folder(self.path)

    def _part(self, name: str) -> Path:
        return self.path / f"{name}.part"

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            values = json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise RegioError(f"{self.path / name} is damaged; remove it") from error
        if not isinstance(values, dict):
            raise RegioError(f"{self.path / name} is damaged; remove it")
        return values

    def _write(self, name: str, text: str) -> None:
        durable.write_whole(self.path / name, text.encode())

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        self._write(name, json.dumps(values, indent=1) + "\n")
