"""Terms that judge a whole picture follow a map of λ by their gradients."""

import torch

from regio.training.step import heard_by


def test_a_map_of_lambda_scales_gradients_and_leaves_the_picture() -> None:
    picture = torch.rand(2, 3, 32, 32, requires_grad=True)
    weight = torch.full((2, 1, 2, 2), 4.0)
    weight[0, 0, 0, 0] = 64.0  # geometric mean of the first sample: 8
    heard = heard_by(weight, picture)
    assert torch.equal(heard, picture)
    heard.sum().backward()
    assert picture.grad is not None
    assert torch.allclose(picture.grad[0, :, :16, :16], torch.tensor(8.0))
    assert torch.allclose(picture.grad[0, :, 16:], torch.tensor(0.5))
    assert torch.allclose(picture.grad[1], torch.tensor(1.0))


def test_one_lambda_a_sample_changes_nothing() -> None:
    picture = torch.rand(2, 3, 8, 8, requires_grad=True)
    assert heard_by(torch.tensor([1.0, 5.0]), picture) is picture
