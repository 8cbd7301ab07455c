"""MCM, the masked compression model [Li2023]: few patches are coded, and a transformer predicts the rest.

[Li2023] Li et al., "You Can Mask More For Extremely Low-Bitrate Image Compression", 2023.

    x ── stem ──► features ── encoder, kept patches only ──► tokens ── g_a, gain ──► y ── h_a ──► z ── code ──► ẑ
         DA-Mask ──► kept set ── code ──┐                                            │    means, levels ◄────────┘
    x̂ ◄── head ◄── decoder, all patches ◄── g_s ◄── inverse gain ◄── ŷ ◄── [slices of] y, coded
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from regio.entropy import Coder, FactorizedPrior, RateEstimator
from regio.models.adoption import from_segpic
from regio.models.base import Chosen, Decoded, Latents, PatchRanker, Plain, Ranked, Reconstruction
from regio.models.context import GUARD, ChannelContext
from regio.models.facts import RegionSupport
from regio.models.hyperprior import ExactScales, HyperConfig, WithHyperprior, first_gains, first_levels
from regio.models.mcm_cells import CellCoder, Cells, check_ids, mask_of
from regio.models.mcm_mask import covering, ranks, structure, texture, typicality
from regio.models.mcm_transforms import PATCH, GlobalViT, WindowViT
from regio.models.patch_transforms import PatchTransform
from regio.nn.gain import RATE_STEPS, GainUnit, rate_step
from regio.nn.precise import seen_by
from regio.nn.regional import Regions

PER_MILLE = 1000
LEAST_TEXTURE = 0.05  # below it a patch is flat
ROI_NATS = 8.0  # for every octave of gain that another codec would give a region, its patches' odds rise by e**8


@dataclass(frozen=True, kw_only=True)
class MCMConfig(HyperConfig):
    """The numbers of one model."""

    vision: GlobalViT | WindowViT = field(default_factory=GlobalViT)
    layout: Literal["packed", "grid"] = "packed"
    analysis: tuple[int, ...] = (704, 640, 512, 384)  # 1x1 convolutions after the tokens; none: y is the tokens
    synthesis: tuple[int, ...] = (512, 640, 704, 768)
    hyper_down: tuple[tuple[int, int], ...] = ((384, 1), (336, 1), (288, 2), (240, 1), (192, 2))
    hyper_up: tuple[tuple[int, int], ...] = ((240, 1), (288, 2), (336, 1), (384, 2), (384, 1))
    exact_scales: ExactScales | None = None
    slices: int = 12
    support: int = 6
    context: tuple[int, ...] = (224, 176, 128, 64)
    context_kernel: int = 3
    guard: float = GUARD
    structure_power: float = 1.0  # how much objects count against texture, in files
    kept: tuple[int, ...] = (562,)  # patches sent, per mille of all: evenly from rate 0 to rate 1, or at the one rate

    def __post_init__(self) -> None:
        if self.latent % self.slices:
            raise ValueError(f"latent={self.latent} does not split into {self.slices} equal slices")
        if bool(self.exact_scales) != bool(self.rate_points):
            raise ValueError("exact scales and rate_points go together")
        if len(self.kept) > 1 and RATE_STEPS % (len(self.kept) - 1):
            raise ValueError(f"kept has {len(self.kept)} points; points - 1 must divide {RATE_STEPS}")
        if list(self.kept) != sorted(self.kept) or not 0 < self.kept[0] <= self.kept[-1] <= PER_MILLE:
            raise ValueError(f"kept={self.kept}: shares of 1 to {PER_MILLE} per mille, never falling")

    @property
    def latent(self) -> int:
        """Channels of y."""
        return self.analysis[-1] if self.analysis else self.vision.tokens

    parts: ClassVar[Mapping[str, type]] = {"exact_scales": ExactScales}
    kinds: ClassVar[Mapping[str, Mapping[str, type]]] = {"vision": {"global": GlobalViT, "window": WindowViT}}

    @classmethod
    def presets(cls) -> Mapping[str, "MCMConfig"]:
        """The paper's model, and ours."""
        return PRESETS

    @classmethod
    def from_dict(cls, values: Plain) -> "MCMConfig":
        """See Config."""
        vision = dict(values["vision"])
        if "transform" in vision:
            vision["transform"] = PatchTransform(**vision["transform"] | {"units": tuple(vision["transform"]["units"])})
        return super().from_dict(values | {"vision": vision})


class MCM(WithHyperprior):
    """The masked compression model; see the module's diagram. Sides are multiples of `multiple`."""

    config_class = MCMConfig
    config: MCMConfig
    z_prior: FactorizedPrior
    stride = PATCH
    pixel_bytes = 220
    local = False  # attention looks further than the halo: a window wants all its latents

    def __init__(self, config: MCMConfig) -> None:
        super().__init__()
        self.config = config
        self.latent = config.latent
        latent = config.latent
        parts = config.vision.build(config.rate_points)
        self.stem, self.encoder, self.decoder, self.head = parts[:4]
        tokens = config.vision.tokens
        self.g_a = pointwise(tokens, config.analysis)
        self.g_s = pointwise(latent, config.synthesis, transposed=True)
        gains = first_gains(config.log_gains, config.rate_points, latent)
        self.gain = GainUnit(gains) if config.rate_points else None
        self.add_hyperprior(config)
        self.halo = config.vision.halo
        if isinstance(config.vision, GlobalViT):
            self.multiple = self.largest = config.vision.grid * PATCH
        else:
            self.multiple = self.stride * self.hyper_stride
        widths = None if config.exact_scales is None else config.exact_scales.widths
        self.add_levels(config, widths, first_levels(gains, parts.spread))
        self.context = ChannelContext(
            latent,
            config.hyper_up[-1][0],
            slices=config.slices,
            support=config.support,
            widths=config.context,
            first_kernel=config.context_kernel,
            guard=config.guard if config.exact_scales is None else None,
            zero_init=config.rate_points > 0,
        )

    def forward(
        self,
        x: Tensor,
        regions: Tensor | None = None,
        grid: int = 4,
        rate: Tensor | None = None,
        keep: Tensor | None = None,
    ) -> Reconstruction:
        """Compress and reconstruct without writing bytes.

        x (B,3,H,W) in [0,1]; keep (B,K) int64, the patches that are sent, numbered in raster order (default: evenly
        spread, as many as the rate allows); rate (B,) in [0,1] for models with gain units (default 0.5). regions and
        grid have no effect. In training mode rates are those of noisy latents. Bits: "positions", "z" and "y", each
        (B,). ValueError for ids that are no set of patches.
        """
        rate, size = self.rate_or_default(rate, x), self.latent_size(x)
        if keep is None:
            count = self.budget(None if rate is None else rate[:1], size[0] * size[1])
            keep = (torch.arange(count, device=x.device) * (size[0] * size[1]) // count).expand(len(x), count)
        check_ids(keep, len(x), size)
        coder = RateEstimator(noisy=self.training)
        decoded = self.code(self.analyse(x)._replace(order=Chosen(keep)), coder, None, rate, size)
        return Reconstruction(self.synthesise(decoded, None, rate), coder.bits)

    @property
    def region_support(self) -> RegionSupport:
        """Regions keep more of their patches."""
        return RegionSupport.PATCHES

    @property
    def patch_ranker(self) -> PatchRanker:
        """This network: it says which patches are worth sending."""
        return self

    @property
    def align(self) -> int:
        """Windows of a large picture start where those of attention do, or borders would be seen."""
        vision = self.config.vision
        return vision.grid if isinstance(vision, GlobalViT) else vision.window

    def budget(self, rate: Tensor | None, total: int) -> int:
        """The number of patches sent at a rate (1,), of `total`, at least 1; in whole numbers, so both sides agree."""
        shares = self.config.kept
        if rate is None or len(shares) == 1:
            share, unit = shares[0], PER_MILLE
        else:
            span = RATE_STEPS // (len(shares) - 1)
            step = int(rate_step(rate)[0])
            below = min(step // span, len(shares) - 2)
            part = step - below * span
            share, unit = shares[below] * (span - part) + shares[below + 1] * part, span * PER_MILLE
        return max(1, (total * share + unit // 2) // unit)

    def analyse(self, x: Tensor, where: Regions | None = None) -> Latents:
        """Pictures (B,3,H,W) -> features of all patches. Runs once a picture, however many rates are tried."""
        features: Tensor = self.stem(x)
        worth = covering(self.worth(x), typicality(x))[:, None]
        return Latents(features, worth=worth.to(features.dtype))

    def worth(self, x: Tensor, objects: Tensor | None = None) -> Tensor:
        """Pictures (B,3,H,W), object maps (B,H,W) in [0,1] -> how much each patch is worth sending (B,h,w).

        The logarithm of the capacity of DA-Mask, the structure to the power of `structure_power` (1 in the paper).
        """
        score = torch.log(texture(x).clamp_min(LEAST_TEXTURE))
        return score if objects is None else score + self.config.structure_power * torch.log(structure(objects))

    def preference(self, importance: Tensor, alpha: float | Tensor) -> Tensor:
        """The bonus of patches for importances in [0,1]; alpha as in the ROI codec, smaller gives more."""
        return importance * (ROI_NATS * torch.log2(torch.as_tensor((1 + alpha) / alpha)))

    def emphasise(self, latents: Latents, importance: Tensor, alpha: float | Tensor) -> Latents:
        """The same latents, patches of a region of interest (B,1,h,w) worth more. The file says nothing of it."""
        assert latents.worth is not None
        return latents._replace(worth=latents.worth + self.preference(importance, alpha))

    def code(
        self, latents: Latents | None, coder: Coder, where: Regions | None, rate: Tensor | None, size: tuple[int, int]
    ) -> Decoded:
        """The walk over the latents, the same for training, writing and reading (latents is None then).

        A writer keeps the patches of `latents.order`; where that is None, those of most texture, and one of every 4x4
        at any rate. where has no effect. size: (h,w) of the patches.
        """
        device = self.z_prior.quantiles.device
        expected = self.budget(None if rate is None else rate[:1], size[0] * size[1])
        chosen = None if latents is None else self._choose(latents, rate)
        if chosen is not None and not isinstance(coder, RateEstimator):
            chosen = chosen.sort(dim=1).values  # a set has no order; readers get it in that of the raster
        mask = None if chosen is None else mask_of(chosen, size)
        mask = coder.positions("positions", mask, size, expected).to(device)
        ids = mask.flatten(1).nonzero()[:, 1].view(len(mask), -1) if chosen is None else chosen
        y = None
        if latents is not None:
            y = self.to_coded(self.g_a(self.encoder(latents.y, ids)[..., None]), rate)[..., 0]
        cells = Cells.packed(ids, self.hyper_stride) if self.config.layout == "packed" else Cells(ids, size)
        y_hat = cells.collect(self._code_map(y, CellCoder(coder, cells), cells, rate))
        plane = Cells(ids, size).spread(self.from_coded(y_hat[..., None], rate)[..., 0])
        return Decoded(plane, kept=mask[:, None].to(plane.dtype))

    def _code_map(self, y: Tensor | None, coder: CellCoder, cells: Cells, rate: Tensor | None) -> Tensor:
        """Latents of kept patches (B,M,K) or None -> decoded map (B,M,r,c)."""
        plane = None if y is None else cells.spread(y)
        side = self.code_hyper(self.hyper_latent(plane), rate, coder, cells.size)
        y_hat: Tensor = self.context(plane, side.mean, side.scale, coder)
        return seen_by(y_hat, self.h_a)

    def deciding(self) -> list[nn.Module]:
        """The networks that levels come from, where these are floating-point; files want them in float64."""
        return [] if self.h_scale is None else [self.h_scale, self.h_mean, *self.context.deciding()]

    def _choose(self, latents: Latents, rate: Tensor | None) -> Tensor:
        """-> ids (B,K)."""
        order = latents.order
        if isinstance(order, Chosen):
            return order.ids
        if order is None:
            assert latents.worth is not None
            worth = latents.worth[:, 0]
            order = Ranked(torch.stack([ranks(one) for one in worth]), worth[0].numel())
        places = order.places.flatten(1)
        least = places.amin(dim=1, keepdim=True) + 1  # a flat tile of a large picture keeps one patch, too
        kept = places < least.clamp_min(self.budget(None if rate is None else rate[:1], order.total))
        ids: Tensor = kept.nonzero()[:, 1].view(len(kept), -1)
        return ids

    def paint(self, x: Tensor, keep: Tensor, rate: Tensor | None = None) -> Tensor:
        """A masked autoencoder, without any coding: what the transformer is trained as first.

        Pictures (B,3,H,W), keep (B,K) -> pictures (B,3,H,W), painted from the kept patches alone.
        """
        size, rate = self.latent_size(x), self.rate_or_default(rate, x)
        tokens = Cells(keep, size).spread(self.encoder(self.stem(x), keep))
        mask = mask_of(keep, size)[:, None].to(tokens.dtype)
        painted: Tensor = self.head(self.decoder(tokens, mask, rate), rate)
        return painted

    def synthesise(self, decoded: Decoded, where: Regions | None, rate: Tensor | None) -> Tensor:
        """Decoded latents -> pictures (B,3,H,W), not clamped."""
        assert decoded.kept is not None
        features = self.decoder(self.g_s(decoded.y_hat), decoded.kept, rate)
        x_hat: Tensor = self.head(features, rate)
        return x_hat

    def adopted(self, known: dict[str, Tensor]) -> dict[str, Tensor]:
        """The numbers of a SegPIC model of the same skeleton, under our names, for training to begin with."""
        return from_segpic(known, torch.linspace(*self.config.log_gains, max(self.config.rate_points, 2)))


def pointwise(before: int, widths: tuple[int, ...], transposed: bool = False) -> nn.Sequential:
    """1x1 convolutions, a GELU after every one, the last included, as published; transposed ones in the synthesis."""
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layers: list[nn.Module] = []
    for a, b in pairwise((before, *widths)):
        layers += [kind(a, b, 1), nn.GELU()]
    return nn.Sequential(*layers)


MCM_B = MCMConfig()
TINY = MCMConfig(
    vision=WindowViT(transform=PatchTransform(units=(2, 2, 2, 4), deep_inner=128)),
    layout="grid",
    analysis=(),
    synthesis=(),
    hyper_down=((192, 1), (64, 2)),
    hyper_up=((128, 2), (160, 1)),
    hyper_magnitudes=True,
    exact_scales=ExactScales(widths=(96, 96)),
    slices=4,
    support=3,
    context=(128,),
    context_kernel=1,
    prior_start=2.0,
    rate_points=9,
    log_gains=(-3.0, -0.4),
    kept=(60, 400, 800, 1000, 1000),
)
TOY = replace(
    TINY,
    vision=WindowViT(
        transform=PatchTransform(units=(0, 0, 0, 1)), features=12, width=8, depth=1, heads=2, decoder_depth=2, window=4
    ),
    hyper_down=((12, 1), (8, 2)),
    hyper_up=((8, 2), (12, 1)),
    exact_scales=ExactScales(widths=(8, 8)),
    slices=3,
    context=(8,),
    kept=(60, 250, 450, 700, 1000),
)
PRESETS = {"mcm": MCM_B, "mcm-tiny": TINY, "toy": TOY}
