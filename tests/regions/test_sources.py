"""What may be said to be a region of interest."""

import numpy as np
import pytest

from regio.errors import UsageError
from regio.regions import importance


@pytest.mark.parametrize("roi", [(1, 2, 3), [1, 2, 3], (1, 2, 3, 4, 5), (7,)])
def test_numbers_that_are_no_box_are_named_as_such(roi: object) -> None:
    with pytest.raises(UsageError, match="must be four whole numbers x, y, width, height"):
        importance(roi, np.zeros((16, 16, 3), np.uint8))


def test_a_box_may_be_a_list_and_a_list_may_hold_boxes() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    box = importance((2, 3, 4, 5), pixels).values
    assert np.array_equal(importance([2, 3, 4, 5], pixels).values, box)
    assert np.array_equal(importance([(2, 3, 4, 5), (2, 3, 1, 1)], pixels).values, box)


def test_a_box_where_a_name_is_wanted_is_told_its_option() -> None:
    with pytest.raises(UsageError, match="boxes are given by --roi-box"):
        importance("80,40,160,160", np.zeros((16, 16, 3), np.uint8))
