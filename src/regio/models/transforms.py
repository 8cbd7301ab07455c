"""What SegPIC asks of its analysis and synthesis transforms, whichever skeleton they have."""

from typing import NamedTuple, Protocol

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


class TransformConfig(Protocol):
    """A skeleton and its own numbers; frozen, so that it can be stored beside weights."""

    @property
    def pixel_bytes(self) -> int:
        """Memory for each pixel of a window, at most, in either direction; measured."""
        ...

    def halo(self, rat: bool) -> int:
        """How many latents away something can lie that changes a pixel, or a pixel that changes a latent, in latents.

        Global averages aside. rat: whether region-adaptive transforms stand in between.
        """
        ...

    def build(self, shallow: int, latent: int, sal: bool, rate_points: int) -> Transforms:
        """Make the parts with N = shallow and M = latent channels."""
        ...
