"""Fixtures that several folders of tests share."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import stand_in as stand_in_codec
from PIL import Image
from shared import SHARED, VARIABLE

import regio  # noqa: F401  # registers the Pillow plugin, as any program that uses Regio would


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the `shared` tier where REGIO_SHARED does not name its folder; a wrong folder is an error."""
    if VARIABLE in os.environ:
        if not (SHARED / "data").is_dir():
            raise pytest.UsageError(f"{VARIABLE}={SHARED}: no folder `data` in it")
        return
    for item in items:
        if "shared" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=f"{VARIABLE} is not set; see CONTRIBUTING.md"))


@pytest.fixture
def photo() -> Callable[..., Image.Image]:
    """A function that makes a smooth, lopsided picture: no flip or rotation maps it to itself."""

    def make(width: int = 24, height: int = 16, mode: str = "RGB") -> Image.Image:
        down, right = np.mgrid[0:height, 0:width]
        planes = [right * 255 // max(width - 1, 1), down * 255 // max(height - 1, 1), (2 * right + down) * 3 % 256]
        return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8)).convert(mode)

    return make


@pytest.fixture
def picture_file(tmp_path: Path, photo: Callable[..., Image.Image]) -> Callable[..., Path]:
    """A function that writes such a picture into the test's own folder."""

    def write(name: str = "photo.png", **size: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {"compress_level": 0} if path.suffix.lower() == ".png" else {}  # larger than what becomes of it
        photo(**size).save(path, **plain)
        return path

    return write


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The codec of stand_in.py in place of the real one; the module, for its record of calls."""
    for name, module in stand_in_codec.install().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(stand_in_codec, "LOADED", {})
    return stand_in_codec


@pytest.fixture
def toy_weights(tmp_path: Path) -> Path:
    """A folder with untrained SqueezeNet features and heads, under names whose hash is not prescribed."""
    import torch

    from regio.losses.perceptual import LAYERS
    from regio.losses.perceptual_weights import BACKBONES

    torch.manual_seed(0)
    torch.save(LAYERS["squeeze"]().state_dict(), tmp_path / "lpips_squeeze_backbone.pth")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(BACKBONES["squeeze"].channels)}
    torch.save(heads, tmp_path / "squeeze.pth")
    return tmp_path
