"""The public names, and that they load what they need when they are used and not before."""

import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import regio

Photo = Callable[..., Image.Image]


def test_encode_uses_the_default_codec_unless_one_is_named(stand_in: ModuleType, photo: Photo) -> None:
    data = regio.encode(photo(), quality=30)
    assert regio.inspect(data).quality == 30
    regio.encode(photo(), codec="other", target_bpp=0.5, strip=True, grid=3)
    assert {name: codec.calls for name, codec in stand_in.LOADED.items()} == {
        stand_in.DEFAULT: [{"quality": 30}],
        "other": [{"target_bpp": 0.5, "strip": True, "grid": 3}],
    }


def test_the_six_lines_of_the_readme_work(stand_in: ModuleType, photo: Photo) -> None:
    codec = regio.load("segpic-xs")
    data = codec.encode(photo(), quality=60)
    np.testing.assert_array_equal(np.asarray(regio.decode(data)), np.asarray(photo()))
    assert regio.inspect(data).width == 24
    regio.verify(data)


def test_public_names_are_listed_and_others_are_not_there() -> None:
    for name in ("", ".bulk", ".codec", ".entropy", ".interop", ".light", ".models", ".regions"):
        module = import_module(f"regio{name}")
        assert dir(module) == sorted(module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = regio.nonsense
    assert issubclass(regio.errors.CorruptFile, regio.errors.RegioError)
    assert {name for name in regio.__all__ if name in dir(regio.errors)} == {
        *("RegioError", "UsageError", "CorruptFile", "UnsupportedFile", "MissingWeights", "BadImage", "LimitExceeded"),
        "TargetMissed",
    }
    assert regio.CorruptFile is regio.errors.CorruptFile
    assert regio.__version__.count(".") == 2


def test_importing_takes_less_than_three_tenths_of_a_second() -> None:
    def seconds(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    # the best of several, less what Python takes to start: the machine may be busy with something else
    assert min(seconds("import regio") for _ in range(5)) - min(seconds("pass") for _ in range(5)) < 0.3
