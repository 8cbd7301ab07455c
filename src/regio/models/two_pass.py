"""Context in two passes a slice: half the latents of a slice on a checkerboard, then the rest between them.

Ours, instead of the channel-wise context of [Liu2024] (`regio.models.context`), for models whose scales are exact.
Slices of growing width, as in ELIC (He et al. 2022): the few channels that hold most of the bits at low rates come
first and all later ones see them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regio.entropy import Coder, RateEstimator, scale_to_level
from regio.models.context import context_net, symbols_of
from regio.nn.checkerboard import join, split
from regio.nn.conv import zeroed
from regio.nn.fixed_point import INPUT_LIMIT, OUTPUT_SCALE, WEIGHT_UNIT, FixedPointContext, fixed, magnitudes
from regio.nn.gain import RateTable, rate_step
from regio.nn.norm import bounded, lower_bound
from regio.nn.precise import seen_by


@dataclass(frozen=True, kw_only=True)
class TwoPass:
    """Channels of each slice, width of the networks for means and of those for levels."""

    slices: tuple[int, ...]
    hidden: int = 96
    level_hidden: int = 32
    hyper: int = 0  # width of the context of the hyper-latent; 0: its symbols are taken as independent


class SlicePass(nn.Module):
    """What codes one slice of `width` channels, given the `before` channels of the slices before it.

        side, slices before ─► mean ───► anchors ─► r = symbols of anchors, 0 elsewhere
        mean, r, side ───────► mean + change ─► others
        side, slices before, this one ─► 0.5 tanh ─► added to what is decoded (latent residual prediction)

    Levels: those of the hyper-latent, plus what the magnitudes of decoded symbols say, exactly.
    """

    def __init__(self, side: int, before: int, width: int, numbers: TwoPass) -> None:
        super().__init__()
        hidden = numbers.hidden
        self.mean = context_net(side + before, (hidden,), width, first_kernel=1)
        self.near = nn.Conv2d(2 * width, hidden, 3, padding=1)
        self.wide = nn.Conv2d(side, hidden, 1)
        self.change = nn.Sequential(nn.GELU(), nn.Conv2d(hidden, width, 1))
        self.residual = context_net(side + before + width, (hidden,), width, first_kernel=1)
        for net in (self.mean, self.change, self.residual):
            zeroed(net[-1])
        self.level_anchors = FixedPointContext(before, numbers.level_hidden, width) if before else None
        self.level_others = FixedPointContext(before + width, numbers.level_hidden, width)

    def forward(
        self, y: Tensor | None, side: Tensor, level: Tensor, done: list[Tensor], known: list[Tensor], coder: Coder
    ) -> tuple[Tensor, Tensor]:
        """Code a slice y (B,width,h,w), None when reading -> decoded (B,width,h,w), magnitudes of its symbols.

        side (B,side,h,w); level (B,width,h,w), float64 on the CPU where it is exact; done and known: decoded values
        and magnitudes of the slices before.
        """
        exact = level.dtype == torch.float64
        seen = torch.cat([side, *done], dim=1)
        mean = bounded(self.mean(seen).float())
        first = level
        if self.level_anchors is not None:
            first = level + _run(self.level_anchors, torch.cat(known, dim=1), exact)
        early, late = (None, None) if y is None else split(y)
        mean_early, _ = split(mean)
        anchors = coder.gaussian("y", early, mean_early, _bounded(split(first)[0], exact), 0.0)
        symbols = symbols_of(anchors, mean_early)
        nothing = torch.zeros_like(symbols)
        known_here = seen_by(torch.cat([mean, join(symbols, nothing).to(mean)], dim=1), self.near)
        hidden = self.near(known_here) + self.wide(side)
        _, mean_late = split(bounded((mean + self.change(hidden)).float()))
        near = [*known, magnitudes(_placed(join(symbols, nothing), exact))]
        second = level + _run(self.level_others, torch.cat(near, dim=1), exact)
        others = coder.gaussian("y", late, mean_late, _bounded(split(second)[1], exact), 0.0)
        decoded = join(anchors, others)
        found = magnitudes(_placed(join(symbols, symbols_of(others, mean_late)), exact))
        residual: Tensor = 0.5 * torch.tanh(self.residual(torch.cat([seen, decoded], dim=1)))
        return decoded + residual, found


class TwoPassContext(nn.Module):
    """All slices of a latent; see the module."""

    def __init__(self, side: int, numbers: TwoPass) -> None:
        super().__init__()
        before = [sum(numbers.slices[:k]) for k in range(len(numbers.slices))]
        pairs = zip(before, numbers.slices, strict=True)
        self.slices = nn.ModuleList(SlicePass(side, b, width, numbers) for b, width in pairs)
        self.widths = list(numbers.slices)

    def forward(self, y: Tensor | None, side: Tensor, level: Tensor, coder: Coder) -> Tensor:
        """y (B,M,h,w), or None when reading -> y_hat (B,M,h,w). side (B,side,h,w) features, level (B,M,h,w), w even."""
        done: list[Tensor] = []
        known: list[Tensor] = []
        parts = [None] * len(self.widths) if y is None else torch.split(y, self.widths, dim=1)
        for code, part, levels in zip(self.slices, parts, torch.split(level, self.widths, dim=1), strict=True):
            decoded, found = code(part, side, levels, done, known, coder)
            done.append(decoded)
            known.append(found)
        return torch.cat(done, dim=1)


MEAN_UNIT = 1 / 8  # of means of the hyper-latent
INVERSE_UNIT = 1 / 32  # of its inverse gains: times a mean still a multiple of ACTIVATION_UNIT
HYPER_PASSES = (((0, 0),), ((1, 1),), ((0, 1), (1, 0)))  # (row, column) modulo 2


def first_guess(channels: int, points: int) -> Tensor:
    """(points, 2 channels): mean 0 and the level of scale 2, which the first pass over a hyper-latent begins with."""
    level = scale_to_level(torch.tensor(2.0, device="cpu")).item() / OUTPUT_SCALE
    return torch.cat([torch.zeros(channels), torch.full((channels,), level)]).repeat(points, 1)


class HyperContext(nn.Module):
    """Codes the hyper-latent in three passes, each seeing the one before: a quarter, a quarter between, the other half.

        0 2 0 2
        2 1 2 1
        0 2 0 2      first pass: mean and level by channel and rate; then by what is known around, too

    Means are rounded to eighths and levels exact, so symbol + mean is the same on every machine: what the levels of the
    latent are computed from, once its gain is undone. Ours, instead of the factorised prior. (Means rounded to
    whole numbers, with the gradient of the unrounded, settle where the rounding turns over.)
    """

    def __init__(self, channels: int, inner: int, points: int) -> None:
        super().__init__()
        self.channels = channels
        self.first = RateTable(first_guess(channels, points))
        self.log_gain = RateTable(torch.zeros(points, channels))
        self.inverse = RateTable(torch.ones(points, channels))
        self.nets = nn.ModuleList(
            FixedPointContext(2 * channels, inner, 2 * channels, points) for _ in HYPER_PASSES[1:]
        )

    def forward(self, z: Tensor | None, rate: Tensor, coder: Coder, size: tuple[int, int]) -> Tensor:
        """z (B,C,h,w) or None, rate (B,) or (B,1,h,w), size (h,w) -> ẑ times its gain (B,C,h,w), in eighths."""
        exact = coder.exact
        training = isinstance(coder, RateEstimator) and coder.noisy
        device = rate.device
        z = None if z is None else bounded(z.float() * torch.exp2(self.log_gain(rate)))
        rate = rate_step(rate).cpu() if exact else rate
        table = self.first.exact(rate, WEIGHT_UNIT) if exact else self.first(rate)
        start = table.expand(-1, -1, *size) * OUTPUT_SCALE
        done = torch.zeros(len(start), self.channels, *size, device=device)
        for places, net in zip(HYPER_PASSES, (None, *self.nets), strict=True):
            at = _positions(places, size, device)
            if not len(at):
                continue
            guess = start if net is None else start + _run(net, self._seen(done, exact), exact, rate)
            mean, level = (half.flatten(2)[:, :, None, at.to(guess.device)] for half in guess.chunk(2, dim=1))
            mean = bounded(mean)
            if not training:
                mean = fixed(mean, MEAN_UNIT)
            values = None if z is None else z.flatten(2)[:, :, None, at]
            coded = coder.gaussian("z", values, mean.to(device, torch.float32), _bounded(level, exact), 0.0)
            done = done.flatten(2).index_copy(2, at, coded.flatten(2)).reshape(done.shape)
        return done

    def unscale(self, scaled: Tensor, rate: Tensor) -> Tensor:
        """The result of `forward` -> ẑ (B,C,h,w)."""
        z_hat: Tensor = scaled * self.inverse(rate)
        return z_hat

    def unscale_exact(self, scaled: Tensor, step: Tensor) -> Tensor:
        """The same at rate steps, in float64 on the CPU: multiples of ACTIVATION_UNIT, the same on every machine."""
        return scaled.to("cpu", torch.float64) * self.inverse.exact(step.cpu(), INVERSE_UNIT)

    def _seen(self, done: Tensor, exact: bool) -> Tensor:
        """Values, reduced and bounded, and their magnitudes (B,2C,h,w)."""
        values = _placed(done.clamp(-INPUT_LIMIT, INPUT_LIMIT), exact)
        return torch.cat([values / 8, magnitudes(torch.round(values.detach()))], dim=1)


def _positions(places: tuple[tuple[int, int], ...], size: tuple[int, int], device: torch.device) -> Tensor:
    """Raster positions (n,) of a map (h,w) whose row and column are one of `places` modulo 2."""
    rows, columns = torch.arange(size[0])[:, None] % 2, torch.arange(size[1])[None] % 2
    chosen = torch.zeros(size, dtype=torch.bool)
    for row, column in places:
        chosen |= (rows == row) & (columns == column)
    return chosen.flatten().nonzero()[:, 0].to(device)


def _run(net: nn.Module, seen: Tensor, exact: bool, rate: Tensor | None = None) -> Tensor:
    assert isinstance(net, FixedPointContext)
    more: Tensor = net.exact(seen, rate) if exact else net(seen, rate)
    return more


def _placed(symbols: Tensor, exact: bool) -> Tensor:
    """Symbols where levels are computed: in float64 on the CPU if exactly."""
    return symbols.to("cpu", torch.float64) if exact else symbols


def _bounded(level: Tensor, exact: bool) -> Tensor:
    """Levels below the table's first count as the first; in training they still feel the pull upwards."""
    return level.clamp_min(0) if exact else lower_bound(level, 0.0)
