"""A patch discriminator conditioned on latents [ROI2022], and the two adversarial losses it supports.

[ROI2022], section 1.5. The network is that of [Mentzer2020] (HiFiC); the least-squares loss is that of [Mao2017].
docs/papers.md lists the papers.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

GAMES = ("non-saturating", "least-squares")
_CONDITION = 12  # channels that the latents are reduced to, as in [Mentzer2020]
_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Picture and latents -> one logit for each patch of about 70 pixels, [Mentzer2020]: four strided 4x4 convolutions.

        latents ─ 3×3 ─ ×16 nearest ─┬─ ½ ─ ½ ─ ½ ─ ½ ─ 1×1 ─► logits (B,1,H/16,W/16)
        picture ─────────────────────┘

    Spectral normalisation throughout, no batch normalisation. The condition of [ROI2022] are the latents of Eq. 7,
    so that the network can tell a region of interest from the rest.
    """

    def __init__(self, latent: int, width: int = 64) -> None:
        """latent: channels; width: of the first layer, doubled three times."""
        super().__init__()
        self.condition = spectral_norm(nn.Conv2d(latent, _CONDITION, 3, padding=1))
        layers: list[nn.Module] = []
        before = 3 + _CONDITION
        for after in (width, 2 * width, 4 * width, 8 * width):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(_SLOPE)]
            before = after
        self.body = nn.Sequential(*layers, spectral_norm(nn.Conv2d(before, 1, 1)))

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        """x (B,3,H,W) in [0,1], latents (B,M,H/16,W/16) -> (B,1,H/16,W/16)."""
        seen = F.leaky_relu(self.condition(torch.tanh(latents)), _SLOPE)
        seen = F.interpolate(seen, x.shape[2:], mode="nearest")
        logits: Tensor = self.body(torch.cat([2 * x - 1, seen], dim=1))
        return logits


class Verdict(NamedTuple):
    """Losses of both sides."""

    model: Tensor  # (B,1,h,w): how far each patch is from passing for real; the judge's weights feel nothing of it
    judge: Tensor  # scalar; the model feels nothing of it


def contest(judge: nn.Module, x: Tensor, x_hat: Tensor, latents: Tensor, game: str) -> Verdict:
    """Losses of discriminator and model for one batch: pictures (B,3,H,W), latents (B,M,h,w), which get no gradient."""
    latents = latents.detach()
    real, made = judge(x, latents), judge(x_hat.detach(), latents)
    learning = [p for p in judge.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    passing = judge(x_hat, latents)
    for parameter in learning:
        parameter.requires_grad_(True)
    if game == "least-squares":  # [Mao2017]
        return Verdict((passing - 1).square(), (real - 1).square().mean() + made.square().mean())
    return Verdict(F.softplus(-passing), F.softplus(-real).mean() + F.softplus(made).mean())
