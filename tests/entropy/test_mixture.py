"""Mixtures: what is coded costs what it should, on whole numbers alone."""

import numpy as np
import pytest
import torch
from toy_codec import code_of_page

from regio.entropy import Mixture, RateEstimator, StreamReader, StreamWriter, TableSet, level_to_scale
from regio.entropy.coders import gaussian_bits
from regio.entropy.mixture import (
    FINE,
    WEIGHTS,
    Quantised,
    _groups,
    _Parts,
    _rows,
    mixture_bits,
    quantise,
    read_mixture,
    write_mixture,
)
from regio.entropy.range_coder import RangeReader, RangeWriter

NO_TABLES = TableSet({})


def mixtures(base: float, seed: int = 0, size: tuple[int, ...] = (1, 40, 16, 24)) -> Mixture:
    """Three components a factor of about 2.7 apart, near level `base`, in float64."""
    dice = torch.Generator().manual_seed(seed)
    b, *rest = size
    level = torch.randn(b, 1, *rest, generator=dice) * 6 + base + torch.tensor([-8.0, 0, 8]).view(1, 3, 1, 1, 1)
    offset, logit = torch.randn(2, b, 3, *rest, generator=dice).unbind()
    return Mixture(level.double(), offset.double(), logit.double())


def drawn(mixture: Mixture, seed: int = 1) -> torch.Tensor:
    """Values that have these distributions."""
    torch.manual_seed(seed)
    whole = quantise(mixture)
    chosen = torch.distributions.Categorical(whole.weight.movedim(1, -1).float()).sample()[:, None]
    values = torch.randn(whole.level.shape) * level_to_scale(whole.level.float()) + whole.offset / FINE
    return values.gather(1, chosen)[:, 0]


def test_literal_whole_numbers() -> None:
    level = torch.tensor([3.5, -2.0, 99.0])
    offset = torch.tensor([0.0625, -0.0625, -40.0])
    logit = torch.tensor([0.0, -1.0, -1.0])
    whole = quantise(Mixture(*(part.double().view(1, 3, 1, 1, 1) for part in (level, offset, logit))))
    assert [part.flatten().tolist() for part in whole] == [[4, 0, 63], [1, 0, -128], [64, 32, 32]]


def test_weights_make_up_the_whole_and_never_less_than_nothing() -> None:
    logit = torch.randn(1, 3, 5, 8, 8, generator=torch.Generator().manual_seed(2)).double() * 9
    weight = quantise(Mixture(torch.zeros_like(logit), torch.zeros_like(logit), logit)).weight
    assert weight.min() >= 0
    assert bool((weight.sum(1) == WEIGHTS).all())
    exact = torch.softmax(logit * np.log(2), dim=1) * WEIGHTS
    assert (weight - exact).abs().max() < 8  # logits in eighths: within a factor of 2**(1/16) each


def test_equal_weights_leave_the_rest_to_the_first() -> None:
    zero = torch.zeros(1, 3, 1, 1, 1, dtype=torch.float64)
    assert quantise(Mixture(zero, zero, zero)).weight.flatten().tolist() == [44, 42, 42]


def test_not_a_number_is_some_number() -> None:
    lost = torch.full((1, 3, 1, 1, 1), float("nan"))
    assert all(bool(torch.isfinite(part.float()).all()) for part in quantise(Mixture(lost, lost, lost)))


def test_three_equal_components_cost_as_much_as_one() -> None:
    residual = torch.linspace(-9, 9, 64).view(1, 1, 8, 8)
    level = torch.full((1, 3, 1, 8, 8), 20.0)
    mixture = Mixture(level, torch.zeros_like(level), torch.randn(level.shape))
    for rounded in (False, True):
        found = mixture_bits(residual, mixture, rounded)
        torch.testing.assert_close(found, gaussian_bits(residual, level_to_scale(level[:, 0])), rtol=1e-4, atol=1e-5)


def test_the_gradient_is_that_of_the_logarithm() -> None:
    parts = [torch.randn(1, 3, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    residual = torch.randn(1, 2, 2, 2, dtype=torch.float64)

    def bits(level: torch.Tensor, offset: torch.Tensor, logit: torch.Tensor) -> torch.Tensor:
        return mixture_bits(residual, Mixture(level * 3 + 20, offset, logit), rounded=False)

    found = torch.autograd.grad(bits(*parts).sum(), parts)
    step = 1e-2  # in single precision, so that the difference is far above its rounding
    for number, gradient in enumerate(found):
        moved = [p.detach().clone() for p in parts]
        moved[number][0, 1, 0, 0, 0] += step
        back = [p.detach().clone() for p in parts]
        back[number][0, 1, 0, 0, 0] -= step
        slope = (bits(*moved) - bits(*back)).sum() / (2 * step)
        assert slope.item() == pytest.approx(gradient[0, 1, 0, 0, 0].item(), rel=0.02, abs=2e-3)


@pytest.mark.parametrize("base", [0.0, 12.0, 30.0, 60.0])
def test_files_cost_what_was_estimated_and_read_back_the_same(base: float) -> None:
    mixture = mixtures(base)
    values, mean = drawn(mixture), torch.randn(1, 40, 16, 24)
    estimator, writer = RateEstimator(noisy=False), StreamWriter(NO_TABLES)
    estimator.mixture("y", values + mean, mean, mixture)
    written = writer.mixture("y", values + mean, mean, mixture)
    (done,) = writer.finish()
    assert len(done.payload) <= 1.001 * float(estimator.bits["y"]) / 8 + 8
    reader = StreamReader(NO_TABLES, [done.payload])
    assert torch.equal(reader.mixture("y", None, mean, mixture), written)
    assert reader.finish() == [done.symbol_crc]
    assert (written - values - mean).abs().max() <= 0.5001


def test_every_table_is_positive_whole_and_complete() -> None:
    whole = quantise(mixtures(40.0, size=(1, 8, 16, 16)))
    parts = _Parts(*(part.flatten(2)[0].numpy() for part in whole))
    seen = np.zeros(parts.level.shape[1], int)
    for group in _groups(parts):
        for positions in group.pieces():
            rows = _rows(parts, positions, group)
            assert rows.min() >= 0
            assert np.array_equal(rows, np.floor(rows))
            assert bool((rows.sum(1) == (1 << 24) - rows.shape[1]).all())
            seen[positions] += 1
    assert bool((seen == 1).all())


def test_symbols_outside_their_table_escape() -> None:
    whole = Quantised(*(torch.full((3, 6), value, dtype=torch.int32) for value in (0, 0, 0)))
    whole.weight[0] = WEIGHTS
    wide = Quantised(torch.full((3, 6), 63, dtype=torch.int32), whole.offset, whole.weight)
    symbols = np.array([0, -1, 9, -4000, 1 << 20, -(1 << 20)], np.int32)
    for mixture in (whole, wide):
        writer = RangeWriter()
        write_mixture(writer, symbols, mixture)
        assert read_mixture(RangeReader(writer.finish()), mixture).tolist() == symbols.tolist()


def test_a_literal_message() -> None:
    whole = quantise(mixtures(10.0, size=(1, 2, 2, 2)))
    writer = RangeWriter()
    write_mixture(writer, np.array([0, 1, -1, 2, 0, 0, 3, -2], np.int32), Quantised(*(p.flatten(2)[0] for p in whole)))
    assert writer.finish().hex() == "07bb60c0"


def test_batches_are_coded_picture_by_picture() -> None:
    mixture = mixtures(15.0, size=(2, 4, 4, 4))
    values, mean = drawn(mixture), torch.zeros(2, 4, 4, 4)
    writer = StreamWriter(NO_TABLES, batch=2)
    both = writer.mixture("y", values, mean, mixture)
    reader = StreamReader(NO_TABLES, [one.payload for one in writer.finish()])
    assert torch.equal(reader.mixture("y", None, mean, mixture), both)


def listed(whole: Quantised) -> list[tuple[list[int], list[int], list[int]]]:
    """Mixtures (K,n) as the page has them: for each position tables, offsets, weights."""
    return list(zip(*(part.T.tolist() for part in whole), strict=True))


def test_tables_are_those_of_the_page() -> None:
    page = code_of_page()
    whole = Quantised(*(part.flatten(2)[0, :, ::9] for part in quantise(mixtures(27.0, size=(1, 4, 8, 8)))))
    parts = _Parts(*(part.numpy() for part in whole))
    specified = [page["mixture_table"](*mixture) for mixture in listed(whole)]
    assert len(specified) == 29
    for group in _groups(parts):
        for place, row in zip(group.positions, _rows(parts, group.positions, group), strict=True):
            lowest, shift, counts = specified[place]
            assert (lowest, shift) == (group.lowest, group.shift)
            assert (row + 1).astype(int).tolist() == counts


def test_the_decoder_of_the_page_reads_what_is_written() -> None:
    reader = code_of_page()["SymbolDecoder"]
    whole = Quantised(*(part.flatten(2)[0, :, ::9] for part in quantise(mixtures(27.0, size=(1, 4, 8, 8)))))
    assert {shift for _, _, shift in _groups(_Parts(*(part.numpy() for part in whole)))} > {0, 1}
    symbols = np.random.default_rng(3).integers(-40, 40, 29).astype(np.int32)
    symbols[[3, 17]] = 5000, -70_000
    writer = RangeWriter()
    write_mixture(writer, symbols, whole)
    assert reader(writer.finish()).mixtures(listed(whole)) == symbols.tolist()
