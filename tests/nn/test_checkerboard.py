"""Which half is which, and the way back."""

import torch

from regio.nn.checkerboard import join, split


def test_anchors_are_where_row_and_column_are_even_together() -> None:
    rows, columns = torch.meshgrid(torch.arange(3), torch.arange(4), indexing="ij")
    anchors, others = split(torch.stack([rows, columns])[None])
    assert ((anchors[0, 0] + anchors[0, 1]) % 2 == 0).all()
    assert ((others[0, 0] + others[0, 1]) % 2 == 1).all()
    assert anchors[0, 1].tolist() == [[0, 2], [1, 3], [0, 2]]


def test_joined_halves_are_the_whole() -> None:
    x = torch.randn(2, 3, 5, 8)
    assert torch.equal(join(*split(x)), x)
