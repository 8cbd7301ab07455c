"""The interface of SegPIC's analysis and synthesis transforms."""

from typing import NamedTuple

from torch import Tensor, nn

RAT_REACH = 2  # positions that a region-adaptive transform looks away from each, in features at its own scale


class Transforms(NamedTuple):
    """The four parts of the signal path.

    g_a1(x (B,3,H,W)) -> y' (B,N,H/s,W/s) with s = shallow_stride; g_a2(y') -> y (B,M,H/16,W/16);
    g_s0(y_hat, rate) -> (B,N,H/s,W/s); g_s1(., rate) -> x_hat (B,3,H,W). rate is (B,) or None.
    """

    g_a1: nn.Module
    g_a2: nn.Module
    g_s0: nn.Module
    g_s1: nn.Module
    shallow_stride: int
    spread: Tensor | None = None  # (M,): about how large y is when fresh, where that is known
