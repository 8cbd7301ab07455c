"""The contract of a network: everything that other code may ask of it.

    x ── analyse ──► Latents ── code (one walk, whichever coder) ──► Decoded ── synthesise ──► x̂

A new model is a class that inherits from `Network` and a frozen configuration that inherits from `Config`. mypy lists
what it lacks; CONTRIBUTING.md has the recipe.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior, RateEstimator
from regio.models.facts import RegionSupport
from regio.nn.regional import GridRegions, LabelRegions, Regions

Plain = dict[str, Any]  # what JSON holds: the one place where a configuration is not typed
Size = tuple[int, int]  # (h, w)


@dataclass(frozen=True)
class Chosen:
    """The patches that a writer keeps: ids (B,K) int64."""

    ids: Tensor


@dataclass(frozen=True)
class Ranked:
    """Patches in the order of their worth: places (B,h,w) int64, 0 the best; of `total` in the whole picture.

    A writer keeps those whose place is below the number that the rate allows. So a tile of a larger picture gets its
    share of one budget, and the kept set of a low rate is part of that of a higher one.
    """

    places: Tensor
    total: int


class Latents(NamedTuple):
    """The analysis of a picture, before any rounding and independent of the rate."""

    y: Tensor  # (B,M,h,w): latents, or features of all patches
    codes: Tensor | None = None  # (B,K,r,s): codes of the shallow prototypes, where there are some
    worth: Tensor | None = None  # (B,1,h,w): how much each patch is worth sending, where patches are kept
    order: Chosen | Ranked | None = None  # which patches a writer keeps; None: by their worth


class Decoded(NamedTuple):
    """The arrays that both sides know after coding: the inputs of the synthesis."""

    y_hat: Tensor  # (B,M,h,w); zero where patches are not kept
    shallow: Tensor | None = None  # (B,N,r,s): decoded shallow prototypes
    kept: Tensor | None = None  # (B,1,h,w): 1 where a patch is kept

    def to(self, like: Tensor) -> Decoded:
        """The same on the device and in the type of a tensor."""
        shallow, kept = (None if part is None else part.to(like) for part in (self.shallow, self.kept))
        return Decoded(self.y_hat.to(like), shallow, kept)


class Reconstruction(NamedTuple):
    """The result of `forward`."""

    x_hat: Tensor  # (B,3,H,W), not clamped
    bits: dict[str, Tensor]  # stream name -> (B,)


class PatchRanker(Protocol):
    """The order of patches, for a network that keeps some of them."""

    def worth(self, x: Tensor, objects: Tensor | None = None) -> Tensor:
        """Pictures (B,3,H,W), object maps (B,H,W) in [0,1] -> how much each patch is worth sending (B,h,w)."""
        ...

    def preference(self, importance: Tensor, alpha: float | Tensor) -> Tensor:
        """The bonus of patches for importances in [0,1]; larger for a smaller alpha."""
        ...

    def budget(self, rate: Tensor | None, total: int) -> int:
        """The number of patches, of `total`, that are sent at a rate (1,); the same on every machine."""
        ...


LATER = {"later": True}
"""Metadata of a configuration's field that older weights do not know: at its default it is left out of plain data, so
that weights keep their fingerprint."""


@dataclass(frozen=True, kw_only=True)
class Config(ABC):
    """The numbers of one model: frozen data that checks itself."""

    parts: ClassVar[Mapping[str, type]] = {}
    """Fields that hold a dataclass, or None."""
    kinds: ClassVar[Mapping[str, Mapping[str, type]]] = {}
    """Fields that hold one of several dataclasses; plain data names which."""

    @classmethod
    @abstractmethod
    def presets(cls) -> Mapping[str, Self]:
        """The named configurations of the family: rows of a paper, and our small ones."""

    @classmethod
    def preset(cls, name: str) -> Self:
        """A named configuration; ValueError lists the names."""
        known = cls.presets()
        if name not in known:
            raise ValueError(f"{cls.__name__} has no preset {name!r}; there are {', '.join(known)}")
        return known[name]

    def as_dict(self) -> Plain:
        """Plain data, to be stored beside weights; `from_dict` is the way back."""
        plain: Plain = _plain(self)
        for name, known in self.kinds.items():
            kind = next(kind for kind, made in known.items() if isinstance(getattr(self, name), made))
            plain[name] = {"kind": kind, **plain[name]}
        return plain

    @classmethod
    def from_dict(cls, values: Plain) -> Self:
        """Raises TypeError, KeyError or ValueError for data that is not a configuration."""
        made = {name: tuples(value) for name, value in values.items()}
        for name, part in cls.parts.items():
            if made.get(name) is not None:
                made[name] = part(**made[name])
        for name, known in cls.kinds.items():
            numbers = dict(made[name])
            made[name] = known[numbers.pop("kind")](**numbers)
        return cls(**made)


def _plain(data: Any) -> Any:  # a dataclass becomes a dictionary, anything else stays
    """A dataclass as a dictionary, all through; see LATER."""
    if not is_dataclass(data):
        return data
    kept = [f for f in fields(data) if not (f.metadata.get("later") and getattr(data, f.name) == f.default)]
    return {f.name: _plain(getattr(data, f.name)) for f in kept}


def tuples(value: Any) -> Any:
    """Plain data with tuples for lists: JSON and TOML know lists only, configurations and recipes hold tuples."""
    if isinstance(value, dict):
        return {k: tuples(v) for k, v in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value


class Network(nn.Module, ABC):
    """A model that codes pictures. Pictures have sides that are multiples of `multiple`."""

    config_class: ClassVar[type[Config]]
    config: Config
    stride: int
    """Pixels to a latent, on each side."""
    multiple: int
    """Sides of pictures are multiples of this, in pixels; also the side of a position of a rate map."""
    halo: int
    """The reach of the network in latents: what lies further away changes no pixel or latent, global averages aside."""
    latent: int
    """Channels of y."""
    pixel_bytes: int
    """Memory that work on a pixel takes, at most, in bytes; measured."""
    local: bool = True
    """Whether a window with its halo is enough to synthesise from; False: all latents are needed."""
    largest: int | None = None
    """Pixels of the longest side that the network can take; None: any."""

    def forward(
        self, x: Tensor, regions: Tensor | None = None, grid: int = 4, rate: Tensor | None = None
    ) -> Reconstruction:
        """Compress and reconstruct without writing bytes.

        x (B,3,H,W) in [0,1]; regions (B,H,W) int64 labels, or None for a grid x grid map; rate (B,) in [0,1] where the
        network has rates (default 0.5), or a rate map (B,1,H/multiple,W/multiple). In training mode rates are those of
        noisy latents.
        """
        where: Regions = GridRegions(grid) if regions is None else LabelRegions(regions)
        rate = self.rate_or_default(rate, x)
        coder = RateEstimator(noisy=self.training)
        decoded = self.code(self.analyse(x, where), coder, where, rate, self.latent_size(x))
        return Reconstruction(self.synthesise(decoded, where, rate), coder.bits)

    @property
    def align(self) -> int:
        """Windows of a larger picture start at multiples of this many latents."""
        return self.multiple // self.stride

    @property
    @abstractmethod
    def rated(self) -> bool:
        """Whether the rate can be chosen."""

    @property
    def region_support(self) -> RegionSupport:
        """How the network gives more to a region. By default by a rate map, if it has rates."""
        return RegionSupport.RATE_MAP if self.rated else RegionSupport.NONE

    @property
    def exact_levels(self) -> bool:
        """Whether levels are whole-number arithmetic, so that they are the same on every machine without a guard."""
        return True

    @property
    def patch_ranker(self) -> PatchRanker | None:
        """The network itself if it keeps some patches only; None otherwise."""
        return None

    @abstractmethod
    def analyse(self, x: Tensor, where: Regions) -> Latents:
        """Pictures (B,3,H,W) in [0,1] -> latents. Runs once a picture, however many rates are tried."""

    @abstractmethod
    def code(self, latents: Latents | None, coder: Coder, where: Regions, rate: Tensor | None, size: Size) -> Decoded:
        """The walk over the latents, the same for training, writing and reading (latents is None then).

        rate (B,) in [0,1], or a rate map (B,1,H/multiple,W/multiple); None for networks of one rate. size: (h,w) of y.
        """

    @abstractmethod
    def synthesise(self, decoded: Decoded, where: Regions, rate: Tensor | None) -> Tensor:
        """Decoded latents -> pictures (B,3,H,W), not clamped."""

    @abstractmethod
    def priors(self) -> dict[str, FactorizedPrior]:
        """The factorised priors by the stream that they code."""

    def deciding(self) -> list[nn.Module]:
        """The floating-point networks that set levels; files need them in float64. Empty where levels are exact."""
        return []

    def synthesis_parts(self) -> list[nn.Module]:
        """What `synthesise` runs and nothing before it does, so that another may take its place.

        Empty where there is no such part.
        """
        return []

    def adopted(self, known: dict[str, Tensor]) -> dict[str, Tensor]:
        """Numbers of other weights under this network's names, for training to begin with. By default as they are."""
        return known

    def emphasise(self, latents: Latents, importance: Tensor, alpha: float | Tensor) -> Latents:
        """Latents with more of a region, for RegionSupport.LATENTS and PATCHES.

        importance (B,1,h,w) in [0,1]; the smaller alpha (above 0), the more.
        """
        raise NotImplementedError(f"{type(self).__name__} gives more to a region {self.region_support.value}")

    def latent_size(self, x: Tensor) -> Size:
        """(h,w) of y for pictures x (B,3,H,W)."""
        return x.shape[2] // self.stride, x.shape[3] // self.stride

    def rate_or_default(self, rate: Tensor | None, like: Tensor) -> Tensor | None:
        """The rate, 0.5 where none is given; None for networks of one rate. like: for batch size, device and type."""
        if not self.rated:
            return None
        return like.new_full((len(like),), 0.5) if rate is None else rate
