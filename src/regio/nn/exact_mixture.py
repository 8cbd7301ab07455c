"""The network behind Gaussian mixtures, in floating point for training and in fixed point for files.

    levels / 8 ────────── 1×1 ─┐
    symbols around ────── k×k ─┴─ + ─ leaky ─ [1×1 ─ leaky] ... ─ 1×1 ─► of each component: level, offset, logit

Whole numbers go in, multiples of 2**-20 come out, and all between is fixed point as in `regio.nn.fixed_point`: no two
machines can differ. The papers' networks are floating-point.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regio.nn.fixed_point import (
    ACTIVATION_LIMIT,
    ACTIVATION_UNIT,
    FAN_IN_LIMIT,
    OUTPUT_SCALE,
    SLOPE,
    exact_leaky,
    fixed,
    fixed_weights,
    magnitudes,
)
from regio.nn.norm import lower_bound

KINDS = 3  # numbers of a component: change of level, offset, logit
SPREAD = 8.0  # levels between the components of a fresh network: a factor of 2.7 in scale
CHANGE = OUTPUT_SCALE  # of a level, by one unit of output


class Shapes(NamedTuple):
    """The parameters of a mixture, (B,K,C,h,w) each."""

    level: Tensor
    offset: Tensor
    logit: Tensor


class MixtureNet(nn.Module):
    """See module. It computes in float32 and is trained; `prepared` gives what files depend on."""

    causal: Tensor | None

    def __init__(self, latent: int, widths: tuple[int, ...], components: int, causal: Tensor | None) -> None:
        """latent: channels; widths: of the hidden layers; causal (k,k): which neighbours are known, None where none is.

        Fresh, it gives components around zero, whose scales span a factor of 7, whatever it sees.
        """
        super().__init__()
        self.latent, self.components = latent, components
        self.levels = nn.Conv2d(latent, widths[0], 1)
        self.register_buffer("causal", causal, persistent=False)
        kernel = 0 if causal is None else len(causal)
        self.around = nn.Conv2d(2 * latent, widths[0], kernel, padding=kernel // 2) if kernel else None
        self.hidden_layers = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], latent * KINDS * components, 1)
        if max(kernel**2 * 2 * latent, latent, *widths) > FAN_IN_LIMIT:
            raise ValueError("too many channels for exact sums")
        middle = torch.arange(components) - (components - 1) / 2
        start = torch.stack([middle * SPREAD / CHANGE, torch.zeros(components), -middle.abs()])
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():
            self.last.bias.copy_(start.flatten().repeat(latent))  # type: ignore[union-attr]

    def context(self, seen: Tensor) -> Tensor:
        """What `companded` makes of known symbols, 0 elsewhere, (B,2C,h,w) -> (B,widths[0],h,w)."""
        assert self.around is not None
        assert self.causal is not None
        with torch.autocast(seen.device.type, enabled=False):
            kernel = self.around.weight * self.causal
            features: Tensor = F.conv2d(seen.float(), kernel, self.around.bias, padding=self.around.padding)
        return features

    def hidden(self, level: Tensor, around: Tensor | None) -> Tensor:
        """level (B,C,h,w), around: of `context`, None where nothing is known -> (B,widths[-1],h,w)."""
        with torch.autocast(level.device.type, enabled=False):
            x = self.levels(level / CHANGE)
            x = F.leaky_relu(x if around is None else x + around, SLOPE)
            for layer in self.hidden_layers:
                x = F.leaky_relu(layer(x), SLOPE)
        return x

    def shapes(self, hidden: Tensor, level: Tensor, part: slice) -> Shapes:
        """The mixtures of some channels."""
        with torch.autocast(level.device.type, enabled=False):
            raw = self.last(hidden)
            raw = raw.reshape(len(raw), self.latent, KINDS, self.components, *raw.shape[2:])[:, part]
            change, offset, logit = raw.permute(2, 0, 3, 1, 4, 5)
            return Shapes(lower_bound(level[:, None, part] + change * CHANGE, 0.0), offset, logit)

    @torch.no_grad()
    def prepared(self) -> "ExactMixtureNet":
        """The same in fixed point."""
        known = None if self.causal is None else self.causal.flatten().bool().cpu()
        return ExactMixtureNet(
            self.components,
            _layer(self.levels),
            tuple(_layer(layer) for layer in self.hidden_layers if isinstance(layer, nn.Conv2d)),
            _layer(self.last),
            None if self.around is None or known is None else _layer(self.around, known),
            known,
        )


class Layer(NamedTuple):
    """A convolution as a matrix (out, in * taps) and a bias (out, 1), in fixed point."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(B,in*taps,n) -> (B,out,n)."""
        return self.weight @ x + self.bias


def _layer(conv: nn.Conv2d, known: Tensor | None = None) -> Layer:
    weight, bias = fixed_weights(conv)
    weight = weight.flatten(2)
    return Layer((weight if known is None else weight[..., known]).flatten(1), bias[:, None])


@dataclass(frozen=True)
class ExactMixtureNet:
    """A MixtureNet in fixed point; all tensors float64 on the CPU. Made once for each walk over a latent."""

    components: int
    levels: Layer
    hidden_layers: tuple[Layer, ...]
    last: Layer
    around: Layer | None
    known: Tensor | None  # (k*k,) bool

    def context(self, seen: Tensor) -> Tensor:
        """See MixtureNet; with a frame of k // 2 around `seen`, as a serial reader keeps it, for what lies within."""
        assert self.around is not None
        assert self.known is not None
        kernel = round(len(self.known) ** 0.5)
        height, width = seen.shape[2] - kernel + 1, seen.shape[3] - kernel + 1
        taps = [
            seen[:, :, t // kernel : t // kernel + height, t % kernel : t % kernel + width]
            for t in self.known.nonzero().flatten().tolist()
        ]
        features = self.around(torch.stack(taps, dim=2).reshape(len(seen), -1, height * width))
        return features.reshape(*features.shape[:2], height, width)

    def hidden(self, level: Tensor, around: Tensor | None) -> Tensor:
        """See MixtureNet."""
        bounded = fixed(level / CHANGE, ACTIVATION_UNIT).clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)
        x = self.levels(bounded.flatten(2))
        x = exact_leaky(x if around is None else x + around.flatten(2))
        for layer in self.hidden_layers:
            x = exact_leaky(layer(x))
        return x.reshape(*x.shape[:2], *level.shape[2:])

    def shapes(self, hidden: Tensor, level: Tensor, part: slice) -> Shapes:
        """See MixtureNet."""
        each = KINDS * self.components
        rows = slice(part.start * each, part.stop * each)
        raw = Layer(self.last.weight[rows], self.last.bias[rows])(hidden.flatten(2))
        raw = raw.reshape(len(raw), -1, KINDS, self.components, *hidden.shape[2:])
        change, offset, logit = raw.permute(2, 0, 3, 1, 4, 5)
        return Shapes(level[:, None, part] + change * CHANGE, offset, logit)


def companded(symbols: Tensor) -> Tensor:
    """Whole numbers (B,C,h,w) -> (B,2C,h,w): about log2(1 + |symbol|) with its sign, and without."""
    size = magnitudes(symbols)
    return torch.cat([size * symbols.sign(), size], dim=1)
