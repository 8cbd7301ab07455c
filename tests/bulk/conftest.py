"""Folders of small pictures, and weights of a codec that codes them in milliseconds."""

from collections.abc import Callable
from pathlib import Path

import pytest
import toy_codec
from PIL import Image

from regio.weights import store


@pytest.fixture(scope="session")
def toy_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .safetensors file."""
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    store.save(toy_codec.toy_net(), path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Callable[[int], Path]:
    """A function that makes a folder of so many pictures, every second in a folder below."""

    def make(count: int) -> Path:
        folder = tmp_path / "photos"
        (folder / "sub").mkdir(parents=True)
        for k in range(count):
            pixels = toy_codec.picture(24 + k, 40, seed=k)
            Image.fromarray(pixels).save(folder / ("sub" if k % 2 else "") / f"{k}.png")
        return folder

    return make
