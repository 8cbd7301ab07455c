"""Channel-wise context: a latent is coded slice by slice, each slice predicted from those before it."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from regio.entropy import Coder, scale_to_level
from regio.entropy.tables import SCALE_MIN
from regio.nn.conv import zeroed
from regio.nn.norm import bounded, lower_bound
from regio.nn.precise import PreciseConv, PreciseStack, Seen, seen_by

GUARD = 1e-6  # levels computed in float64 differ by far less; see docs/portability.md


def context_net(before: int, widths: tuple[int, ...], after: int, first_kernel: int = 3) -> PreciseStack:
    """3x3 convolutions before -> widths -> after with GELU between, none at the end; the first may be 1x1."""
    layers: list[nn.Module] = []
    for a, b in pairwise((before, *widths, after)):
        kernel = 3 if layers else first_kernel
        layers += [PreciseConv(a, b, kernel), nn.GELU()]
    return PreciseStack(*layers[:-1])


class ChannelContext(nn.Module):
    """Channel-wise autoregressive entropy model with latent residual prediction: ChARM [Minnen2020], [Liu2024].

        side ──┬─────────────┬────────────┐
               ▼             ▼            ▼
        first slices ► mean, level ► coder ► y_hat_k + 0.5 tanh(residual net) ► next slice

    Slice k sees the first `support` decoded slices at most (the published code takes the first, not the latest).
    """

    def __init__(
        self,
        latent: int,
        side: int,
        *,
        slices: int,
        support: int,
        widths: tuple[int, ...],
        first_kernel: int,
        guard: float | None,
        zero_init: bool = False,
    ) -> None:
        """guard: of the levels; None: they come from the hyper-latent alone, so that they can be exact (ours)."""
        super().__init__()
        self.support, self.width, self.guard = support, latent // slices, guard or 0.0
        seen = [side + self.width * min(k, support) for k in range(slices)]

        def nets(extra: int) -> nn.ModuleList:
            return nn.ModuleList(context_net(s + extra, widths, self.width, first_kernel) for s in seen)

        self.means = nets(0)
        self.scales = nets(0) if guard is not None else None
        self.residuals = nets(self.width)
        if zero_init:
            for net in (*self.means, *self.residuals):
                zeroed(net[-1])

    def forward(self, y: Tensor | None, mean_side: Tensor, scale_side: Tensor, coder: Coder) -> Tensor:
        """y (B,M,h,w), or None when reading -> y_hat (B,M,h,w).

        mean_side (B,side,h,w); scale_side (B,side,h,w) features, or levels (B,M,h,w) where context moves no scales.
        """
        done: list[Tensor] = []
        for_means, for_scales = Seen(mean_side), Seen(scale_side)
        for k, (mean_net, residual_net) in enumerate(zip(self.means, self.residuals, strict=True)):
            seen = done[: self.support]
            part = slice(k * self.width, (k + 1) * self.width)
            mean = bounded(mean_net(for_means.by(mean_net), *(seen_by(part, mean_net) for part in seen)))
            if self.scales is None:
                level = lower_bound(scale_side[:, part], 0.0)
            else:
                level = to_level(self.scales[k](for_scales, *seen))
            decoded = coder.gaussian("y", None if y is None else y[:, part], mean, level, self.guard)
            seen = [seen_by(part, residual_net) for part in (*seen, decoded)]
            residual = residual_net(for_means.by(residual_net), *seen)
            done.append(decoded + 0.5 * torch.tanh(residual))
        return torch.cat(done, dim=1)

    def deciding(self) -> list[nn.Module]:
        """The networks that levels come from: those for scales, and for the slices that other slices see."""
        if self.scales is None:
            return []
        count = min(self.support, len(self.scales) - 1)
        return [*self.scales, *self.means[:count], *self.residuals[:count]]


def to_level(scale: Tensor) -> Tensor:
    """A network's standard deviations, any sign -> levels; those below 0.11 count as 0.11."""
    precise = scale if scale.dtype == torch.float64 else scale.float()
    return scale_to_level(lower_bound(precise, SCALE_MIN))


def symbols_of(decoded: Tensor, mean: Tensor) -> Tensor:
    """The whole numbers that were coded, free of gradients; a mean that drifted by a hair does not change them."""
    return torch.round((decoded - mean).detach())
