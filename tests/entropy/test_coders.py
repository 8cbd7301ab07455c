"""The three coders as propositions: reading gives what was written, writing costs what was estimated."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_codec import code_of_page

from regio.entropy import (
    FactorizedPrior,
    RateEstimator,
    StreamReader,
    StreamWriter,
    TableSet,
    level_to_scale,
    scale_to_level,
)
from regio.entropy.coders import gaussian_bits, straight_through
from regio.entropy.range_coder import SYMBOL_LIMIT
from regio.errors import CorruptFile

SymbolDecoder: Any = code_of_page()["SymbolDecoder"]


def prior_of(channels: int = 5) -> FactorizedPrior:
    torch.manual_seed(11)
    prior = FactorizedPrior(channels, init_scale=2.0).eval().requires_grad_(False)
    prior.quantiles[:, 0, 1] = torch.linspace(-0.4, 0.4, channels)
    return prior


def drawn(shape: tuple[int, ...], low: float, high: float, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Values that have the distribution their means and levels say."""
    generator = torch.Generator().manual_seed(seed)
    level = low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
    mean = torch.randn(shape, generator=generator) * 3
    values = mean + level_to_scale(level).float() * torch.randn(shape, generator=generator)
    return values, mean, level


@pytest.mark.parametrize(("low", "high"), [(0, 63), (-3, 2), (0, 15), (20, 40), (55, 66)])
def test_gaussian_values_cost_what_they_are_expected_to(low: float, high: float) -> None:
    values, mean, level = drawn((1, 20, 50, 50), low, high)
    estimator, writer = RateEstimator(noisy=False), StreamWriter(TableSet({}))
    level = level.round().clamp(0, 63)  # so that the estimate knows the scales that tables have
    estimator.gaussian("y", values, mean, level, 0.0)
    writer.gaussian("y", values, mean, level, 0.0)
    ideal = float(estimator.bits["y"]) / 8
    # 0.5 %: rounding of counts, cut tails (2e-5 of a table) and their escapes
    assert abs(len(writer.finish()[0].payload) - ideal) <= 0.005 * ideal + 4


def test_rounding_levels_to_tables_costs_little() -> None:
    values, mean, level = drawn((1, 20, 50, 50), 4, 45)
    estimator, writer = RateEstimator(noisy=False), StreamWriter(TableSet({}))
    estimator.gaussian("y", values, mean, level, 0.0)
    writer.gaussian("y", values, mean, level, 0.0)
    ideal = float(estimator.bits["y"]) / 8
    assert abs(len(writer.finish()[0].payload) - ideal) <= 0.005 * ideal + 4


def test_factorised_values_cost_what_they_are_expected_to() -> None:
    prior = prior_of()
    tables = TableSet({"z": prior.tables()})
    generator = np.random.default_rng(0)
    channels = []
    for channel, median in enumerate(prior.medians().flatten().tolist()):
        lowest, counts = prior.tables().channel(channel)
        symbols = generator.choice(len(counts) - 1, 4000, p=counts[:-1] / counts[:-1].sum()) + lowest
        channels.append(torch.from_numpy(symbols).float().view(1, 1, 40, 100) + median)
    values = torch.cat(channels, dim=1)
    estimator, writer = RateEstimator(noisy=False), StreamWriter(tables)
    estimator.factorized("z", values, prior, (40, 100))
    writer.factorized("z", values, prior, (40, 100))
    ideal = float(estimator.bits["z"]) / 8
    assert abs(len(writer.finish()[0].payload) - ideal) <= 0.005 * ideal + 4


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("guard", [0.0, 1e-2])
def test_reading_gives_what_writing_returned_in_every_picture_of_a_batch(batch: int, guard: float) -> None:
    prior = prior_of()
    tables = TableSet({"p": prior.tables(), "z": prior.tables()})
    writer = StreamWriter(tables, batch)
    z = torch.randn(batch, 5, 3, 4) * 20
    p = torch.randn(batch, 5, 1, 1) * 5
    values, mean, level = drawn((batch, 6, 12, 16), -2, 30)
    sent = [writer.factorized("p", p, prior, (1, 1)), writer.factorized("z", z, prior, (3, 4))]
    sent += [writer.gaussian("y", values[:, k : k + 3], mean[:, k : k + 3], level[:, k : k + 3], guard) for k in (0, 3)]
    written = writer.finish()
    reader = StreamReader(tables, [w.payload for w in written])
    received = [reader.factorized("p", None, prior, (1, 1)), reader.factorized("z", None, prior, (3, 4))]
    received += [reader.gaussian("y", None, mean[:, k : k + 3], level[:, k : k + 3], guard) for k in (0, 3)]
    assert all(torch.equal(a, b) for a, b in zip(sent, received, strict=True))
    assert reader.finish() == [w.symbol_crc for w in written]


def test_a_picture_costs_and_reads_the_same_alone_and_in_a_batch() -> None:
    prior = prior_of()
    tables = TableSet({"z": prior.tables()})
    z = torch.randn(3, 5, 4, 4) * 4
    together = StreamWriter(tables, 3)
    together.factorized("z", z, prior, (4, 4))
    for alone, written in zip(z, together.finish(), strict=True):
        writer = StreamWriter(tables)
        writer.factorized("z", alone[None], prior, (4, 4))
        assert writer.finish() == [written]


def test_writer_and_estimator_hand_the_model_the_same_values() -> None:
    prior = prior_of()
    values, mean, level = drawn((2, 5, 6, 7), 0, 40)
    estimator, writer = RateEstimator(noisy=False), StreamWriter(TableSet({"z": prior.tables()}), 2)
    pairs = [
        (coder.factorized("z", values, prior, (6, 7)), coder.gaussian("y", values, mean, level, 0.0))
        for coder in (estimator, writer)
    ]
    for estimated, written in zip(*pairs, strict=True):
        assert torch.allclose(estimated, written, atol=1e-5)  # straight_through adds and takes away: last bits differ


def test_the_decoder_of_the_specification_reads_what_the_writer_writes() -> None:
    """docs/format.md is complete: its code, which shares nothing with ours, gets every symbol of every stream."""
    prior = prior_of()
    tables = prior.tables()
    z = torch.randn(1, 5, 3, 4) * 6
    z[0, 0, 0, :2] = torch.tensor([5000.0, -5000.0])
    values, mean, level = drawn((1, 6, 8, 9), -2, 25)
    values[0, :2, 3, 3] += torch.tensor([4000.0, -4000.0])
    writer = StreamWriter(TableSet({"z": tables}))
    writer.factorized("z", z, prior, (3, 4))
    writer.gaussian("y", values[:, :3], mean[:, :3], level[:, :3], 0.0)
    writer.gaussian("y", values[:, 3:], mean[:, 3:], level[:, 3:], 0.02)
    (written,) = writer.finish()

    decoder = SymbolDecoder(written.payload)
    channels = [tables.channel(c) for c in range(5)]
    found = [symbol for lowest, counts in channels for symbol in decoder.group(12, lowest, counts.tolist())]
    assert found == prior.round(z).flatten().int().tolist()
    off = level[0, 3:] + 0.01  # a reader's levels need not be the writer's
    y = decoder.gaussian(level[0, :3].flatten().tolist(), False) + decoder.gaussian(off.flatten().tolist(), True)
    assert y == torch.round(values - mean).flatten().int().tolist()
    names = code_of_page()
    assert names["crc_of_symbols"](found + y) == written.symbol_crc


EXTREMES = (0.0, 1.0, -1.0, 1e3, -1e3, SYMBOL_LIMIT - 1.0, 1.0 - SYMBOL_LIMIT, SYMBOL_LIMIT, -SYMBOL_LIMIT)


@pytest.mark.parametrize("level", [-5.0, 0.0, 31.5, 63.0, 80.0])
def test_values_of_any_size_come_back(level: float) -> None:
    values = torch.tensor(EXTREMES).view(1, 1, 1, -1)
    writer = StreamWriter(TableSet({}))
    writer.gaussian("y", values, torch.zeros_like(values), torch.full_like(values, level), 0.0)
    reader = StreamReader(TableSet({}), [writer.finish()[0].payload])
    received = reader.gaussian("y", None, torch.zeros_like(values), torch.full_like(values, level), 0.0)
    assert received.flatten().tolist() == list(EXTREMES)


@pytest.mark.parametrize("wild", [math.inf, -math.inf, math.nan, 1e30])
def test_values_that_are_no_numbers_or_too_large_are_clipped_not_written_wrong(wild: float) -> None:
    values = torch.full((1, 1, 1, 2), wild)
    writer = StreamWriter(TableSet({}))
    sent = writer.gaussian("y", values, torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), 0.0)
    (written,) = writer.finish()
    reader = StreamReader(TableSet({}), [written.payload])
    received = reader.gaussian("y", None, torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), 0.0)
    assert torch.equal(sent, received)
    assert sent.abs().max() <= SYMBOL_LIMIT


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=80), seed=st.integers(0, 1000))
def test_whatever_the_bytes_a_reader_gives_values_or_corrupt_file(data: bytes, seed: int) -> None:
    prior = prior_of(2)
    _, mean, level = drawn((1, 3, 4, 5), -2, 66, seed)
    reader = StreamReader(TableSet({"z": prior.tables()}), [data])
    try:
        reader.factorized("z", None, prior, (2, 2))
        values = reader.gaussian("y", None, mean, level, 1e-2)
    except CorruptFile:
        return
    assert values.shape == (1, 3, 4, 5)


def test_noisy_rates_are_about_those_of_rounded_values() -> None:
    values, mean, level = drawn((1, 10, 40, 40), 15, 40)
    rounded, noisy = RateEstimator(noisy=False), RateEstimator(noisy=True, generator=torch.Generator().manual_seed(0))
    rounded.gaussian("y", values, mean, level, 0.0)
    noisy.gaussian("y", values, mean, level, 0.0)
    assert float(noisy.bits["y"] / rounded.bits["y"]) == pytest.approx(1, abs=0.02)  # 16,000 draws


def test_bits_of_both_parts_of_a_stream_add_up_per_picture() -> None:
    values, mean, level = drawn((2, 4, 6, 6), 0, 30)
    whole, parts = RateEstimator(noisy=False), RateEstimator(noisy=False)
    whole.gaussian("y", values, mean, level, 0.0)
    for k in (0, 2):
        parts.gaussian("y", values[:, k : k + 2], mean[:, k : k + 2], level[:, k : k + 2], 0.0)
    assert whole.bits["y"].shape == (2,)
    assert torch.allclose(whole.bits["y"], parts.bits["y"])


def test_absent_positions_cost_nothing() -> None:
    prior = prior_of()
    present = torch.tensor([[[True, False]], [[True, True]]])
    estimator = RateEstimator(noisy=False)
    values = torch.randn(1, 5, 1, 2).expand(2, -1, -1, -1)
    estimator.factorized("p", values, prior, (1, 2), present)
    alone = RateEstimator(noisy=False)
    alone.factorized("p", values[:1, :, :, :1], prior, (1, 1))
    assert torch.allclose(estimator.bits["p"][0], alone.bits["p"][0])
    assert estimator.bits["p"][1] > estimator.bits["p"][0]


def test_bits_are_those_of_the_interval_around_a_value() -> None:
    bits = gaussian_bits(torch.tensor([0.0, 1.0, -1.0, 100.0], dtype=torch.float64), torch.tensor(1.0))
    inside = math.erf(0.5 / math.sqrt(2))
    beside = 0.5 * (math.erf(1.5 / math.sqrt(2)) - math.erf(0.5 / math.sqrt(2)))
    assert bits.tolist() == pytest.approx([-math.log2(inside), *[-math.log2(beside)] * 2, -math.log2(1e-9)])


def test_rounding_passes_gradients_straight_through() -> None:
    values = torch.tensor([0.4, 1.6], requires_grad=True)
    hard = straight_through(torch.round(values), values)
    hard.sum().backward()
    assert hard.tolist() == [0.0, 2.0]
    assert values.grad is not None
    assert values.grad.tolist() == [1.0, 1.0]


def test_an_exact_estimate_is_of_the_nearest_table_as_files_are() -> None:
    values, mean = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1)) * 3, torch.zeros(1, 4, 16, 16)
    level = scale_to_level(torch.full_like(mean, 3.0))
    bits = []
    for shift in (-0.4, 0.0, 0.4):
        coder = RateEstimator(noisy=False, exact=True)
        coder.gaussian("y", values, mean, torch.floor(level) + shift, 0.0)
        bits.append(float(coder.bits["y"]))
    assert bits[0] == bits[1] == bits[2]
