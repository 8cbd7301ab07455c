"""What takes the place of exact layers for export gives the same numbers."""

import torch

from regio.nn.gain import RATE_STEPS
from regio.nn.whole import HIDDEN_UNIT, OUTPUT_UNIT, WholeConv, WholeRate
from regio.recording.substitutes import RoundedRate, UnfoldedConv


@torch.no_grad()
def test_a_convolution_of_shifted_copies_is_the_same_convolution() -> None:
    generator = torch.Generator().manual_seed(0)
    for kernel, size in ((1, (3, 5)), (3, (4, 6)), (3, (1, 1)), (5, (2, 7))):
        conv = WholeConv(7, 5, kernel, HIDDEN_UNIT)
        x = torch.randint(0, 256, (1, 7, *size), generator=generator) * HIDDEN_UNIT
        assert torch.equal(UnfoldedConv(conv)(x), conv(x))


@torch.no_grad()
def test_a_rounded_table_gives_the_same_numbers_at_every_rate() -> None:
    start = torch.randn(9, 6, generator=torch.Generator().manual_seed(1)) * 8
    rate = WholeRate(start, OUTPUT_UNIT)
    rates = (torch.arange(RATE_STEPS + 1) / RATE_STEPS)[None, None, None]
    assert torch.equal(RoundedRate(rate)(rates), rate(rates))
