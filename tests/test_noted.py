"""What is said of a picture that was encoded."""

import numpy as np
from toy_codec import picture, toy

from regio import noted
from regio.images import lossless_size, read_picture


def test_a_file_that_grew_or_that_another_kind_serves_better_is_noted() -> None:
    source = read_picture(picture(64, 80))
    made = noted.encode(toy(), source, 10_000, {"quality": 40})
    size = len(made.data)
    assert made.data == toy().encode(source, quality=40)
    assert (made.notes, made.region, made.info.bytes_total) == ((), None, size)
    assert noted.encode(toy(), source, size, {"quality": 40}).notes == ()
    (note,) = noted.encode(toy(), source, size - 1, {"quality": 40}).notes
    assert note == f"the .rgo file is larger than the original: {size} bytes, not {size - 1}; try a lower quality"


def test_a_smaller_lossless_file_is_noted_where_it_is_looked_for() -> None:
    stripes = np.full((640, 640, 3), 255, np.uint8)
    stripes[::8] = 0
    source = read_picture(stripes)
    lossless = lossless_size(source)
    (note,) = noted.encode(toy(), source, 10**9, {}, compare=True).notes
    assert f"a lossless WebP file of this picture takes {lossless} bytes, this .rgo file " in note
    assert noted.encode(toy(), source, 10**9, {}).notes == ()
