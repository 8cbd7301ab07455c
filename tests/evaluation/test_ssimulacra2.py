"""SSIMULACRA 2: orders pictures by how much of them is left, and says where it cannot."""

import math
from importlib import metadata

import numpy as np
import pytest
from PIL import Image, ImageFilter
from toy_codec import picture

from regio.errors import MissingWeights
from regio.evaluation.judges.ssimulacra2 import Ssimulacra2
from regio.evaluation.judging import Judges


def blurred(pixels: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def test_the_less_is_left_the_lower() -> None:
    judge, pixels = Ssimulacra2(), picture(96, 128)
    scores = [judge.score(pixels, version) for version in (pixels, blurred(pixels, 0.5), blurred(pixels, 2))]
    assert scores[0] == pytest.approx(100, abs=1e-6)
    assert scores[0] > scores[1] > scores[2]


def test_it_is_one_of_the_judges() -> None:
    judges, pixels = Judges(others=(Ssimulacra2(),)), picture(64, 64)
    assert judges.names("x") == (f"SSIMULACRA 2, ssimulacra2 {metadata.version('ssimulacra2')}",)
    assert judges.look_at("x", pixels).figures(pixels)["ssimulacra2"] == pytest.approx(100, abs=1e-6)
    assert "ssimulacra2" not in Judges().look_at("x", pixels).figures(pixels)
    assert math.isnan(Ssimulacra2().score(pixels[:7], pixels[:7]))
    with pytest.raises(ValueError, match="reference"):
        Ssimulacra2().score(pixels, pixels[:32])


def test_without_its_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("regio.evaluation.judges.ssimulacra2.version", absent)
    with pytest.raises(MissingWeights, match="pip install ssimulacra2"):
        Ssimulacra2()
