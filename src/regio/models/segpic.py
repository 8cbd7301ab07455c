"""SegPIC, region-adaptive transform with a segmentation prior [Liu2024], and its family.

[Liu2024] Liu et al., "Region-Adaptive Transform with Segmentation Prior for Image Compression", ECCV 2024.

    x ── g_a1 ──► y' ── pool per region ──► shallow prototypes ── code ──► p̂'
                  └── RAT(·,p̂') ── g_a2 ──► y ── gain ──► pool ──► deep prototypes ── code ──► p̂
                                                 ├── RAT(·,p̂) ── h_a ──► z ── code ──► ẑ ──► means, scales ── RAT(·,p̂)
                                                 └── [slices of] y ── code given means and scales ──► ŷ
    x̂ ◄── g_s1 ── RAT(·,p̂') ── g_s0 ── inverse gain ◄── ŷ
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior
from regio.entropy.coders import straight_through
from regio.models.adoption import from_first
from regio.models.base import LATER, Decoded, Latents
from regio.models.context import GUARD, ChannelContext, to_level
from regio.models.hyperprior import ExactScales, HyperConfig, Side, WithHyperprior, first_gains, first_levels
from regio.models.paper_transforms import StridedTransform
from regio.models.patch_transforms import PatchTransform
from regio.models.two_pass import TwoPass, TwoPassContext
from regio.models.whole_context import Quadtree, QuadtreeContext
from regio.nn.conv import zeroed
from regio.nn.gain import GainUnit
from regio.nn.norm import bounded, lower_bound
from regio.nn.precise import seen_by
from regio.nn.regional import LabelRegions, PrototypeCoder, RegionAdaptiveTransform, Regions


@dataclass(frozen=True, kw_only=True)
class SegPICConfig(HyperConfig):
    """The numbers of one model."""

    transform: StridedTransform | PatchTransform = field(default_factory=StridedTransform)
    shallow: int = 192
    latent: int = 320
    sal: bool = True
    rat: bool = True
    rat_inner: int | None = None
    shallow_codes: tuple[int, ...] = (192, 128, 96, 96)
    shallow_decode: tuple[int, ...] | None = (96, 128, 192, 192)  # None: the encoder's widths reversed
    deep_codes: tuple[int, ...] = (320, 192, 128, 96)
    deep_decode: tuple[int, ...] | None = (96, 128, 192, 320)
    hyper_down: tuple[tuple[int, int], ...] = ((320, 1), (288, 1), (256, 2), (224, 1), (192, 2))
    hyper_up: tuple[tuple[int, int], ...] = ((192, 1), (224, 2), (256, 1), (288, 2), (320, 1))
    exact_scales: ExactScales | None = None
    slices: int = 10
    support: int = 5
    context: tuple[int, ...] = (224, 176, 128, 64)
    context_kernel: int = 3
    two_pass: TwoPass | None = None  # instead of channel slices; wants exact scales
    quadtree: Quadtree | None = field(
        default=None, metadata=LATER
    )  # levels in whole numbers that float32 holds exactly
    rat_bound: float = field(default=0.0, metadata=LATER)  # of what region-adaptive transforms add; 0: none
    step_widths: float = field(default=0.0, metadata=LATER)  # octaves by which ẑ widens or narrows quantisation steps
    guard: float = GUARD  # of a writer, in levels, where scales are floating-point

    def __post_init__(self) -> None:
        if self.slices and self.latent % self.slices:
            raise ValueError(f"latent={self.latent} does not split into {self.slices} equal slices")
        if self.exact_scales and not self.rate_points:
            raise ValueError("exact scales are conditioned on the rate and need rate_points")
        if self.two_pass and (self.slices or not self.exact_scales):
            raise ValueError("two_pass replaces slices (slices=0) and needs exact_scales")
        if self.two_pass and sum(self.two_pass.slices) != self.latent:
            raise ValueError(f"slices {self.two_pass.slices} do not make up latent={self.latent}")

    parts: ClassVar[Mapping[str, type]] = {"exact_scales": ExactScales, "two_pass": TwoPass, "quadtree": Quadtree}
    kinds: ClassVar[Mapping[str, Mapping[str, type]]] = {
        "transform": {"strided": StridedTransform, "patch": PatchTransform}
    }

    @classmethod
    def presets(cls) -> Mapping[str, "SegPICConfig"]:
        """Rows of the family table, and our small ones."""
        return PRESETS


class RegionalParts(nn.Module):
    """The parts for regions that [Liu2024] adds: two prototype coders, their priors, and the RATs they steer."""

    def __init__(self, config: SegPICConfig) -> None:
        super().__init__()
        side = config.hyper_up[-1][0]
        fresh = config.rate_points > 0  # our own models start every RAT as the identity

        def rat(channels: int, prototypes: int, bound: float = config.rat_bound) -> RegionAdaptiveTransform:
            return RegionAdaptiveTransform(
                channels, prototypes, config.rat_inner, zero_init=fresh, bound=bound, quick=not fresh
            )

        self.shallow_coder = PrototypeCoder(config.shallow_codes, config.shallow_decode)
        self.deep_coder = PrototypeCoder(config.deep_codes, config.deep_decode)
        self.shallow_prior = FactorizedPrior(config.shallow_codes[-1], config.prior_start)
        self.deep_prior = FactorizedPrior(config.deep_codes[-1], config.prior_start)
        self.analysis = rat(config.shallow, config.shallow)
        self.synthesis = rat(config.shallow, config.shallow)
        self.hyper = rat(config.latent, config.latent, config.rat_bound / 4)  # looser, patterns run away in it
        self.means = rat(side, config.latent)
        self.scales = rat(side, config.latent) if config.exact_scales is None else None

    def adapt(self, mean: Tensor, scale: Tensor, deep: Tensor, where: Regions) -> tuple[Tensor, Tensor]:
        """Features for means and scales (B,side,h,w), transformed by region; exact scales stay as they are."""
        mean = self.means(seen_by(mean, self.means), seen_by(deep, self.means), where)
        if self.scales is not None:
            scale = self.scales(scale, seen_by(deep, self.scales), where)
        return mean, scale

    def code_shallow(self, codes: Tensor | None, coder: Coder, where: Regions, size: tuple[int, int]) -> Tensor:
        """Codes (B,K,r,s) or None -> decoded shallow prototypes (B,N,r,s); size: (h,w) of y'."""
        present = _present(where, size)
        hat = coder.factorized("prototypes_shallow", codes, self.shallow_prior, where.size, present)
        return self.shallow_coder.decode(hat)

    def code_deep(self, y: Tensor | None, coder: Coder, where: Regions, size: tuple[int, int]) -> Tensor:
        """Latent y (B,M,h,w) or None -> decoded deep prototypes (B,M,r,s)."""
        codes = None if y is None else self.deep_coder.encode(where.pool(y))
        hat = coder.factorized("prototypes_deep", codes, self.deep_prior, where.size, _present(where, size))
        return self.deep_coder.decode(seen_by(hat, self.deep_coder.synthesis))


def _present(where: Regions, size: tuple[int, int]) -> Tensor | None:
    """The regions that exist (B,r,s), or None if all do."""
    return where.present(size) if isinstance(where, LabelRegions) else None


class SegPIC(WithHyperprior):
    """The SegPIC family; see the module's diagram. Pictures have sides that are multiples of `multiple`."""

    config_class = SegPICConfig
    config: SegPICConfig
    stride = 16

    def __init__(self, config: SegPICConfig) -> None:
        super().__init__()
        self.config = config
        self.latent = config.latent
        latent, whole = config.latent, config.quadtree is not None
        parts = config.transform.build(config.shallow, latent, config.sal, config.rate_points)
        self.g_a1, self.g_a2, self.g_s0, self.g_s1 = parts[:4]
        self.shallow_scale = self.stride // parts.shallow_stride
        gains = first_gains(config.log_gains, config.rate_points, latent)
        self.gain = GainUnit(gains) if config.rate_points else None
        self.regional = RegionalParts(config) if config.rat else None
        numbers = config.quadtree or config.two_pass
        self.add_hyperprior(config, context=numbers.hyper if numbers else 0, whole=whole)
        self.multiple = self.stride * self.hyper_stride
        self.halo, self.pixel_bytes = config.transform.halo(config.rat), config.transform.pixel_bytes
        widths = None if config.exact_scales is None else config.exact_scales.widths
        self.add_levels(config, widths, first_levels(gains, parts.spread), whole)
        self.step_widths: nn.Conv2d | None = (
            zeroed(nn.Conv2d(config.hyper_up[-1][0], latent, 1)) if config.step_widths else None
        )
        self.context = _context(config)

    def analyse(self, x: Tensor, where: Regions) -> Latents:
        """Pictures (B,3,H,W) -> latents. Runs once a picture, however many rates are tried."""
        shallow = self.g_a1(x)
        if self.regional is None:
            return Latents(self.g_a2(shallow), None)
        codes = self.regional.shallow_coder.encode(where.pool(shallow))
        prior = self.regional.shallow_prior
        decoded = self.regional.shallow_coder.decode(straight_through(prior.round(codes) + prior.medians(), codes))
        return Latents(self.g_a2(self.regional.analysis(shallow, decoded, where)), codes)

    def code(
        self, latents: Latents | None, coder: Coder, where: Regions, rate: Tensor | None, size: tuple[int, int]
    ) -> Decoded:
        """The walk over the latents, the same for training, writing and reading (latents is None then).

        size: (h,w) of y.
        """
        y = None if latents is None else self.to_coded(latents.y, rate)
        seen, shallow, deep = y, None, None  # seen: what the hyper-analysis sees of y
        if self.regional is not None:
            codes = None if latents is None else latents.codes
            shallow_size = (size[0] * self.shallow_scale, size[1] * self.shallow_scale)
            shallow = self.regional.code_shallow(codes, coder, where, shallow_size)
            deep = self.regional.code_deep(y, coder, where, size)
            seen = None if y is None else self.regional.hyper(y, seen_by(deep, self.regional.hyper), where)
        side = self.code_hyper(self.hyper_latent(seen), rate, coder, size)
        if self.regional is not None and deep is not None:
            side = Side(*self.regional.adapt(*side, deep, where))
        return Decoded(self.from_coded(seen_by(self._code_latent(y, side, coder), self.h_a), rate), shallow)

    def _code_latent(self, y: Tensor | None, side: Side, coder: Coder) -> Tensor:
        """y (B,M,h,w), None when reading -> ŷ, by the context that the model has."""
        if self.context is None:
            level = lower_bound(side.scale, 0.0) if self.exact_levels else to_level(side.scale)
            return coder.gaussian("y", y, bounded(side.mean), level, 0.0 if self.exact_levels else self.config.guard)
        if self.step_widths is None or not isinstance(self.context, QuadtreeContext):
            y_hat: Tensor = self.context(y, side.mean, side.scale, coder)
            return y_hat
        width = torch.exp2(self.config.step_widths * torch.tanh(self.step_widths(side.mean).float()))
        y_hat = self.context(None if y is None else bounded(y / width), side.mean, side.scale, coder)
        return y_hat * width

    def synthesise(self, decoded: Decoded, where: Regions, rate: Tensor | None) -> Tensor:
        """Decoded latents -> pictures (B,3,H,W), not clamped."""
        x = self.g_s0(decoded.y_hat, rate)
        if self.regional is not None:
            x = self.regional.synthesis(x, decoded.shallow, where)
        x_hat: Tensor = self.g_s1(x, rate)
        return x_hat

    def synthesis_parts(self) -> list[nn.Module]:
        """See Network."""
        return [self.g_s0, self.g_s1, *([] if self.regional is None else [self.regional.synthesis])]

    def adopted(self, known: dict[str, Tensor]) -> dict[str, Tensor]:
        """The numbers of a first-generation model under our names, for training to begin with.

        Its tables over the rate are read where its lambda was ours (LAMBDAS), beyond their ends along a line.
        """
        if not self.config.quadtree or any(name.startswith("z_context.first.table") for name in known):
            return known
        return from_first(known, self.config.rate_points)

    def priors(self) -> dict[str, FactorizedPrior]:
        """See Network."""
        found, regional = super().priors(), self.regional
        if regional is not None:
            found |= {"prototypes_shallow": regional.shallow_prior, "prototypes_deep": regional.deep_prior}
        return found

    def deciding(self) -> list[nn.Module]:
        """The networks that levels come from, where these are floating-point; files want them in float64."""
        if self.config.exact_scales:
            return []
        assert self.h_scale is not None
        parts: list[nn.Module] = [self.h_scale]
        if self.regional is not None and self.regional.scales is not None:
            parts += [self.regional.deep_coder.synthesis, self.regional.scales]
        if isinstance(self.context, ChannelContext):  # what is decoded, and so its means, moves scales
            parts += [self.h_mean, *self.context.deciding()]
            parts += [] if self.regional is None else [self.regional.means]
        return parts


def _context(config: SegPICConfig) -> ChannelContext | TwoPassContext | QuadtreeContext | None:
    side = config.hyper_up[-1][0]
    if config.quadtree:
        return QuadtreeContext(side, config.latent, config.quadtree)
    if config.two_pass:
        return TwoPassContext(side, config.two_pass)
    if not config.slices:
        return None
    return ChannelContext(
        config.latent,
        side,
        slices=config.slices,
        support=config.support,
        widths=config.context,
        first_kernel=config.context_kernel,
        guard=config.guard if config.exact_scales is None else None,
        zero_init=config.rate_points > 0,
    )


XS = SegPICConfig(
    transform=PatchTransform(units=(2, 2, 2, 4), deep_inner=128),
    rat_inner=48,
    shallow_codes=(192, 48, 16),
    shallow_decode=None,
    deep_codes=(320, 48, 16),
    deep_decode=None,
    hyper_down=((192, 1), (64, 2)),
    hyper_up=((128, 2), (160, 1)),
    hyper_magnitudes=True,
    exact_scales=ExactScales(widths=(96, 96)),
    slices=0,
    two_pass=TwoPass(slices=(8, 24, 48, 80, 160), hyper=48),
    prior_start=2.0,
    rate_points=9,
    log_gains=(-2.2, 2.1),
)
XS2 = replace(
    XS,
    transform=PatchTransform(units=(6, 3, 2, 8), deep_inner=128, head=32, sal_bound=4.0),
    exact_scales=ExactScales(widths=(96, 96)),
    two_pass=None,
    quadtree=Quadtree(hidden=160),
    step_widths=1.5,
    rat_bound=32.0,
    log_gains=(-2.9, 2.9),
)
TOY2 = replace(
    XS2,
    rat_bound=0.0,
    transform=PatchTransform(units=(0, 0, 0, 1), head=8),
    latent=12,
    rat_inner=8,
    shallow_codes=(192, 8, 4),
    deep_codes=(12, 8, 4),
    hyper_down=((12, 1), (8, 2)),
    hyper_up=((8, 2), (12, 1)),
    exact_scales=ExactScales(widths=(8, 8)),
    quadtree=Quadtree(hidden=8, level_hidden=4, hyper=8),
)
TOY = replace(
    XS,
    transform=PatchTransform(units=(0, 0, 0, 1)),
    latent=12,
    rat_inner=8,
    shallow_codes=(192, 8, 4),
    deep_codes=(12, 8, 4),
    hyper_down=((12, 1), (8, 2)),
    hyper_up=((8, 2), (12, 1)),
    exact_scales=ExactScales(widths=(8, 8)),
    two_pass=TwoPass(slices=(2, 4, 6), hidden=8, level_hidden=4, hyper=8),
)
SEGPIC = SegPICConfig()
ZOU = replace(SEGPIC, transform=StridedTransform(tail=0), sal=False, rat=False)
CHARM = replace(ZOU, transform=StridedTransform(tail=0, attention=False), context=(208,))
# The appendix of [Liu2024] prints their hyper networks only; this transform meets the printed parameter counts.
SMALL = replace(SEGPIC, transform=StridedTransform(attention=False, kernel=3, subpixel=True, sal_squeeze=2), slices=0)
TOY_GUARDED = replace(
    SEGPIC,
    shallow=8,
    latent=16,
    shallow_codes=(8, 6, 4),
    shallow_decode=None,
    deep_codes=(16, 8, 4),
    deep_decode=None,
    hyper_down=((16, 1), (12, 1), (10, 2), (9, 1), (8, 2)),
    hyper_up=((8, 1), (9, 2), (10, 1), (12, 2), (16, 1)),
    slices=4,
    context=(8, 6),
    guard=1e-2,  # wide, so that there is something to list
)
PRESETS = {
    "segpic": SEGPIC,
    "wacnn": ZOU,
    "wacnn-sal": replace(SEGPIC, rat=False),
    "wacnn-rat": replace(ZOU, rat=True),
    "charm": CHARM,
    "segpic-s": SMALL,
    "baseline-s": replace(SMALL, sal=False, rat=False),
    "segpic-xs": XS2,
    "segpic-xs-1": XS,
    "toy-2": TOY2,
    "toy": TOY,
    "toy-guarded": TOY_GUARDED,
}
