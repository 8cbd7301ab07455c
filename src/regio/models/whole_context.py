"""Context models whose levels are whole numbers: a quadtree over the latent, three passes over the hyper-latent.

Latents are coded in four passes. Channels fall into four groups. Pass t codes group g at the positions whose number
in each 2x2 block is t XOR g: a quarter of the symbols, spread over the picture. They see those of the passes before,
at the same position and around it. This is the quadtree partition of [Li2023DC] (DCVC-DC).

    pass 0: 0 1   pass 1: 1 0   ...     the group that is coded at each position
            2 3           3 2
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.entropy import Coder, RateEstimator
from regio.models.context import symbols_of
from regio.models.two_pass import HYPER_PASSES, INVERSE_UNIT, MEAN_UNIT, first_guess
from regio.nn.conv import plain_stack, zeroed
from regio.nn.fixed_point import magnitudes
from regio.nn.gain import RateTable
from regio.nn.norm import bounded, lower_bound
from regio.nn.whole import OUTPUT_SCALE, OUTPUT_UNIT, WholeContext, WholeRate, whole_input

PASSES = 4
HYPER_LIMIT = 2.0**11  # hyper-latents in coded units: times an inverse gain they stay exact


@dataclass(frozen=True, kw_only=True)
class Quadtree:
    """Widths of the networks for means, for levels, and of the context of the hyper-latent."""

    hidden: int = 192
    level_hidden: int = 96
    hyper: int = 64


class QuadtreeContext(nn.Module):
    """All latents of a picture in four passes; see the module.

    side ─► mean, first ───────────────► pass 0 ─► known symbols and values
    side, known values ─► change of mean ┐
    known magnitudes ─► change of level ─┴► passes 1 to 3
    side, all values ─► 0.5 tanh ─► added to what is decoded (latent residual prediction, [Minnen2020])
    """

    def __init__(self, side: int, latent: int, numbers: Quadtree) -> None:
        super().__init__()
        if latent % PASSES:
            raise ValueError(f"latent={latent} does not split into {PASSES} groups")
        hidden = numbers.hidden
        self.first = plain_stack((side, hidden, latent), kernels=(1, 1))
        self.means = nn.ModuleList(
            plain_stack((side + latent, hidden, hidden, latent), kernels=(1, 3, 1)) for _ in range(PASSES - 1)
        )
        self.residual = plain_stack((side + latent, hidden, hidden, latent), kernels=(1, 3, 1))
        for net in (self.first, *self.means, self.residual):
            zeroed(net[-1])
        self.levels = nn.ModuleList(
            WholeContext(latent, numbers.level_hidden, latent, reduce=True) for _ in range(PASSES - 1)
        )

    def forward(self, y: Tensor | None, side: Tensor, level: Tensor, coder: Coder) -> Tensor:
        """y (B,M,h,w), or None when reading -> ŷ (B,M,h,w); side (B,side,h,w) features, level (B,M,h,w); h, w even."""
        first = bounded(self.first(side).float())
        values, symbols = torch.zeros_like(first), torch.zeros_like(first)
        for t in range(PASSES):
            mean, levels = first, level
            if t:
                mean = bounded(first + self.means[t - 1](torch.cat([side, values.to(side.dtype)], dim=1)).float())
                levels = level + self.levels[t - 1](magnitudes(symbols.detach()))
            at = gather(mean, t)
            coded = coder.gaussian(
                "y", None if y is None else gather(y, t), at, lower_bound(gather(levels, t), 0.0), 0.0
            )
            values = values + scatter(coded, t)
            symbols = symbols + scatter(symbols_of(coded, at), t)
        refined = torch.tanh(self.residual(torch.cat([side, values.to(side.dtype)], dim=1)).float())
        return values + 0.5 * refined


def gather(x: Tensor, t: int) -> Tensor:
    """x (B,M,h,w) -> what pass t codes (B,M,h/2,w/2), group by group."""
    parts = []
    for g, group in enumerate(x.chunk(PASSES, dim=1)):
        place = t ^ g
        parts.append(group[:, :, place // 2 :: 2, place % 2 :: 2])
    return torch.cat(parts, dim=1)


def scatter(x: Tensor, t: int) -> Tensor:
    """The way back: (B,M,h/2,w/2) -> (B,M,h,w), zero where pass t codes nothing."""
    groups = []
    for g, group in enumerate(x.chunk(PASSES, dim=1)):
        planes = [torch.zeros_like(group)] * PASSES
        planes[t ^ g] = group
        groups.append(F.pixel_shuffle(torch.stack(planes, dim=2).flatten(1, 2), 2))
    return torch.cat(groups, dim=1)


class WholeHyper(nn.Module):
    """Codes the hyper-latent in the three passes of `HyperContext`, by networks of whole numbers."""

    def __init__(self, channels: int, inner: int, points: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = WholeRate(first_guess(channels, points), OUTPUT_UNIT)
        self.log_gain = RateTable(torch.zeros(points, channels))
        self.inverse = WholeRate(torch.ones(points, channels), INVERSE_UNIT)
        self.nets = nn.ModuleList(WholeContext(2 * channels, inner, 2 * channels, points) for _ in HYPER_PASSES[1:])

    def forward(self, z: Tensor | None, rate: Tensor, coder: Coder, size: tuple[int, int]) -> Tensor:
        """z (B,C,h,w) or None, rate (B,) or (B,1,h,w), size (h,w) -> ẑ times its gain (B,C,h,w), in eighths."""
        noisy = isinstance(coder, RateEstimator) and coder.noisy
        z = None if z is None else (z.float() * torch.exp2(self.log_gain(rate))).clamp(-HYPER_LIMIT, HYPER_LIMIT)
        start = (self.first(rate) * OUTPUT_SCALE).expand(-1, -1, *size)
        done = torch.zeros(len(start), self.channels, *size, device=rate.device)
        for places, net in zip(HYPER_PASSES, (None, *self.nets), strict=True):
            guess = start if net is None else start + net(_seen(done), rate)
            mean, level = guess.chunk(2, dim=1)
            mean = mean.clamp(-HYPER_LIMIT, HYPER_LIMIT)
            if not noisy:
                mean = torch.floor(mean / MEAN_UNIT + 0.5) * MEAN_UNIT
            for row, column in places:
                at = (..., slice(row, None, 2), slice(column, None, 2))
                if not mean[at].numel():
                    continue
                part = None if z is None else z[at]
                coded = coder.gaussian("z", part, mean[at], lower_bound(level[at], 0.0), 0.0)
                done = done.clone()
                done[at] = coded
        return done

    def unscale(self, scaled: Tensor, rate: Tensor) -> Tensor:
        """The result of `forward` -> ẑ (B,C,h,w), the same numbers on every machine."""
        z_hat: Tensor = scaled * self.inverse(rate)
        return z_hat


def _seen(done: Tensor) -> Tensor:
    """Values, reduced, and their magnitudes (B,2C,h,w), as whole-number networks take them."""
    rounded = torch.floor(done.detach() + 0.5)
    return torch.cat([whole_input(done / 2), magnitudes(rounded)], dim=1)
