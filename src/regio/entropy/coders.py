"""The three coders to which a model gives its latents: one estimates, one writes, one reads.

A model says once, in one method, how its latents are coded:

    z_hat = coder.factorized("z", z, self.z_prior, size)
    y_hat = coder.gaussian("y", y, mean, level)

`RateEstimator` turns that into bits for the loss, `StreamWriter` into bytes, `StreamReader` turns bytes into the same
values; the reader ignores the values it is handed, which are None then.
"""

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regio.entropy.mixture import Mixture, Quantised, mixture_bits, quantise, read_mixture, write_mixture
from regio.entropy.positions import position_bits, read_positions, set_bits, write_positions
from regio.entropy.priors import LIKELIHOOD_FLOOR, FactorizedPrior
from regio.entropy.range_coder import SYMBOL_LIMIT, RangeReader, RangeWriter, Symbols
from regio.entropy.scales import level_to_scale
from regio.entropy.symbols import (
    TableSet,
    Written,
    read_factorized,
    read_gaussian,
    write_factorized,
    write_gaussian,
)
from regio.entropy.tables import LEVELS

Maybe = Tensor | None  # None where a reader is at work, or where there is nothing to say
Size = tuple[int, int]  # (h, w)


class Coder(Protocol):
    """The interface of estimator, writer and reader: a model passes its latents to one of them."""

    @property
    def exact(self) -> bool:
        """True for writers, readers, and estimators made with exact=True: levels must be those of files."""
        ...

    def factorized(self, stream: str, values: Maybe, prior: FactorizedPrior, size: Size, mask: Maybe = None) -> Tensor:
        """Code values (B,C,h,w) by a factorised prior -> decoded values (B,C,h,w).

        `size` is (h, w), which a reader cannot know from the values; positions where `mask` (B,h,w) is False cost
        nothing.
        """
        ...

    def gaussian(self, stream: str, values: Maybe, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """Code values (B,C,h,w) as N(mean, scale(level)) -> decoded values (B,C,h,w), round(values - mean) + mean.

        `level` (B,C,h,w) is the position on the scale table (`scale_to_level`). `guard` is the largest difference of a
        level between two machines that is provided for, in levels; 0 says that levels are exact integer arithmetic.
        """
        ...

    def mixture(self, stream: str, values: Maybe, mean: Tensor, mixture: Mixture) -> Tensor:
        """Code values (B,C,h,w) by Gaussian mixtures around a mean -> decoded values, round(values - mean) + mean.

        `mean` may drift by a hair from machine to machine, as for `gaussian`; the mixture (B,K,C,h,w) must be exact.
        """
        ...

    def positions(self, stream: str, kept: Maybe, size: Size, expected: int | None) -> Tensor:
        """Code which cells of a grid of `size` are kept, bool (B,h,w) -> the same, on any device.

        `expected`: their usual number, known to both sides; None if unknown.
        """
        ...


def straight_through(exact: Tensor, smooth: Tensor) -> Tensor:
    """The value of `exact` with the gradient of `smooth`."""
    return smooth + (exact - smooth).detach()


def gaussian_bits(residual: Tensor, scale: Tensor) -> Tensor:
    """Bits of N(0, scale**2) in the unit interval around residual, elementwise, each likelihood at least 1e-9."""
    inverse = math.sqrt(0.5) / scale
    distance = residual.abs()  # on the side where the error function does not saturate
    likelihood = 0.5 * (torch.erfc((distance - 0.5) * inverse) - torch.erfc((distance + 0.5) * inverse))
    return -torch.log2(straight_through(likelihood.clamp_min(LIKELIHOOD_FLOOR), likelihood))


class RateEstimator:
    """Collects the bits of every stream; for training and analysis.

    In training the rate is that of values with uniform noise, while the decoder sees rounded values with a
    straight-through gradient (as the published code of [Liu2024] and [Li2023] does); in evaluation both are of
    rounded values.
    exact: levels as files have them, exact where a model has such, and those of the nearest table.
    """

    def __init__(self, noisy: bool, generator: torch.Generator | None = None, exact: bool = False) -> None:
        self.noisy, self.exact = noisy, exact
        self.generator = generator
        self.bits: dict[str, Tensor] = {}

    def factorized(self, stream: str, values: Maybe, prior: FactorizedPrior, size: Size, mask: Maybe = None) -> Tensor:
        """See Coder."""
        assert values is not None
        rounded = prior.round(values) + prior.medians()
        bits = prior.bits(self._noise(values) if self.noisy else rounded)
        self._count(stream, bits if mask is None else bits * mask.unsqueeze(1))
        return straight_through(rounded, values)

    def gaussian(self, stream: str, values: Maybe, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder."""
        assert values is not None
        residual = (values - mean).float()
        rounded = torch.round(residual)
        level = level.to(residual.device, torch.float32)
        if self.exact:  # a file has the nearest table
            level = torch.floor(level + 0.5).clamp(0, LEVELS - 1)
        scale = level_to_scale(level)
        self._count(stream, gaussian_bits(self._noise(residual) if self.noisy else rounded, scale))
        return straight_through(rounded + mean, values)

    def mixture(self, stream: str, values: Maybe, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder."""
        assert values is not None
        residual = (values - mean).float()
        rounded = torch.round(residual)
        seen = self._noise(residual) if self.noisy else rounded
        self._count(stream, mixture_bits(seen, mixture, rounded=not self.noisy))
        return straight_through(rounded + mean, values)

    def positions(self, stream: str, kept: Maybe, size: Size, expected: int | None) -> Tensor:
        """See Coder. In training all sets of a size count the same: what tells them apart has no gradient."""
        assert kept is not None
        sets = kept.detach().cpu().numpy()
        if self.noisy:
            bits = [2 + set_bits(one.size, int(one.sum())) for one in sets]
        else:
            bits = [position_bits(one, expected) for one in sets]
        self.bits[stream] = self.bits.get(stream, 0) + torch.tensor(bits, device=kept.device)
        return kept

    def _noise(self, values: Tensor) -> Tensor:
        noise = torch.rand(values.shape, generator=self.generator, device=values.device)
        return values.float() + noise - 0.5

    def _count(self, stream: str, bits: Tensor) -> None:
        self.bits[stream] = self.bits.get(stream, 0) + bits.sum(dim=(1, 2, 3))


class StreamWriter:
    """Writes the latents of each picture of a batch into a byte string of its own."""

    exact = True

    def __init__(self, tables: TableSet, batch: int = 1) -> None:
        self.tables = tables
        self.writers = [RangeWriter() for _ in range(batch)]

    def factorized(self, stream: str, values: Maybe, prior: FactorizedPrior, size: Size, mask: Maybe = None) -> Tensor:
        """See Coder. Symbols go channel by channel, each channel in raster order."""
        assert values is not None
        assert mask is None, "files carry grid regions only, which are all present"
        symbols = _to_symbols(prior.round(values))
        for writer, picture in zip(self.writers, symbols, strict=True):
            write_factorized(writer, self.tables, stream, picture)
        return torch.from_numpy(symbols).to(values) + prior.medians()

    def gaussian(self, stream: str, values: Maybe, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder. First the guard list, then symbols by ascending table, those of one table in raster order."""
        assert values is not None
        symbols = _to_symbols(torch.round((values - mean).float()))
        for writer, picture, levels in zip(self.writers, symbols, _to_levels(level), strict=True):
            write_gaussian(writer, self.tables, picture, levels, guard)
        return torch.from_numpy(symbols).to(mean) + mean

    def mixture(self, stream: str, values: Maybe, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder. Symbols by the width of their tables, those of one width in raster order."""
        assert values is not None
        symbols = _to_symbols(torch.round((values - mean).float()))
        for writer, picture, whole in zip(self.writers, symbols, _pictures(mixture), strict=True):
            write_mixture(writer, picture.reshape(-1), whole)
            writer.log(picture)
        return torch.from_numpy(symbols).to(mean) + mean

    def positions(self, stream: str, kept: Maybe, size: Size, expected: int | None) -> Tensor:
        """See Coder."""
        assert kept is not None
        for writer, one in zip(self.writers, kept.cpu().numpy(), strict=True):
            write_positions(writer, one, expected)
        return kept

    def finish(self) -> list[Written]:
        """The byte string and the checksum of the symbols of each picture."""
        return [Written(writer.finish(), writer.checksum) for writer in self.writers]


class StreamReader:
    """Reads the latents of a batch of pictures back from their byte strings.

    CorruptFile where a string is too short even for the likeliest symbols, before any of them is read.
    """

    exact = True

    def __init__(self, tables: TableSet, payloads: list[bytes]) -> None:
        self.tables = tables
        self.readers = [RangeReader(payload) for payload in payloads]

    def factorized(self, stream: str, values: Maybe, prior: FactorizedPrior, size: Size, mask: Maybe = None) -> Tensor:
        """See Coder; ignores `values`."""
        symbols = np.stack([read_factorized(reader, self.tables, stream, size) for reader in self.readers])
        medians = prior.medians()
        return torch.from_numpy(symbols).to(medians) + medians

    def gaussian(self, stream: str, values: Maybe, mean: Tensor, level: Tensor, guard: float) -> Tensor:
        """See Coder; ignores `values`."""
        pairs = zip(self.readers, _to_levels(level), strict=True)
        symbols = np.stack([read_gaussian(reader, self.tables, levels, guard) for reader, levels in pairs])
        return torch.from_numpy(symbols).to(mean) + mean

    def mixture(self, stream: str, values: Maybe, mean: Tensor, mixture: Mixture) -> Tensor:
        """See Coder; ignores `values`."""
        symbols = np.empty(tuple(mean.shape), np.int32)
        for reader, picture, whole in zip(self.readers, symbols, _pictures(mixture), strict=True):
            picture[...] = read_mixture(reader, whole).reshape(picture.shape)
            reader.log(picture)
        return torch.from_numpy(symbols).to(mean) + mean

    def positions(self, stream: str, kept: Maybe, size: Size, expected: int | None) -> Tensor:
        """See Coder; ignores `kept`."""
        return torch.from_numpy(np.stack([read_positions(reader, size, expected) for reader in self.readers]))

    def finish(self) -> list[int]:
        """The checksum of the symbols of each picture."""
        return [reader.checksum for reader in self.readers]


def _to_symbols(rounded: Tensor) -> Symbols:
    whole = torch.nan_to_num(rounded.detach()).clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
    return whole.to("cpu", torch.int32).contiguous().numpy()


def _to_levels(level: Tensor) -> NDArray[np.float64]:
    """(B,C,h,w) in float64 on the CPU."""
    return level.detach().to("cpu", torch.float64).contiguous().numpy()


def _pictures(mixture: Mixture) -> Iterator[Quantised]:
    """Mixtures (B,K,C,h,w) -> for each picture the whole numbers (K,C*h*w) on the CPU."""
    whole = quantise(Mixture(*(part.detach().cpu() for part in mixture)))
    for parts in zip(*(part.flatten(2) for part in whole), strict=True):
        yield Quantised(*parts)
