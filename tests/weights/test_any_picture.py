"""Pictures that no photograph resembles: files stay below the raw picture; a higher quality is not worse."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

import regio
from regio.codec import Codec
from regio.evaluation.metrics import psnr
from regio.models.catalog import DEFAULT

pytestmark = pytest.mark.weights
Pixels = NDArray[np.uint8]
QUALITIES = (0, 25, 50, 75, 100)
PAIRS = {
    "black and white": ((0, 0, 0), (255, 255, 255)),
    "magenta and green": ((255, 0, 255), (0, 255, 0)),
    "red and blue": ((255, 0, 0), (0, 0, 255)),
    "cyan and red": ((0, 255, 255), (255, 0, 0)),
    "yellow and blue": ((255, 255, 0), (0, 0, 255)),
}
SOME = ("black and white", "magenta and green")  # for every run; the others are slow
LOSS = 0.3  # dB that a higher quality may lose
ENOUGH = 39.0  # dB: above it, a grey level or two decide


def flat(steps: int) -> Iterator[tuple[str, Pixels]]:
    """Areas of one colour, from the grid of the colour cube."""
    for colour in itertools.product(np.linspace(0, 255, steps).round().astype(np.uint8), repeat=3):
        yield f"flat {tuple(map(int, colour))}", np.full((64, 64, 3), colour, np.uint8)


def patterns(pair: str, steps: tuple[int, ...]) -> Iterator[tuple[str, Pixels]]:
    """Checkers and stripes of two colours."""
    one, other = (np.array(colour, np.uint8) for colour in PAIRS[pair])
    down, across = np.mgrid[:96, :96]
    for step in steps:
        shapes = {"checker": down // step + across // step, "across": down // step, "down": across // step}
        for shape, drawn in shapes.items():
            yield f"{shape} {step} {pair}", np.where((drawn % 2 == 0)[..., None], one, other)


def others() -> Iterator[tuple[str, Pixels]]:
    """Noise of three kinds, clipped ramps, and a banner over noise."""
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    yield "noise", noise
    yield "black and white noise", (chance.integers(0, 2, (96, 96, 1), dtype=np.uint8) * 255).repeat(3, 2)
    yield "noise of pure colours", chance.integers(0, 2, (96, 96, 3), dtype=np.uint8) * 255
    across = np.arange(96) - 48.0
    for slope in (1, 3, 8):
        ramp = (across * slope + 128).clip(0, 255).astype(np.uint8)[None].repeat(96, 0)
        yield f"ramp {slope}", np.stack([ramp, ramp.T, 255 - ramp], -1)
    banner = noise // 4 + 64
    banner[30:70] = (255, 0, 255)
    yield "banner over noise", banner


def faults(codec: Codec, pictures: Iterator[tuple[str, Pixels]]) -> list[str]:
    """What breaks the promise, with the figures. Every file is verified on the way."""
    found = []
    for name, pixels in pictures:
        best, shown = 0.0, []
        for quality in QUALITIES:
            data = codec.encode_noted(pixels, quality=quality).data
            codec.verify(data)
            now = min(psnr(pixels, np.asarray(codec.decode(data))), ENOUGH)
            shown.append(f"{len(data)} B {now:.1f} dB")
            if len(data) > 1.01 * pixels.nbytes or now < best - LOSS:
                found.append(f"{name}: {', '.join(shown)}")
                break
            best = max(best, now)
    return found


@pytest.fixture(scope="module")
def codec() -> Codec:
    return regio.load(DEFAULT, device="cpu")


def test_flat_colours_hold(codec: Codec) -> None:
    assert not faults(codec, flat(3))


@pytest.mark.parametrize("pair", SOME)
def test_patterns_of_two_colours_hold(codec: Codec, pair: str) -> None:
    assert not faults(codec, patterns(pair, (1, 8)))


def test_noise_ramps_and_banners_hold(codec: Codec) -> None:
    assert not faults(codec, others())


@pytest.mark.parametrize("name", ["roi-xs", "segpic-xs", "mcm-tiny"])
def test_flat_and_patterned_pictures_are_exact_by_every_codec(name: str) -> None:
    magenta = np.full((256, 256, 3), (255, 0, 255), np.uint8)
    for pixels in (magenta, *(pixels for _, pixels in patterns("magenta and green", (1, 8)))):
        data = regio.encode(pixels, codec=name, device="cpu", quality=75)
        assert len(data) < 120
        assert np.array_equal(regio.decode(data, as_="numpy"), pixels)


@pytest.mark.slow
def test_the_whole_colour_cube_holds(codec: Codec) -> None:
    assert not faults(codec, flat(5))


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
def test_patterns_of_every_width_hold(codec: Codec, pair: str) -> None:
    assert not faults(codec, patterns(pair, (1, 2, 3, 5, 8, 16)))
