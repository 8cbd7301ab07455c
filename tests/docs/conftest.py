"""What the pages take for granted: a folder with the pictures that their commands name, and one loaded codec."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

import regio

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
SIZE = 176, 206  # small, but faces are found and the boxes of the pages lie inside


@pytest.fixture(scope="module")
def one_load() -> Iterator[None]:
    """Weights are loaded once for all pages: what names a bundled codec shares it."""
    from regio.codec import api

    original, loaded = api.load, {}

    def load(name: Any = "roi-xs", *more: str, **named: str) -> Any:
        if str(name).endswith(".safetensors"):
            return original(name, *more, **named)
        asked = name, more, tuple(named.items())
        if asked not in loaded:
            loaded[asked] = original(name, *more, **named)
        return loaded[asked]

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("regio.codec.load", load)
        patch.setattr("regio.codec.api.load", load)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def belongings(one_load: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a reader, made once."""
    folder = tmp_path_factory.mktemp("reader")
    portrait = Image.open(PORTRAIT)
    photo = portrait.resize(SIZE, Image.Resampling.LANCZOS)
    for name in ("photo.jpg", "portrait.jpg", "photo.png", "kodim15.png"):
        photo.save(folder / name)
    photo.crop((20, 20, 84, 68)).save(folder / "a.png")
    for name in ("holiday/beach.jpg", "holiday/hills/sunset.png", "kodak/kodim01.png", "photos/one.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        left = 10 * len(name) % 32
        photo.crop((left, left, left + 96, left + 64)).save(folder / name)
    scan(folder / "scan.png")
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse((40, 35, 90, 95), fill=255)
    mask.save(folder / "mask.png")
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[30:90, 40:80] = 3
    Image.fromarray(labels).save(folder / "map.png")
    data = regio.load().encode(folder / "photo.jpg")
    for name in ("photo.rgo", "a.rgo", "archive/one.rgo", "small/one.rgo"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    wide = photo.resize((924, 720))
    (folder / "huge.rgo").write_bytes(regio.load().encode(wide, quality=20))
    shutil.copytree(Path(__file__).parents[2] / "recipes", folder / "recipes")
    return folder


def scan(path: Path) -> None:
    """A page with lines of text on it."""
    page = Image.new("RGB", (320, 240), "white")
    for row, text in enumerate(("A region of interest", "gets a larger share", "of the bytes.")):
        ImageDraw.Draw(page).text((40, 60 + 30 * row), text, fill="black", font=ImageFont.load_default(22))
    page.save(path)


@pytest.fixture
def reader(belongings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """A function: a fresh copy of these files as the working folder."""

    def start() -> Path:
        folder = tmp_path / "here"
        shutil.copytree(belongings, folder)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("HOME", str(folder))
        (folder / ".config/fish/completions").mkdir(parents=True)
        return folder

    return start
