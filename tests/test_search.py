"""Which rate step a target leads to, and how many files it takes to find it."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regio.codec.search import first_step, largest_within, nearest_size
from regio.errors import UsageError
from regio.format.header import MAX_RATE

CURVES: dict[str, Callable[[int], float]] = {
    "a line": lambda step: step,
    "flat, then steep": lambda step: max(0.0, step - 3900) ** 2,
    "steep, then flat": lambda step: math.sqrt(step),
    "stairs": lambda step: step // 700,
    "the size of a file, in logarithms": lambda step: math.log(300 + 20 * math.exp(step / 900) + step % 3),
}


@pytest.mark.parametrize("name", CURVES)
@given(share=st.floats(0, 1))
def test_it_is_where_the_value_is_first_reached(name: str, share: float) -> None:
    value = CURVES[name]
    wanted = value(0) + share * (value(MAX_RATE) - value(0))
    step = first_step(value, wanted, 0, MAX_RATE)
    assert value(step) >= wanted or step == MAX_RATE
    assert step == 0 or value(step - 1) < wanted


@pytest.mark.parametrize("name", CURVES)
def test_it_never_takes_many_more_tries_than_halving_and_few_on_smooth_curves(name: str) -> None:
    tries = []
    value = CURVES[name]
    for k in range(1, 40):
        seen = []

        def counted(step: int, seen: list[int] = seen) -> float:
            seen.append(step)
            return value(step)

        first_step(counted, value(0) + k / 40 * (value(MAX_RATE) - value(0)), 0, MAX_RATE)
        tries.append(len(seen))
    assert max(tries) <= 26  # 12 halvings, as many steps between them, and the ends
    if name.startswith(("a line", "the size")):
        assert sum(tries) / len(tries) <= 10


def test_beyond_the_highest_value_it_is_the_highest_step() -> None:
    assert first_step(lambda step: step, MAX_RATE + 1, 0, MAX_RATE) == MAX_RATE
    assert first_step(lambda step: step, -1, 0, MAX_RATE) == 0


def test_steps_may_begin_below_zero() -> None:
    assert first_step(lambda step: step, -300.5, -800, MAX_RATE) == -300
    assert first_step(lambda step: step, -900, -800, MAX_RATE) == -800


def test_messages_name_the_chosen_scale_and_what_takes_the_bytes() -> None:
    job = Sized()
    job.where, job.opacity, job.metadata = " at scale 1/2", 300, 40
    least = job.bytes_at(job.steps[0])
    parts = (
        ", 300 bytes of them for opacity, which is stored without loss, of which 40 are metadata; strip (--strip) "
        f"leaves them out, and it takes {least - 40}"
    )
    with pytest.raises(UsageError) as few:
        largest_within(job, 5)
    assert str(few.value) == f"5 bytes are too few at scale 1/2: the smallest file of this picture takes {least}{parts}"
    (note,) = nearest_size(job, 5).notes
    assert note.startswith("0.04 bpp is out of reach at scale 1/2: the smallest file")
    assert note.endswith(parts)
    (note,) = nearest_size(job, 10**9).notes
    assert "more than the best quality takes at scale 1/2: " in note


class Sized:
    """A picture whose files have the sizes of a curve; says which were made."""

    pixels, steps = 1000, (-800, MAX_RATE)
    metadata, opacity = 0, 0
    where = ""

    def __init__(self) -> None:
        self.made: list[int] = []

    def bytes_at(self, step: int) -> int:
        self.made.append(step)
        return 10_000 + 3 * step

    def at(self, step: int) -> bytes:
        return str(step).encode()

    def psnr(self, step: int) -> float:
        raise AssertionError("nobody asked")


@pytest.mark.parametrize("between", [None, (0, 1000), (500, 501), (700, 5000), (-5000, 2), (900, 1000)])
def test_a_guess_saves_tries_and_changes_nothing(between: tuple[int, int] | None) -> None:
    job = Sized()
    assert largest_within(job, 10_000 + 3 * 500 + 1, between).data == b"500"
    if between == (0, 1000):
        assert min(job.made) >= 0
        assert max(job.made) <= 1000


def test_a_limit_that_metadata_breaks_says_so() -> None:
    job = Sized()
    with pytest.raises(UsageError, match=r"takes 7600$"):
        largest_within(job, 7000)
    job.metadata = 3151
    with pytest.raises(UsageError, match=r"takes 7600, of which 3151 are metadata; strip .--strip. leaves .* 4449$"):
        largest_within(job, 7000)
    assert "3151 are metadata" in nearest_size(job, 7000).notes[0]
