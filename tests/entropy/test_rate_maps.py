"""Rate maps: any comes back, common ones take few bytes, and the specification reads them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from toy_codec import code_of_page

from regio.entropy.rate_maps import Decision, Levels, read_levels, write_levels
from regio.errors import CorruptFile
from regio.regions import importance, pool


def of_box(count: int) -> Levels:
    pixels = np.zeros((768, 512, 3), np.uint8)
    shares = pool(importance((110, 165, 300, 410), pixels).values, 32, (24, 16))
    return np.round(shares * (count - 1)).astype(np.int32)


@settings(deadline=None)
@given(count=st.integers(2, 16), data=st.data())
def test_every_map_comes_back(count: int, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    levels = data.draw(arrays.arrays(np.int32, shape, elements=st.integers(0, count - 1)))
    before = levels.copy()
    assert np.array_equal(read_levels(write_levels(levels, count), count, shape), levels)
    assert np.array_equal(levels, before)


@pytest.mark.parametrize(("count", "most"), [(4, 10), (8, 16), (16, 22)])
def test_a_face_on_a_picture_takes_a_few_bytes(count: int, most: int) -> None:
    levels = of_box(count)
    assert levels.max() == count - 1
    assert len(write_levels(levels, count)) <= most


def test_bytes_are_those_of_the_first_release() -> None:
    assert write_levels(of_box(4), 4).hex() == "7f4cd8573bc7e0b5a9a7"
    assert write_levels(np.zeros((3, 5), np.int32), 2) == b"\x80"


@pytest.mark.parametrize("count", [2, 4, 16])
def test_the_code_of_the_specification_reads_maps(count: int) -> None:
    reader = code_of_page()["MapDecoder"]
    generator = np.random.default_rng(count)
    noise = generator.integers(0, count, (7, 5)).astype(np.int32)
    for levels in (of_box(count), noise, np.full((6, 1), count - 1, np.int32)):
        assert reader(write_levels(levels, count)).map(*levels.shape, count - 1) == levels.tolist()


@given(data=st.binary(max_size=40), count=st.integers(2, 16))
def test_any_bytes_are_a_map_or_damaged(data: bytes, count: int) -> None:
    try:
        levels = read_levels(data, count, (6, 5))
    except CorruptFile:
        return
    assert levels.min() >= 0
    assert levels.max() < count


def test_counts_stay_bounded_and_probabilities_possible() -> None:
    decision = Decision()
    for _ in range(5000):
        decision.learn(1)
        assert 0 < decision.ones < 1 << 24
        assert decision.no + decision.yes <= 255
