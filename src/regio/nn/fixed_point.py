"""A small network whose result is the same, to the last bit, on every machine.

Whatever turns decoded integers into indices of probability tables must agree between encoder and decoder. This network
works on fixed-point numbers: weights are multiples of 2**-12, activations of 2**-8, both bounded, so that every product
and every partial sum is a multiple of 2**-20 below 2**33 and fits the 53 bits of a float64 exactly. Sums of exact terms
do not depend on their order, so threads, vector instructions and libraries cannot change them.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.conv import zeroed
from regio.nn.gain import RateTable, repeat_to
from regio.nn.precise import Kept, conv_by_taps, taps_of

WEIGHT_UNIT = 2.0**-12
WEIGHT_LIMIT = 8.0
ACTIVATION_UNIT = 2.0**-8
ACTIVATION_LIMIT = 2.0**10
INPUT_LIMIT = 255.0
FAN_IN_LIMIT = 2**20  # terms of one sum: 2**20 * 2**3 * 2**10 = 2**33
OUTPUT_SCALE = 8.0  # the last layer's output times this: levels run to 63, layers like values near one
SLOPE = 0.125  # of the leaky rectifier: a power of two, so that it stays exact


class FixedConv(nn.Conv2d):
    """A convolution of stride 1, zeros outside, which can also be computed in fixed point."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__(before, after, kernel, padding=kernel // 2)
        self._kept: Kept[tuple[Tensor, Tensor]] = Kept()

    def exact(self, x: Tensor) -> Tensor:
        """x (B,before,h,w) in fixed point, float64 on the CPU -> (B,after,h,w), exact."""
        assert self.bias is not None
        return conv_by_taps(x, *self._kept.of((self.weight, self.bias), self._rounded))

    def _rounded(self) -> tuple[Tensor, Tensor]:
        weight, bias = fixed_weights(self)
        return taps_of(weight), bias


class FixedPointNet(nn.Module):
    """Hyper-latent symbols -> one number per latent (scale levels), upsampled by 2 as often as `ups` says.

        z ─ conv ─ +rate ─ leaky ─ [conv ─ shuffle ×2 ─ leaky] × ups ─ 1×1 ─ +rate ─► levels

    `forward` computes in float32 and is trained; `exact` computes in fixed point and is what files depend on. They
    differ by rounding alone. Ours: the papers' scale networks are floating-point.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], start: Tensor) -> None:
        """channels: of z; widths: before and after each of the len(widths) - 1 upsamplings.

        start (points, out): the output that training begins with, by rate point.
        """
        super().__init__()
        self.first = FixedConv(channels, widths[0], 3)
        self.ups = nn.ModuleList(FixedConv(a, 4 * b, 3) for a, b in pairwise(widths))
        self.last = FixedConv(widths[-1], start.shape[1], 1)
        self.rate_first = RateTable(torch.zeros(len(start), widths[0]))
        self.rate_last = RateTable(start / OUTPUT_SCALE)
        if max(9 * channels, *(9 * w for w in widths)) > FAN_IN_LIMIT:
            raise ValueError("too many channels for exact sums")

    def forward(self, symbols: Tensor, rate: Tensor) -> Tensor:
        """symbols (B,C,h,w), whole numbers; rate (B,) or (B,1,h,w) -> (B,out,h*2**ups,w*2**ups) float32."""
        with torch.autocast(symbols.device.type, enabled=False):
            x = self.first(symbols.float().clamp(-INPUT_LIMIT, INPUT_LIMIT)) + self.rate_first(rate)
            x = F.leaky_relu(x, SLOPE)
            for conv in self.ups:
                x = F.leaky_relu(F.pixel_shuffle(conv(x), 2), SLOPE)
            levels: Tensor = (self.last(x) + repeat_to(self.rate_last(rate), _size(x))) * OUTPUT_SCALE
        return levels

    @torch.no_grad()
    def exact(self, symbols: Tensor, step: Tensor) -> Tensor:
        """symbols (B,C,h,w), step (B,) or (B,1,h,w) int64 rate steps -> (B,out,...) float64 on the CPU, exact."""
        x = symbols.cpu().double().clamp(-INPUT_LIMIT, INPUT_LIMIT)
        step = step.cpu()
        x = exact_leaky(self.first.exact(x) + self.rate_first.exact(step, WEIGHT_UNIT))
        for conv in self.ups:
            assert isinstance(conv, FixedConv)
            x = exact_leaky(F.pixel_shuffle(conv.exact(x), 2))
        return (self.last.exact(x) + repeat_to(self.rate_last.exact(step, WEIGHT_UNIT), _size(x))) * OUTPUT_SCALE


class FixedPointContext(nn.Module):
    """What symbols that are already decoded say about those to come: 3x3 ─ [+rate] ─ leaky ─ 1x1; starts as zero.

    Works on multiples of 1/8 such as `magnitudes`. `forward` and `exact` as in `FixedPointNet`.
    """

    def __init__(self, channels: int, inner: int, out: int, points: int = 0) -> None:
        """points: of the rate, where it has a say."""
        super().__init__()
        self.first = FixedConv(channels, inner, 3)
        self.rate = RateTable(torch.zeros(points, inner)) if points else None
        self.last = zeroed(FixedConv(inner, out, 1))
        if 9 * channels > FAN_IN_LIMIT:
            raise ValueError("too many channels for exact sums")

    def forward(self, seen: Tensor, rate: Tensor | None = None) -> Tensor:
        """seen (B,C,h,w); rate (B,) or (B,1,h,w) -> (B,out,h,w) float32."""
        with torch.autocast(seen.device.type, enabled=False):
            x = self.first(seen.float())
            if self.rate is not None and rate is not None:
                x = x + self.rate(rate)
            more: Tensor = self.last(F.leaky_relu(x, SLOPE)) * OUTPUT_SCALE
        return more

    @torch.no_grad()
    def exact(self, seen: Tensor, step: Tensor | None = None) -> Tensor:
        """seen (B,C,h,w) float64 on the CPU; step: rate steps as in FixedPointNet -> (B,out,h,w) float64, exact."""
        x = self.first.exact(seen)
        if self.rate is not None and step is not None:
            x = x + self.rate.exact(step.cpu(), WEIGHT_UNIT)
        return self.last.exact(exact_leaky(x)) * OUTPUT_SCALE


def magnitudes(symbols: Tensor) -> Tensor:
    """Whole numbers -> about log2(1 + |symbol|) in eighths, the same on every machine: a table and no logarithm."""
    table = symbols.new_tensor(_MAGNITUDES) / 8
    places = symbols.abs().nan_to_num().clamp_max(len(_MAGNITUDES) - 1).long()
    return table.index_select(0, places.flatten()).view(symbols.shape)


# 8 log2(1 + k) to the nearest whole number
_MAGNITUDES = (0, 8, 13, 16, 19, 21, 22, 24, 25, 27, 28, 29, 30, 30, 31, 32)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


def fixed(x: Tensor, unit: float) -> Tensor:
    """Nearest multiple of `unit`, halves up: floor is exact, a rounding mode need not be the same everywhere."""
    return torch.floor(x / unit + 0.5) * unit


def exact_leaky(x: Tensor) -> Tensor:
    """The leaky rectifier in fixed point, bounded."""
    return fixed(torch.where(x > 0, x, x * SLOPE), ACTIVATION_UNIT).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def fixed_weights(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weights and biases, rounded to fixed point; float64 on the CPU."""
    assert conv.bias is not None
    weight, bias = (
        fixed(p.detach().cpu().double().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT), WEIGHT_UNIT)
        for p in (conv.weight, conv.bias)
    )
    return weight, bias
