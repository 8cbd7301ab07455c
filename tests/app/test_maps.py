"""Maps: bright where it is dear, dark where it does not matter, and never larger than one looks at."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from regio.app.maps import HEAT, averaged, bits_map, coloured, region_map, smaller
from regio.images import Picture, read_picture
from regio.regions import Importance

Photo = Callable[..., Image.Image]


@pytest.fixture
def grey() -> Picture:
    return read_picture(np.full((50, 70, 3), 100, np.uint8))


def test_colours_grow_brighter_from_end_to_end() -> None:
    light = coloured(np.linspace(0, 1, 200)[None]).astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light[0]) > -1).all()  # rounding
    assert (np.diff(HEAT @ (0.2126, 0.7152, 0.0722)) > 5).all()


def test_bits_lie_over_their_places(grey: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    bits = np.zeros((4, 6))  # places of 16 pixels, of which those beyond 50 x 70 are padding
    bits[1, 2] = 40.0
    monkeypatch.setattr("regio.evaluation.bit_share.bit_map", lambda codec, data: bits)
    found = bits_map(SimpleNamespace(net=SimpleNamespace(stride=16)), b"", grey)  # type: ignore[arg-type]
    assert found is not None
    assert (found.most, found.side) == (10.0, 16)  # a quarter stays in the middle
    assert found.image.size == (70, 50)
    light = np.asarray(found.image).astype(int).sum(2)
    brightest = np.argwhere(light == light.max())
    assert ((brightest >= (16, 32)) & (brightest < (32, 48))).all()
    assert light[:, :8].max() < light.max() / 2


def test_a_pattern_of_every_other_place_is_averaged_away() -> None:
    chequered = np.indices((7, 8)).sum(0) % 2 * 10.0 + 3
    assert averaged(chequered)[1:-1, 1:-1] == pytest.approx(8)
    assert averaged(np.full((1, 3), 5.0)) == pytest.approx(5)


def test_models_without_places_have_no_map(grey: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regio.evaluation.bit_share.bit_map", lambda codec, data: None)
    assert bits_map(SimpleNamespace(), b"", grey) is None  # type: ignore[arg-type]


def test_the_region_is_as_bright_as_the_picture_and_the_rest_is_dim(grey: Picture) -> None:
    values = np.zeros((50, 70), np.uint8)
    values[:25] = 255
    found = region_map(Importance(values, "a mask"), grey)
    assert found is not None
    pixels = np.asarray(found)
    assert (pixels[:25] == 100).all()
    assert (pixels[25:] == 25).all()
    assert region_map(None, grey) is None


def test_maps_are_small_and_keep_their_shape() -> None:
    assert smaller(4096, 2048) == (1024, 512)
    assert smaller(300, 200) == (300, 200)
    assert smaller(100_000, 1) == (1024, 1)


@pytest.mark.weights
def test_the_bits_of_a_real_file_go_where_the_detail_is() -> None:
    import regio

    rng = np.random.default_rng(0)
    pixels = np.full((128, 256, 3), 128, np.uint8)
    pixels[:, 128:] = rng.integers(60, 200, (128, 128, 3))
    codec = regio.load()
    found = bits_map(codec, codec.encode(pixels, quality=50), read_picture(pixels))
    assert found is not None
    light = np.asarray(found.image.convert("L")).astype(float)
    assert light[:, 128:].mean() > light[:, :128].mean() + 20
