"""The labelled comparison picture."""

from __future__ import annotations

import numpy as np

from regio.evaluation.side_by_side import FRAME, GAP, Panel, Window, busiest_window, side_by_side


def test_the_crop_is_where_the_versions_differ() -> None:
    reference = np.zeros((100, 200, 3), np.uint8)
    version = reference.copy()
    version[50:70, 120:140] = 200
    window = busiest_window(reference, [version])
    assert (window.width, window.height) == (28, 28)
    assert window.cut(version).mean() > 0.4 * 200
    assert busiest_window(reference[:1, :1], [version[:1, :1]]) == Window(0, 0, 1, 1)


def test_panels_stand_in_columns_with_whole_picture_and_enlarged_crop() -> None:
    black, blue = np.zeros((60, 90, 3), np.uint8), np.zeros((60, 90, 3), np.uint8)
    blue[..., 2] = 255
    sheet = np.asarray(
        side_by_side([Panel("one", ("first", "line"), black), Panel("two", (), blue)], [Window(5, 5, 10, 5)], width=180)
    )
    label = (15 + 8) * 3
    assert sheet.shape == (GAP + label + 120 + GAP + 90 + GAP, GAP + 2 * (180 + GAP), 3)
    second = GAP + 180 + GAP
    assert (sheet[GAP + label : GAP + label + 120, second : second + 180] == (0, 0, 255)).all()
    assert (sheet[GAP + label + 120 + GAP :, second : second + 180][:90] == (0, 0, 255)).all()
    assert tuple(sheet[GAP + label + 10, GAP + 10]) == FRAME  # the window is framed in the first panel,
    assert not (sheet[:, second:] == FRAME).all(-1).any()  # and only there
    assert (sheet[GAP : GAP + label, GAP : GAP + 180] < 100).any()  # something is written above
