"""Divisive normalisation with learned, non-negative parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regio.nn.conv import pointwise

PEDESTAL = 2.0**-36  # keeps the square root differentiable at zero
BETA_FLOOR = 1e-6
LATENT_LIMIT = 2.0**14  # coded units, far beyond any photograph


class _LowerBound(torch.autograd.Function):
    """max(x, bound), with the gradient let through wherever it would raise x."""

    @staticmethod
    def forward(ctx, x: Tensor, bound: float) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        return torch.where((x >= ctx.bound) | (grad < 0), grad, 0.0), None


def lower_bound(x: Tensor, bound: float) -> Tensor:
    """Elementwise max(x, bound) whose gradient does not die below the bound.

    Below the bound a plain clamp has no gradient, so a parameter that fell there would stay; here a gradient step that
    would lift it still passes.
    """
    result: Tensor = _LowerBound.apply(x, bound)  # type: ignore[no-untyped-call]
    return result


def bounded(x: Tensor) -> Tensor:
    """Latents or their means, in coded units, within LATENT_LIMIT.

    A symbol is a latent minus its mean. With both bounded it fits the range coder, whatever a network says of the mean,
    so a decoded latent lies within half a unit of the encoded one for any picture.
    """
    return x.clamp(-LATENT_LIMIT, LATENT_LIMIT)


class GDN(nn.Module):
    """Generalised divisive normalisation, Balle et al., "Density modeling of images" (ICLR 2016).

    y_c = x_c / sqrt(beta_c + sum_k gamma_ck x_k^2); `inverse=True` multiplies by the root instead.  The parameters hold
    the square roots of beta and gamma (plus a tiny pedestal), as in the published checkpoints, which keeps both
    non-negative during training: start is beta = 1, gamma = 0.1 on the diagonal.
    """

    def __init__(self, channels: int, inverse: bool = False, quick: bool = False) -> None:
        """quick: see conv1x1."""
        super().__init__()
        self.inverse, self.sum = inverse, pointwise if quick else F.conv2d
        self.beta = nn.Parameter(torch.sqrt(torch.ones(channels) + PEDESTAL))
        self.gamma = nn.Parameter(torch.sqrt(0.1 * torch.eye(channels) + PEDESTAL))

    def forward(self, x: Tensor) -> Tensor:
        """x (B,C,H,W) -> (B,C,H,W)."""
        beta = lower_bound(self.beta, (BETA_FLOOR + PEDESTAL) ** 0.5).square() - PEDESTAL
        gamma = lower_bound(self.gamma, PEDESTAL**0.5).square() - PEDESTAL
        energy = self.sum(x * x, gamma[:, :, None, None], beta)
        return x * (torch.sqrt(energy) if self.inverse else torch.rsqrt(energy))
