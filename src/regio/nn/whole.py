"""Networks of whole numbers that every float32 engine computes exactly.

What turns decoded integers into indices of probability tables must agree between encoder and decoder to the last bit.
Here weights are whole numbers of at most 7 bits and a sign, times a power of two for each filter. Activations are whole
numbers from 0 to 255 (inputs from -127 to 127), times a power of two for each layer. For each filter
sum |w| * 255 + |bias| stays below 2**24, so each partial sum is a whole number that float32 holds exactly. The order of
summation has no effect: CPUs, GPUs with TF32 or with bfloat16 inputs and float32 sums, WebAssembly and WebGPU agree.

There is one arithmetic for training and for files: rounding passes gradients straight through (Bengio et al. 2013).
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.conv import zeroed
from regio.nn.gain import RateTable, rate_step, repeat_to
from regio.nn.precise import Kept, conv_by_taps, taps_of

WEIGHT_BITS = 7  # and a sign
WEIGHT_SUM = 2**15  # of |w| of one filter, halved until it is less
BIAS_LIMIT = 2**22  # 2**15 * 255 + the half units of rounding * 255 + 2**22 < 2**24 up to FAN_IN_LIMIT
FAN_IN_LIMIT = 2**13
SCALE_BITS = 20  # powers of two of filters: 2**-20 to 2**20
INPUT_LIMIT = 127  # units
INPUT_UNIT = 2.0**-3
HIDDEN_LIMIT = 255  # units
HIDDEN_UNIT = 2.0**-4
OUTPUT_UNIT = 2.0**-6  # of a layer's sum that leaves a network
OUTPUT_SCALE = 8.0  # the output times this: levels run to 63, layers like values near one


def nearest(x: Tensor) -> Tensor:
    """The nearest whole number, halves up: the same on every machine. The gradient passes."""
    return x + (torch.floor(x + 0.5) - x).detach()


def whole_input(x: Tensor) -> Tensor:
    """Any numbers -> the nearest multiples of INPUT_UNIT, at most INPUT_LIMIT of them."""
    return nearest(x / INPUT_UNIT).clamp(-INPUT_LIMIT, INPUT_LIMIT) * INPUT_UNIT


def rectified(x: Tensor) -> Tensor:
    """The rectifier: multiples of HIDDEN_UNIT from 0 to HIDDEN_LIMIT of them."""
    return nearest(x / HIDDEN_UNIT).clamp(0, HIDDEN_LIMIT) * HIDDEN_UNIT


def delivered(x: Tensor) -> Tensor:
    """The output of a network: multiples of OUTPUT_UNIT * OUTPUT_SCALE."""
    return nearest(x / OUTPUT_UNIT) * (OUTPUT_UNIT * OUTPUT_SCALE)


class WholeFilters(NamedTuple):
    """A filter bank and its bias as whole numbers: weight / scale, and bias * unit / scale, are what they stand for."""

    weight: Tensor  # (out,in,k,k), -127 to 127
    bias: Tensor  # (out,)
    scale: Tensor  # (out,), powers of two


@torch.no_grad()
def whole_filters(weight: Tensor, bias: Tensor, unit: float) -> WholeFilters:
    """weight (out,in,k,k), bias (out,), unit of the input -> the same in whole numbers.

    The power of two of each filter is the largest that keeps its weights within 7 bits and its sum within WEIGHT_SUM.
    """
    limit = 2**WEIGHT_BITS - 1
    _, exponent = torch.frexp(weight.abs().amax(dim=(1, 2, 3)))  # the largest weight is less than 2**exponent
    scale = torch.ldexp(torch.ones_like(bias), (WEIGHT_BITS - exponent).clamp(-SCALE_BITS, SCALE_BITS))
    whole = torch.floor(weight * scale[:, None, None, None] + 0.5).clamp(-limit, limit)
    total = whole.abs().sum(dim=(1, 2, 3))
    for halvings in range(5):  # FAN_IN_LIMIT * 127 is less than 2**5 * WEIGHT_SUM
        scale = torch.where(total > 2**halvings * WEIGHT_SUM, scale / 2, scale)
    whole = torch.floor(weight * scale[:, None, None, None] + 0.5).clamp(-limit, limit)
    return WholeFilters(whole, torch.floor(bias * (scale / unit) + 0.5).clamp(-BIAS_LIMIT, BIAS_LIMIT), scale)


def whole_weights(weight: Tensor, bias: Tensor, unit: float) -> tuple[Tensor, Tensor]:
    """A filter bank (out,in,k,k) and its bias (out,), rounded as `whole_filters` says. The gradient passes."""
    whole = whole_filters(weight, bias, unit)
    rounded, offset = whole.weight / whole.scale[:, None, None, None], whole.bias * (unit / whole.scale)
    return weight + (rounded - weight).detach(), bias + (offset - bias).detach()


class WholeConv(nn.Conv2d):
    """A convolution of stride 1, zeros outside, in whole numbers."""

    def __init__(self, before: int, after: int, kernel: int, unit: float) -> None:
        """unit: what the input is a multiple of."""
        super().__init__(before, after, kernel, padding=kernel // 2)
        if before * kernel**2 > FAN_IN_LIMIT:
            raise ValueError(f"{before} channels by {kernel}x{kernel} are too many for exact sums")
        self.unit = unit
        self._kept: Kept[tuple[Tensor, Tensor]] = Kept()

    def forward(self, x: Tensor) -> Tensor:
        """x (B,before,h,w), float32 multiples of the unit -> (B,after,h,w)."""
        assert self.bias is not None
        if torch.is_grad_enabled():
            return F.conv2d(x, *whole_weights(self.weight, self.bias, self.unit), padding=self.padding)
        # products of matrices, never a transform: Winograd's fractions are not exact
        return conv_by_taps(x, *self._kept.of((self.weight, self.bias), self._rounded))

    def _rounded(self) -> tuple[Tensor, Tensor]:
        assert self.bias is not None
        weight, bias = whole_weights(self.weight, self.bias, self.unit)
        return taps_of(weight), bias


class WholeRate(nn.Module):
    """A rate table in whole numbers: the same multiples of its unit on every machine."""

    def __init__(self, start: Tensor, unit: float) -> None:
        """start (points, channels)."""
        super().__init__()
        self.table, self.unit = RateTable(start), unit

    def forward(self, rate: Tensor) -> Tensor:
        """Rates (B,) or (B,1,h,w) -> (B,C,1,1) or (B,C,h,w) float32."""
        exact = self.table.exact(rate_step(rate), self.unit).to(torch.float32)
        if not torch.is_grad_enabled():
            return exact
        smooth: Tensor = self.table(rate)
        return smooth + (exact - smooth).detach()


class WholeNet(nn.Module):
    """Hyper-latent -> one level per latent, upsampled by 2 as often as there are widths but one.

    z ─ conv ─ +rate ─ rectify ─ [conv ─ shuffle x2 ─ rectify] x ups ─ 1x1 ─ +rate ─► levels
    """

    def __init__(self, channels: int, widths: tuple[int, ...], start: Tensor) -> None:
        """channels: of z; start (points, out): the levels that training begins with, by rate point."""
        super().__init__()
        self.first = WholeConv(channels, widths[0], 3, INPUT_UNIT)
        self.ups = nn.ModuleList(WholeConv(a, 4 * b, 3, HIDDEN_UNIT) for a, b in pairwise(widths))
        self.last = WholeConv(widths[-1], start.shape[1], 1, HIDDEN_UNIT)
        self.rate_first = WholeRate(torch.zeros(len(start), widths[0]), OUTPUT_UNIT)
        self.rate_last = WholeRate(start / OUTPUT_SCALE, OUTPUT_UNIT)

    def forward(self, z: Tensor, rate: Tensor) -> Tensor:
        """z (B,C,h,w), multiples of INPUT_UNIT; rate (B,) or (B,1,h,w) -> (B,out,h*2**ups,w*2**ups)."""
        with torch.autocast(z.device.type, enabled=False):
            x = rectified(self.first(z) + self.rate_first(rate))
            for conv in self.ups:
                x = rectified(F.pixel_shuffle(conv(x), 2))
            size = x.shape[2], x.shape[3]
            levels: Tensor = delivered(self.last(x)) + repeat_to(self.rate_last(rate), size) * OUTPUT_SCALE
        return levels


class WholeContext(nn.Module):
    """Predicts levels from decoded symbols: [1x1 ─ rectify ─] 3x3 ─ [+rate] ─ rectify ─ 1x1; starts as zero."""

    def __init__(self, channels: int, inner: int, out: int, points: int = 0, reduce: bool = False) -> None:
        """points: of the rate, where it has a say; reduce: to `inner` channels by a 1x1 first."""
        super().__init__()
        self.reduce = WholeConv(channels, inner, 1, INPUT_UNIT) if reduce else None
        self.first = WholeConv(inner if reduce else channels, inner, 3, HIDDEN_UNIT if reduce else INPUT_UNIT)
        self.rate = WholeRate(torch.zeros(points, inner), OUTPUT_UNIT) if points else None
        self.last = zeroed(WholeConv(inner, out, 1, HIDDEN_UNIT))

    def forward(self, seen: Tensor, rate: Tensor | None = None) -> Tensor:
        """seen (B,C,h,w), multiples of INPUT_UNIT -> (B,out,h,w)."""
        with torch.autocast(seen.device.type, enabled=False):
            x = seen if self.reduce is None else rectified(self.reduce(seen))
            x = self.first(x)
            if self.rate is not None and rate is not None:
                x = x + self.rate(rate)
            more: Tensor = delivered(self.last(rectified(x)))
        return more
