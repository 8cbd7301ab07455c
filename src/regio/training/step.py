"""The forward pass of a training step: model and loss."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.entropy import RateEstimator
from regio.errors import UsageError
from regio.losses.rate_distortion import multipliers, rate_distortion, weighed
from regio.losses.terms import Terms
from regio.models.base import Network, Reconstruction
from regio.nn.regional import GridRegions, LabelRegions, Regions
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
    measures: tuple[str, ...] = ("mse", "ms-ssim", "terms")  # that it can train on
    phase: Phase
    terms: Terms | None  # of the phase, where it has some

    def __init__(self, net: Network, recipe: Recipe) -> None:
        """net: any model of the catalogue. UsageError when its family cannot follow a phase of the recipe."""
        super().__init__()
        for number, phase in enumerate(recipe.phase, 1):
            if phase.measure not in self.measures:
                known = ", ".join(self.measures)
                raise UsageError(f"phase {number}: {recipe.model} is trained on {known}, not on {phase.measure}")
            if phase.train == "synthesis" and not net.synthesis_parts():
                raise UsageError(f"phase {number}: {recipe.model} has no synthesis that could be trained alone")
        self.trainable = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.net, self.bf16, self.folder = net, recipe.precision == "bf16", recipe.judges
        self.judge = self.opponent(net, recipe)
        self.begin(recipe.phase[0])

    def opponent(self, net: Network, recipe: Recipe) -> nn.Module | None:
        """Return a fresh discriminator for families that have one."""
        return None

    def begin(self, phase: Phase) -> None:
        """Use the losses of this phase from now on, and train what it trains."""
        self.phase = phase
        alone = phase.train == "synthesis"
        chosen = {id(p) for part in self.net.synthesis_parts() for p in part.parameters()}
        for parameter in self.trainable:
            parameter.requires_grad_(not alone or id(parameter) in chosen)
        self.terms = None
        if any(phase.terms.values()):
            terms = Terms(phase.terms, spread=phase.spread, look=phase.look, judges=self.folder)
            self.terms = terms.to(next(self.net.parameters()).device)

    def forward(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return scalars: loss, cost, bpp, psnr, and what else the family logs.

        Autocast is ours and not the engine's, which would round the pictures themselves to bfloat16.
        """
        phase, x, rate = self.phase, drawn.x, drawn.rate
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            out = self._on_rounded(drawn) if phase.train == "synthesis" else self._on_noisy(drawn)
        weight = distortion_weight(rate, phase)
        bits, x_hat = charged(out.bits, drawn.side, phase.prototypes), out.x_hat.float()
        if phase.measure == "terms":
            assert self.terms is not None
            judged = self.terms(x, heard_by(weight, x_hat), drawn.importance)
            cost, more = weighed(x, x_hat, bits, overall(weight), judged.total), judged.parts
        else:
            cost, more = rate_distortion(x, x_hat, bits, weight, phase.measure, phase.means), {}
        return {
            "loss": (cost.total * voice(weight, phase)).mean() + self.quantile_loss(),
            "cost": cost.total.mean().detach(),
            "bpp": cost.bpp.mean().detach(),
            "psnr": decibels(cost.mse),
            **more,
        }

    def _on_noisy(self, drawn: Drawn) -> Reconstruction:
        found: Reconstruction = self.net(drawn.x, drawn.regions, drawn.grid, drawn.rate)
        return found

    def _on_rounded(self, drawn: Drawn) -> Reconstruction:
        """The latents that a file holds, from everything but the synthesis, without gradients."""
        net, x, coder = self.net, drawn.x, RateEstimator(noisy=False)
        where: Regions = GridRegions(drawn.grid) if drawn.regions is None else LabelRegions(drawn.regions)
        rate = net.rate_or_default(drawn.rate, x)
        with torch.no_grad():
            decoded = net.code(net.analyse(x, where), coder, where, rate, net.latent_size(x))
        return Reconstruction(net.synthesise(decoded, where, rate), coder.bits)

    def quantile_loss(self) -> Tensor:
        """Return the loss (scalar) that trains the quantiles of the priors and nothing else."""
        none = next(self.net.parameters()).new_zeros(())
        return torch.stack([none, *(prior.quantile_loss() for prior in self.net.priors().values())]).sum()


def charged(bits: dict[str, Tensor], side: Tensor, prototypes: float = 1.0) -> dict[str, Tensor]:
    """Bits of each stream (B,), those of all but y times `side`, those of prototypes times `prototypes` besides."""
    share = {name: prototypes if name.startswith("prototypes") else 1.0 for name in bits}
    return {name: b if name == "y" else b * side * share[name] for name, b in bits.items()}


def overall(weight: Tensor) -> Tensor:
    """Turn λ (B,) or (B,1,h,w) into one of each sample (B,), the geometric mean."""
    return weight if weight.dim() == 1 else weight.log().mean(dim=(1, 2, 3)).exp()


def heard_by(weight: Tensor, x_hat: Tensor) -> Tensor:
    """Return x_hat (B,3,H,W) as it is; its gradient is multiplied by λ at each pixel, relative to the sample's mean.

    weight: λ (B,), which changes nothing, or (B,1,h,w). So a distortion that judges the picture as a whole can follow a
    map of λ.
    """
    if weight.dim() == 1:
        return x_hat
    share = F.interpolate(weight / overall(weight).view(-1, 1, 1, 1), x_hat.shape[2:], mode="nearest")
    return x_hat.detach() + share * (x_hat - x_hat.detach())


def distortion_weight(rate: Tensor, phase: Phase) -> Tensor:
    """Rates (B,) or (B,1,h,w) -> what multiplies the distortion, the rate itself counting once."""
    weight = multipliers(rate, *phase.lambdas)
    return 1 / weight if phase.weighs == "rate" else weight


def voice(weight: Tensor, phase: Phase) -> Tensor:
    """Turn the weight of the distortion, (B,) or (B,1,h,w), into that of each sample (B,) in the batch mean.

    Where lambdas weigh the rate it is λ, so that the loss is λ bpp + D.
    """
    if phase.weighs == "rate":
        return 1 / overall(weight)
    return (overall(weight) / math.sqrt(phase.lambdas[0] * phase.lambdas[-1])) ** -phase.balance


def decibels(mse: Tensor) -> Tensor:
    """Return the mean PSNR of squared errors (B,) on [0,1], for the log."""
    return -10 * torch.log10(mse.detach().clamp_min(1e-10)).mean()
