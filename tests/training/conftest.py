"""A toy run: a recipe of a few steps, and pictures to train it on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

PHASE: dict[str, Any] = {"steps": 8, "crop": 64, "batch": 2, "optimizer": "adam", "learning_rate": 1e-3, "warmup": 2}
RUN: dict[str, Any] = {
    "name": "toy",
    "model": "toy",
    "precision": "float32",
    "log_every": 1,
    "save_every": 100,
    "validate_every": 100,
}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Toy tensors are too small to share; on a busy machine threads make them slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of six small smooth pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    dice = np.random.default_rng(1)
    for number in range(6):
        coarse = dice.integers(0, 255, (7, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((96 + number, 80), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def toy(tmp_path: Path, pictures: Path) -> Callable[..., Path]:
    """A function: writes a recipe. Keywords of a phase replace PHASE's; run and data change the other tables."""

    def write(*phases: dict[str, Any], run: dict[str, Any] | None = None, data: dict[str, Any] | None = None) -> Path:
        lines = [f"{key} = {literal(value)}" for key, value in (RUN | (run or {})).items()]
        section = {"folders": [str(pictures)], "held_back": 1} | (data or {})
        lines += ["[data]", *(f"{key} = {literal(value)}" for key, value in section.items())]
        for phase in phases or ({},):
            lines += ["[[phase]]", *(f"{key} = {literal(value)}" for key, value in (PHASE | phase).items())]
        path = tmp_path / "toy.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


def literal(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {literal(v)}" for k, v in value.items()) + "}"
    return repr(value).replace("'", '"')
