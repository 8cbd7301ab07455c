"""What is said of a picture that was encoded."""

from toy_codec import picture, toy

from regio import noted
from regio.images import read_picture


def test_a_file_that_grew_is_noted() -> None:
    source = read_picture(picture(64, 80))
    made = noted.encode(toy(), source, 10_000, {"quality": 40})
    size = len(made.data)
    assert made.data == toy().encode(source, quality=40)
    assert (made.notes, made.region, made.info.bytes_total) == ((), None, size)
    assert noted.encode(toy(), source, size, {"quality": 40}).notes == ()
    (note,) = noted.encode(toy(), source, size - 1, {"quality": 40}).notes
    assert note == f"the .rgo file is larger than the original: {size} bytes, not {size - 1}; try a lower quality"
