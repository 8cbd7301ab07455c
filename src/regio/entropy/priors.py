"""Learned priors."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.entropy.tables import FactorizedTables, integer_counts, with_escape

LIKELIHOOD_FLOOR = 1e-9
_WIDTHS = (1, 3, 3, 3, 3, 1)
_TAIL = 1e-9  # the mass the learned outer quantiles leave on either side, together
_SPAN = 1024  # symbols looked at on either side of the median when a table is cut
_CUT = 2.0**-17  # a table ends where less than this is left beyond it


class FactorizedPrior(nn.Module):
    """Fully factorised prior: one learned cumulative distribution function per channel.

    Univariate non-parametric density model of Balle et al. 2018 (appendix 6.1), filters 3, 3, 3, 3, as [Liu2024] and
    [Li2023] use it. Values are rounded around the channel's *median*, the middle one of three learned quantiles, which
    `quantile_loss` alone trains.
    """

    def __init__(self, channels: int, init_scale: float = 10.0) -> None:
        super().__init__()
        self.channels = channels
        scale = init_scale ** (1 / (len(_WIDTHS) - 1))
        matrices, biases, factors = [], [], []
        for fan_in, fan_out in pairwise(_WIDTHS):
            start = float(np.log(np.expm1(1 / scale / fan_out)))
            matrices.append(nn.Parameter(torch.full((channels, fan_out, fan_in), start)))
            biases.append(nn.Parameter(torch.rand(channels, fan_out, 1) - 0.5))
            factors.append(nn.Parameter(torch.zeros(channels, fan_out, 1)))
        self.matrices = nn.ParameterList(matrices)
        self.biases = nn.ParameterList(biases)
        self.factors = nn.ParameterList(factors[:-1])
        self.quantiles = nn.Parameter(torch.tensor([-init_scale, 0.0, init_scale]).repeat(channels, 1, 1))

    def medians(self) -> Tensor:
        """(C,1,1), without gradient: rounding offsets are not trained by the rate."""
        return self.quantiles[:, 0, 1].detach().view(-1, 1, 1)

    def round(self, values: Tensor) -> Tensor:
        """Values (B,C,h,w) -> integers as floats (B,C,h,w): the symbols, counted from the median."""
        return torch.round(values - self.medians())

    def bits(self, values: Tensor) -> Tensor:
        """Values (B,C,h,w), rounded or noisy -> bits (B,C,h,w), each likelihood at least 1e-9."""
        b, c, h, w = values.shape
        flat = values.float().transpose(0, 1).reshape(c, 1, -1)
        with torch.autocast(values.device.type, enabled=False):  # probabilities are never computed in half precision
            lower, upper = self._logits(flat - 0.5), self._logits(flat + 0.5)
        sign = -torch.sign(lower + upper).detach()  # the side where the sigmoids do not saturate
        likelihood = torch.abs(torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower))
        likelihood = likelihood + (likelihood.clamp_min(LIKELIHOOD_FLOOR) - likelihood).detach()
        return -torch.log2(likelihood).reshape(c, b, h, w).transpose(0, 1)

    def quantile_loss(self) -> Tensor:
        """A scalar loss that trains the quantiles only: towards the tails and the median of the density."""
        target = float(np.log(2 / _TAIL - 1))
        logits = self._logits(self.quantiles, frozen=True)
        return (logits - logits.new_tensor([-target, 0.0, target])).abs().sum()

    @torch.no_grad()
    def tables(self) -> FactorizedTables:
        """Integer tables of this prior, computed in float64 on the CPU.

        Done once, at export: another machine may round otherwise.
        """
        offsets = torch.arange(-_SPAN, _SPAN + 2, dtype=torch.float64) - 0.5
        points = self.quantiles[:, :, 1:2].double().cpu() + offsets
        cdf = torch.sigmoid(self._logits(points)).squeeze(1).numpy()
        lowest, lengths, counts = [], [], []
        for row in cdf:
            first = min(max(int(np.searchsorted(row, _CUT)) - 1, 0), _SPAN)
            last = max(min(int(np.searchsorted(row, 1 - _CUT)), 2 * _SPAN), _SPAN)
            table = integer_counts(with_escape(np.diff(row[first : last + 2])))
            lowest.append(first - _SPAN)
            lengths.append(len(table))
            counts.append(table)
        joined = np.concatenate(counts).astype(np.int32)
        return FactorizedTables(np.array(lowest, np.int32), np.array(lengths, np.int32), joined)

    def _logits(self, x: Tensor, frozen: bool = False) -> Tensor:
        """x (C,1,N) -> logits of the cumulative distribution (C,1,N), in the dtype and on the device of x."""

        def ready(parameter: Tensor) -> Tensor:
            return (parameter.detach() if frozen else parameter).to(x)

        for k, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = torch.matmul(F.softplus(ready(matrix)), x) + ready(bias)
            if k < len(self.factors):
                x = x + torch.tanh(ready(self.factors[k])) * torch.tanh(x)
        return x
