"""Other codecs at equal bytes: a large picture is encoded a few times only."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from regio.app import rivals
from regio.app.rivals import ATTEMPTS, ENOUGH, TILE, largest_within, sample
from regio.evaluation.contestants.opponents import OPPONENTS, Opponent
from regio.images import Pixels

WIDTH, HEIGHT = 1200, 800


def quiet(share: float, what: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures as large as the one here count as large."""
    monkeypatch.setattr(rivals, "LARGE", WIDTH * HEIGHT - 1)


@pytest.fixture(scope="module")
def uneven() -> Pixels:
    """(800,1200,3): a plain half, and one whose texture grows to the right, so that no part is like the whole."""
    rng = np.random.default_rng(5)
    texture = rng.normal(0, 1, (HEIGHT // 4, WIDTH // 4, 3)).repeat(4, axis=0).repeat(4, axis=1)
    texture += rng.normal(0, 0.3, texture.shape)
    amount = np.linspace(-20, 60, WIDTH).clip(0)[None, :, None]
    return np.clip(128 + amount * texture, 0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Counted(Opponent):
    """An opponent that notes the pixels of what it encodes."""

    pixels: list[int] = field(default_factory=list)

    def encode(self, pixels: Pixels, setting: float) -> bytes:
        self.pixels.append(pixels.shape[0] * pixels.shape[1])
        return super().encode(pixels, setting)


def counted(name: str) -> Counted:
    one = OPPONENTS[name]
    assert isinstance(one, Opponent)
    return Counted(**{key: value for key, value in vars(one).items() if key != "weights"})


@pytest.mark.parametrize("rate", [0.3, 1.0])
@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_a_large_picture_is_encoded_a_few_times_and_fills_its_bytes(uneven: Pixels, name: str, rate: float) -> None:
    opponent = counted(name)
    budget = int(rate * WIDTH * HEIGHT / 8)
    made = largest_within(opponent, uneven, budget, quiet)
    assert made.fits
    assert 0.9 * budget < len(made.data) <= budget
    assert made.data == OPPONENTS[name].encode(uneven, made.setting)
    whole = opponent.pixels.count(WIDTH * HEIGHT)
    assert whole <= ATTEMPTS
    if len(made.data) < ENOUGH * budget:  # then it was shown that the next setting does not fit, or given up
        assert whole >= 2


def test_a_large_picture_that_cannot_be_so_small_gets_the_smallest_file(uneven: Pixels) -> None:
    opponent = counted("jpeg")
    made = largest_within(opponent, uneven, 100, quiet)
    assert not made.fits
    assert made.setting == opponent.ladder[0]
    assert made.data == OPPONENTS["jpeg"].encode(uneven, opponent.ladder[0])


def test_a_budget_for_more_than_the_largest_file_gets_it_at_once(uneven: Pixels) -> None:
    opponent = counted("jpeg")
    assert largest_within(opponent, uneven, 10**8, quiet).setting == opponent.ladder[-1]
    assert opponent.pixels.count(WIDTH * HEIGHT) == 1


@pytest.mark.parametrize(("height", "width"), [(4000, 6000), (6000, 4000), (20, 90_000), (2100, 1000), (300, 300)])
def test_the_sample_of_a_picture_of_any_shape_is_small_and_from_all_of_it(height: int, width: int) -> None:
    places = np.arange(height, dtype=np.uint32)[:, None] * np.uint32(width) + np.arange(width, dtype=np.uint32)
    found = sample(places[..., None])
    assert found.shape[0] * found.shape[1] <= 30 * TILE**2
    for sides, span in ((found // width, height), (found % width, width)):
        assert sides.min() == 0 or span < TILE
        assert sides.max() == span - 1 or span < 2 * TILE
