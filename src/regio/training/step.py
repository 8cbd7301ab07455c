"""The forward pass of a training step: model and loss."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from regio.errors import UsageError
from regio.losses.rate_distortion import multipliers, rate_distortion
from regio.models.base import Network
from regio.training.recipe import Phase, Recipe

PLAIN_ALPHA = 1e6  # of samples without a region: nothing is emphasised


class Drawn(NamedTuple):
    """The random draws of one step."""

    x: Tensor  # (B,3,S,S) in [0,1]
    regions: Tensor | None  # (B,S,S) int64, or None for a grid x grid map
    grid: int
    rate: Tensor  # (B,) or (B,1,h,w) in [0,1]
    side: Tensor  # scalar: what counts of the rate of all but y
    importance: Tensor | None = None  # (B,1,S,S) in [0,1], where the measure wants it
    alpha: Tensor | None = None  # (B,), the alpha of Eq. 6 of the ROI codec


class TrainingStep(nn.Module):
    """Model and loss in one forward pass, so that data-parallel wrappers see every parameter used.

    This is the step of models that need pictures only. Other families inherit from it and replace what differs.
    One backward pass trains everything. A `judge` (discriminator), where there is one, has its own term in the loss:
    that term must not reach the model, and the model's terms must not reach the judge.
    """

    judge: nn.Module | None  # has an optimiser of its own
    measures: tuple[str, ...] = ("mse", "ms-ssim")  # that it can train on
    phase: Phase

    def __init__(self, net: Network, recipe: Recipe) -> None:
        """net: any model of the catalogue. UsageError when its family cannot follow a phase of the recipe."""
        super().__init__()
        for number, phase in enumerate(recipe.phase, 1):
            if phase.measure not in self.measures:
                known = ", ".join(self.measures)
                raise UsageError(f"phase {number}: {recipe.model} is trained on {known}, not on {phase.measure}")
        self.net, self.bf16, self.folder = net, recipe.precision == "bf16", recipe.judges
        self.judge = self.opponent(net, recipe)
        self.begin(recipe.phase[0])

    def opponent(self, net: Network, recipe: Recipe) -> nn.Module | None:
        """Return a fresh discriminator for families that have one."""
        return None

    def begin(self, phase: Phase) -> None:
        """Use the losses of this phase from now on."""
        self.phase = phase

    def forward(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return scalars: loss, cost, bpp, psnr, and what else the family logs.

        Autocast is ours and not the engine's, which would round the pictures themselves to bfloat16.
        """
        phase, x, rate = self.phase, drawn.x, drawn.rate
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            out = self.net(x, drawn.regions, drawn.grid, rate)
        weight = multipliers(rate, *phase.lambdas)
        bits = charged(out.bits, drawn.side, phase.prototypes)
        cost = rate_distortion(x, out.x_hat.float(), bits, weight, phase.measure, phase.means)
        return {
            "loss": (cost.total * voice(weight, phase)).mean() + self.quantile_loss(),
            "cost": cost.total.mean().detach(),
            "bpp": cost.bpp.mean().detach(),
            "psnr": decibels(cost.mse),
        }

    def quantile_loss(self) -> Tensor:
        """Return the loss (scalar) that trains the quantiles of the priors and nothing else."""
        none = next(self.net.parameters()).new_zeros(())
        return torch.stack([none, *(prior.quantile_loss() for prior in self.net.priors().values())]).sum()


def charged(bits: dict[str, Tensor], side: Tensor, prototypes: float = 1.0) -> dict[str, Tensor]:
    """Bits of each stream (B,), those of all but y times `side`, those of prototypes times `prototypes` besides."""
    share = {name: prototypes if name.startswith("prototypes") else 1.0 for name in bits}
    return {name: b if name == "y" else b * side * share[name] for name, b in bits.items()}


def voice(weight: Tensor, phase: Phase) -> Tensor:
    """Turn λ (B,) or (B,1,h,w) into the weight of each sample (B,) in the batch mean."""
    if weight.dim() > 1:
        weight = weight.log().mean(dim=(1, 2, 3)).exp()
    return (weight / math.sqrt(phase.lambdas[0] * phase.lambdas[1])) ** -phase.balance


def decibels(mse: Tensor) -> Tensor:
    """Return the mean PSNR of squared errors (B,) on [0,1], for the log."""
    return -10 * torch.log10(mse.detach().clamp_min(1e-10)).mean()
