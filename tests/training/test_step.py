"""What a training step charges for."""

import pytest
import torch
from torch.nn import Parameter

from regio.training.optimizers import make_optimizer
from regio.training.recipe import Phase
from regio.training.step import charged, distortion_weight, voice


def test_prototypes_pay_a_share_of_what_other_side_information_pays() -> None:
    bits = {name: torch.full((2,), 100.0) for name in ("prototypes_shallow", "prototypes_deep", "z", "y")}
    found = {name: float(value[0]) for name, value in charged(bits, torch.tensor(0.5), prototypes=0.02).items()}
    assert found == {"prototypes_shallow": 1.0, "prototypes_deep": 1.0, "z": 50.0, "y": 100.0}
    whole = charged(bits, torch.tensor(1.0))
    assert all(bool((whole[name] == bits[name]).all()) for name in bits)


def test_a_lambda_on_the_rate_makes_the_loss_that_the_roi_codecs_paper_prints() -> None:
    phase = Phase(steps=1, lambdas=(720, 520, 420, 320, 220, 120), weighs="rate")
    rate, bpp, distortion = (
        torch.tensor([0.0, 0.4, 1.0]),
        torch.tensor([0.1, 0.2, 0.3]),
        torch.tensor([50.0, 40.0, 9.0]),
    )
    weight = distortion_weight(rate, phase)
    loss = (bpp + weight * distortion) * voice(weight, phase)
    torch.testing.assert_close(loss, torch.tensor([720 * 0.1 + 50, 420 * 0.2 + 40, 120 * 0.3 + 9]))


def test_adamw_lets_matrices_decay_and_leaves_vectors_alone() -> None:
    phase = Phase(steps=1, optimizer="adamw", weight_decay=0.5, learning_rate=0.1, betas=(0.9, 0.95))
    matrix, vector = Parameter(torch.ones(2, 2)), Parameter(torch.ones(2))
    optimizer = make_optimizer([("matrix", matrix), ("vector", vector)], phase)
    matrix.grad, vector.grad = torch.zeros(2, 2), torch.zeros(2)
    optimizer.step()
    assert matrix.flatten().tolist() == pytest.approx([0.95] * 4)  # 1 - 0.1 * 0.5
    assert vector.tolist() == [1, 1]
    assert all(group["betas"] == (0.9, 0.95) for group in optimizer.param_groups)
