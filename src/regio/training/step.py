"""One step's forward pass: model and loss."""

import math

import torch
from torch import Tensor, nn

from regio.losses.rate_distortion import multipliers, rate_distortion
from regio.models.segpic import SegPIC
from regio.training.recipe import Phase


class TrainingStep(nn.Module):
    """Model and loss in one forward pass, so that data-parallel wrappers see every parameter used."""

    def __init__(self, net: SegPIC, bf16: bool, phase: Phase) -> None:
        super().__init__()
        self.net, self.bf16, self.phase = net, bf16, phase

    def forward(
        self, x: Tensor, regions: Tensor | None, grid: int, rate: Tensor, side: Tensor
    ) -> dict[str, Tensor]:
        """x (B,3,S,S) in [0,1] at rates (B,) -> scalars: loss, and what is logged.

        regions (B,S,S) int64, or None for a grid x grid map; side: scalar, what counts of the rate of all but y.
        Autocast is ours and not the engine's, which would round the pictures themselves to bfloat16.
        """
        phase = self.phase
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            out = self.net(x, regions, grid, rate)
        weight = multipliers(rate, *phase.lambdas)
        bits = {name: b if name == "y" else b * side for name, b in out.bits.items()}
        cost = rate_distortion(x, out.x_hat.float(), bits, weight, phase.measure)
        voice = (weight / math.sqrt(phase.lambdas[0] * phase.lambdas[1])) ** -phase.balance
        quantiles = torch.stack([prior.quantile_loss() for prior in self.net.priors().values()]).sum()
        return {
            "loss": (cost.total * voice).mean() + quantiles,
            "cost": cost.total.mean().detach(),
            "bpp": cost.bpp.mean().detach(),
            "psnr": -10 * torch.log10(cost.mse.detach().clamp_min(1e-10)).mean(),
        }
