"""What a training step charges for."""

import torch

from regio.training.step import charged


def test_prototypes_pay_a_share_of_what_other_side_information_pays() -> None:
    bits = {name: torch.full((2,), 100.0) for name in ("prototypes_shallow", "prototypes_deep", "z", "y")}
    found = {name: float(value[0]) for name, value in charged(bits, torch.tensor(0.5), prototypes=0.02).items()}
    assert found == {"prototypes_shallow": 1.0, "prototypes_deep": 1.0, "z": 50.0, "y": 100.0}
    whole = charged(bits, torch.tensor(1.0))
    assert all(bool((whole[name] == bits[name]).all()) for name in bits)
