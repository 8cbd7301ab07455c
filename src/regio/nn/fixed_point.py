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

from regio.nn.gain import RateTable, repeat_to

WEIGHT_UNIT = 2.0**-12
WEIGHT_LIMIT = 8.0
ACTIVATION_UNIT = 2.0**-8
ACTIVATION_LIMIT = 2.0**10
INPUT_LIMIT = 255.0
FAN_IN_LIMIT = 2**20  # terms of one sum: 2**20 * 2**3 * 2**10 = 2**33
OUTPUT_SCALE = 8.0  # the last layer's output times this: levels run to 63, layers like values near one
_SLOPE = 0.125  # of the leaky rectifier: a power of two, so that it stays exact


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
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.ups = nn.ModuleList(nn.Conv2d(a, 4 * b, 3, padding=1) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], start.shape[1], 1)
        self.rate_first = RateTable(torch.zeros(len(start), widths[0]))
        self.rate_last = RateTable(start / OUTPUT_SCALE)
        if max(9 * channels, *(9 * w for w in widths)) > FAN_IN_LIMIT:
            raise ValueError("too many channels for exact sums")

    def forward(self, symbols: Tensor, rate: Tensor) -> Tensor:
        """symbols (B,C,h,w), whole numbers; rate (B,) or (B,1,h,w) -> (B,out,h*2**ups,w*2**ups) float32."""
        with torch.autocast(symbols.device.type, enabled=False):
            x = self.first(symbols.float().clamp(-INPUT_LIMIT, INPUT_LIMIT)) + self.rate_first(rate)
            x = F.leaky_relu(x, _SLOPE)
            for conv in self.ups:
                x = F.leaky_relu(F.pixel_shuffle(conv(x), 2), _SLOPE)
            levels: Tensor = (self.last(x) + repeat_to(self.rate_last(rate), _size(x))) * OUTPUT_SCALE
        return levels

    @torch.no_grad()
    def exact(self, symbols: Tensor, step: Tensor) -> Tensor:
        """symbols (B,C,h,w), step (B,) or (B,1,h,w) int64 rate steps -> (B,out,...) float64 on the CPU, exact."""
        x = symbols.cpu().double().clamp(-INPUT_LIMIT, INPUT_LIMIT)
        step = step.cpu()
        x = _leaky(_exact_conv(self.first, x) + self.rate_first.exact(step, WEIGHT_UNIT))
        for conv in self.ups:
            assert isinstance(conv, nn.Conv2d)
            x = _leaky(F.pixel_shuffle(_exact_conv(conv, x), 2))
        return (_exact_conv(self.last, x) + repeat_to(self.rate_last.exact(step, WEIGHT_UNIT), _size(x))) * OUTPUT_SCALE


class FixedPointContext(nn.Module):
    """What symbols that are already decoded say about the spread of those to come: 3x3 ─ leaky ─ 1x1.

    Works on `magnitudes`, gives what is to be added to the levels, and starts as zero. `forward` and `exact` as in
    `FixedPointNet`.
    """

    def __init__(self, channels: int, inner: int, out: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, inner, 3, padding=1)
        self.last = nn.Conv2d(inner, out, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]
        if 9 * channels > FAN_IN_LIMIT:
            raise ValueError("too many channels for exact sums")

    def forward(self, seen: Tensor) -> Tensor:
        """Magnitudes (B,C,h,w) -> (B,out,h,w) float32."""
        with torch.autocast(seen.device.type, enabled=False):
            more: Tensor = self.last(F.leaky_relu(self.first(seen.float()), _SLOPE)) * OUTPUT_SCALE
        return more

    @torch.no_grad()
    def exact(self, seen: Tensor) -> Tensor:
        """Magnitudes (B,C,h,w) float64 on the CPU -> (B,out,h,w) float64, exact."""
        return _exact_conv(self.last, _leaky(_exact_conv(self.first, seen))) * OUTPUT_SCALE


def magnitudes(symbols: Tensor) -> Tensor:
    """Whole numbers -> about log2(1 + |symbol|) in eighths, the same on every machine: a table and no logarithm."""
    table = symbols.new_tensor(_MAGNITUDES) / 8
    return table[symbols.abs().clamp_max(len(_MAGNITUDES) - 1).long()]


# 8 log2(1 + k) to the nearest whole number
_MAGNITUDES = (0, 8, 13, 16, 19, 21, 22, 24, 25, 27, 28, 29, 30, 30, 31, 32)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[2], x.shape[3]


def _fixed(x: Tensor, unit: float) -> Tensor:
    """Nearest multiple of `unit`, halves up: floor is exact, a rounding mode need not be the same everywhere."""
    return torch.floor(x / unit + 0.5) * unit


def _leaky(x: Tensor) -> Tensor:
    return _fixed(torch.where(x > 0, x, x * _SLOPE), ACTIVATION_UNIT).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def _exact_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    assert conv.bias is not None
    weight, bias = (
        _fixed(p.detach().cpu().double().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT), WEIGHT_UNIT)
        for p in (conv.weight, conv.bias)
    )
    return F.conv2d(x, weight, bias, padding=conv.padding)
