"""The facts about a network that codec and layout need, whichever engine runs it. Loads no torch."""

from enum import Enum
from typing import Protocol


class RegionSupport(Enum):
    """How a network gives more to a region of interest."""

    NONE = "not at all"
    RATE_MAP = "by a map of rates, which the file carries"
    LATENTS = "by scaling its latents, of which the file says nothing"
    PATCHES = "by keeping more of its patches, of which the file says nothing else"

    @property
    def in_file(self) -> bool:
        """Whether files carry a rate map."""
        return self is RegionSupport.RATE_MAP


class Facts(Protocol):
    """A network fulfils this; so does the plan of one that runs without torch."""

    @property
    def stride(self) -> int:
        """Pixels to a latent, on each side."""

    @property
    def multiple(self) -> int:
        """Sides of pictures are multiples of this, in pixels; also the side of a position of a rate map."""

    @property
    def halo(self) -> int:
        """The reach of the network in latents: nothing beyond it changes a pixel or latent, global averages aside."""

    @property
    def align(self) -> int:
        """Windows of a larger picture start at multiples of this many latents."""

    @property
    def latent(self) -> int:
        """Channels of y."""

    @property
    def pixel_bytes(self) -> int:
        """Memory that work on a pixel takes, at most, in bytes; measured."""

    @property
    def local(self) -> bool:
        """Whether a window with its halo is enough to synthesise from; False: all latents are needed."""

    @property
    def largest(self) -> int | None:
        """Pixels of the longest side that the network can take; None: any."""

    @property
    def rated(self) -> bool:
        """Whether the rate can be chosen."""

    @property
    def region_support(self) -> RegionSupport:
        """How the network gives more to a region."""
