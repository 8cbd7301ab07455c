"""The ROI codec [ROI2022]: one network, a region of interest in its latents, a continuous range of rates.

[ROI2022] "ROI image codec optimized for visual quality"; [Cheng2020] Cheng et al., CVPR 2020, for its entropy model.

    x ── g_a ── attention ──► y ── emphasise, Eq. 5-7 ── gain, Eq. 8 ──► ȳ ── h_a ──► z ── code ──► ẑ ──► means, levels
                                                                    └── code given mixtures of them and context ──► ȳ^
    x̂ ◄── g_s ── attention ◄── y' ◄── inverse gain, Eq. 9 ◄── ȳ^

In the paper the file does not say where the region was: the decoder reads it from the latents. Our small model has a
map of rates in its place, which files carry (decision 30).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from regio.entropy import Coder, RateEstimator
from regio.models.base import Decoded, Latents, Reconstruction
from regio.models.context import context_net
from regio.models.facts import RegionSupport
from regio.models.hyperprior import HyperConfig, WithHyperprior, first_gains, first_levels
from regio.models.mixture import MixtureCoder
from regio.models.patch_transforms import PatchTransform
from regio.models.residual_transforms import ResidualTransform
from regio.nn.attention import ChannelSpatialAttention, SpatialGate
from regio.nn.conv import zeroed
from regio.nn.gain import GainUnit, RateTable, repeat_to
from regio.nn.norm import bounded
from regio.nn.patch import BottleneckUnit
from regio.nn.regional import GridRegions, Regions

PILOT = 16.0  # what the pilot channel holds outside of regions: emphasis is read in sixteenths
_PIXEL_BYTES = 300  # of a window, for models on patches; measured


@dataclass(frozen=True, kw_only=True)
class RoiCodecConfig(HyperConfig):
    """The numbers of one model."""

    transform: ResidualTransform | PatchTransform = field(default_factory=ResidualTransform)
    latent: int = 192
    protected: int = 48  # channels that no region changes, Eq. 7
    pilot: bool = False  # the last channel tells the decoder how much was emphasised (ours)
    emphasis: bool = True  # regions scale latents; False: files carry a map of rates instead (ours, better)
    attention: int = 0  # width of an attention at 1/16, for transforms that have none of their own
    hyper_down: tuple[tuple[int, int], ...] = ((192, 1), (192, 2), (192, 1), (192, 2))
    hyper_up: tuple[tuple[int, int], ...] = ((192, 2), (192, 1), (288, 2), (288, 1))
    hyper_context: int = 0  # width of the context of the hyper-latent; 0: a factorised prior
    level_widths: tuple[int, ...] = (192, 192, 192)  # of the exact network for levels
    means: int = 192  # width of the networks for means and for what is added once all is decoded
    context: str = "checkerboard"
    context_kernel: int = 5
    components: int = 3
    mixture_widths: tuple[int, ...] = (384, 640, 512)
    rate_points: int = 6
    log_gains: tuple[float, float] = (-2.0, 2.0)

    def __post_init__(self) -> None:
        if not 0 <= self.protected < self.latent - self.pilot:
            raise ValueError(f"protected={self.protected} leaves none of {self.latent} channels to emphasise")

    kinds: ClassVar[Mapping[str, Mapping[str, type]]] = {
        "transform": {"residual": ResidualTransform, "patch": PatchTransform}
    }

    @classmethod
    def presets(cls) -> Mapping[str, "RoiCodecConfig"]:
        """The paper's network and its variants, and our small ones."""
        return PRESETS


class ResidualSignal(nn.Module):
    """The paper's signal path: attention stands within it, and it does not know the rate."""

    def __init__(self, config: RoiCodecConfig, transform: ResidualTransform) -> None:
        super().__init__()
        self.g_a1, self.g_a2, self.g_s0, self.g_s1 = transform.build(config.latent)[:4]
        self.halo, self.pixel_bytes, self.spread = transform.halo(), transform.pixel_bytes, None

    def analyse(self, x: Tensor, where: Regions) -> Tensor:
        """x (B,3,H,W) -> y (B,M,H/16,W/16)."""
        y: Tensor = self.g_a2(self.g_a1(x, where), where)
        return y

    def synthesise(self, y: Tensor, where: Regions, rate: Tensor) -> Tensor:
        """The way back."""
        x_hat: Tensor = self.g_s1(self.g_s0(y, where), where)
        return x_hat


class PatchSignal(nn.Module):
    """Our low-resolution skeleton, with attention around the latent."""

    def __init__(self, config: RoiCodecConfig, transform: PatchTransform) -> None:
        super().__init__()
        parts = transform.build(192, config.latent, sal=True, rate_points=config.rate_points)
        self.g_a1, self.g_a2, self.g_s0, self.g_s1 = parts[:4]
        self.spread = parts.spread
        self.before, self.after = _attention(config), _attention(config)
        self.halo = transform.halo(rat=False) + (1 + SpatialGate.reach if config.attention else 0)
        self.pixel_bytes = _PIXEL_BYTES

    def analyse(self, x: Tensor, where: Regions) -> Tensor:
        """x (B,3,H,W) -> y (B,M,H/16,W/16)."""
        y: Tensor = self.g_a2(self.g_a1(x))
        return y if self.before is None else self.before(y.float(), where.inner)

    def synthesise(self, y: Tensor, where: Regions, rate: Tensor) -> Tensor:
        """The way back."""
        y = y if self.after is None else self.after(y, where.inner)
        x_hat: Tensor = self.g_s1(self.g_s0(y, rate), rate)
        return x_hat


def _attention(config: RoiCodecConfig) -> ChannelSpatialAttention | None:
    if not config.attention:
        return None
    trunk, mask = (BottleneckUnit(config.latent, config.attention) for _ in range(2))
    return ChannelSpatialAttention(config.latent, trunk, mask, zero_init=True)


class RoiCodec(WithHyperprior):
    """The ROI codec; see the module's diagram. Pictures have sides that are multiples of `multiple`."""

    config_class = RoiCodecConfig
    config: RoiCodecConfig
    stride = 16

    def __init__(self, config: RoiCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.latent = config.latent
        latent = config.latent
        transform = config.transform
        self.signal: ResidualSignal | PatchSignal = (
            PatchSignal(config, transform)
            if isinstance(transform, PatchTransform)
            else ResidualSignal(config, transform)
        )
        self.halo, self.pixel_bytes = self.signal.halo, self.signal.pixel_bytes
        gains = first_gains(config.log_gains, config.rate_points, latent)
        self.gain = GainUnit(gains)
        self.add_hyperprior(config, config.hyper_context)
        self.multiple = self.stride * self.hyper_stride
        side = config.hyper_up[-1][0]
        self.mean = context_net(side, (config.means,), latent, first_kernel=1)
        self.residual = context_net(side + latent, (config.means,), latent, first_kernel=1)
        for net in (self.mean, self.residual):
            zeroed(net[-1])
        if config.pilot:  # foretold, it costs nothing
            nn.init.constant_(self.mean[-1].bias[-1:], PILOT)  # type: ignore[index]
        start = first_levels(gains, self.signal.spread)
        if config.pilot:
            start[:, -1] = 0
        self.add_levels(config, config.level_widths, start)
        self.mixture = MixtureCoder(
            latent, config.mixture_widths, config.components, config.context, config.context_kernel
        )

    def forward(
        self,
        x: Tensor,
        regions: Tensor | None = None,
        grid: int = 4,
        rate: Tensor | None = None,
        importance: Tensor | None = None,
        alpha: float = 1.0,
    ) -> Reconstruction:
        """Compress and reconstruct without writing bytes.

        x (B,3,H,W) in [0,1]; rate (B,) in [0,1], default 0.5, or a rate map (B,1,H/multiple,W/multiple); importance
        (B,1,H/16,W/16) in [0,1] and alpha: see `emphasise`. regions and grid mean nothing to this model. In training
        mode rates are those of noisy latents.
        """
        where, rate = GridRegions(1), self.rate_or_default(rate, x)
        latents = self.analyse(x, where)
        if importance is not None:
            latents = self.emphasise(latents, importance, alpha)
        coder = RateEstimator(noisy=self.training)
        decoded = self.code(latents, coder, where, rate, self.latent_size(x))
        return Reconstruction(self.synthesise(decoded, where, rate), coder.bits)

    def analyse(self, x: Tensor, where: Regions) -> Latents:
        """Pictures (B,3,H,W) -> latents. Runs once a picture, however many rates and regions are tried."""
        y = self.signal.analyse(x, where)
        if self.config.pilot:
            y = torch.cat([y[:, :-1], torch.full_like(y[:, :1], PILOT)], dim=1)
        return Latents(y, None)

    @property
    def region_support(self) -> RegionSupport:
        """By `emphasise` in the paper's model, by a map of rates in ours."""
        return RegionSupport.LATENTS if self.config.emphasis else RegionSupport.RATE_MAP

    def emphasise(self, latents: Latents, importance: Tensor, alpha: float | Tensor) -> Latents:
        """Latents of a region of interest times (importance + alpha) / alpha, Eq. 6; protected channels stay, Eq. 7.

        importance (B,1,h,w) in [0,1], already on the latents' grid (Eq. 5); the smaller alpha, (B,1,1,1) or a number,
        the more bits the region gets. ValueError unless alpha is above 0.
        """
        if not bool(torch.as_tensor(alpha > 0).all()):
            raise ValueError(f"alpha={alpha}: must be above 0")
        y = latents.y
        factor = (importance.to(y) + alpha) / alpha
        return Latents(torch.cat([y[:, : self.config.protected], y[:, self.config.protected :] * factor], dim=1), None)

    def code(
        self, latents: Latents | None, coder: Coder, where: Regions, rate: Tensor | None, size: tuple[int, int]
    ) -> Decoded:
        """The walk over the latents, the same for training, writing and reading (latents is None then).

        size: (h,w) of y.
        """
        assert rate is not None
        y = None if latents is None else self._scaled(latents.y, rate)
        z = self.hyper_latent(None if y is None else self._read(y))
        side, level = self.code_hyper(z, rate, coder, size)
        decoded = self._read(self.mixture(y, bounded(self.mean(side).float()), level, coder))
        refined = decoded + 0.5 * torch.tanh(self.residual(torch.cat([side, decoded], dim=1)))
        return Decoded(self._unscaled(refined, decoded, rate), None)

    def synthesise(self, decoded: Decoded, where: Regions, rate: Tensor | None) -> Tensor:
        """Decoded latents -> pictures (B,3,H,W), not clamped.

        Where a pilot told of emphasis, quantisation was finer, and the synthesis is told of the rate that goes with it.
        """
        assert rate is not None
        y = decoded.y_hat
        if self.config.pilot:
            boost, (low, high) = y[:, -1:], self.config.log_gains
            whole = rate.view(-1, 1, 1, 1) if rate.dim() == 1 else repeat_to(rate, (y.shape[2], y.shape[3]))
            rate = (whole + boost / (high - low)).clamp(0, 1)
            y = _with_last(y, torch.zeros_like(boost))
        return self.signal.synthesise(y, where, rate)

    def adopted(self, known: dict[str, Tensor]) -> dict[str, Tensor]:
        """The numbers of a SegPIC model of the same skeleton, under our names, for training to begin with.

        Tables over the rate are read at our points. Numbers of a ROI codec come back as they are.
        """
        if any(name.startswith("signal.") for name in known):
            return known
        place = torch.linspace(0, 1, self.config.rate_points)
        renamed = {}
        for name, value in known.items():
            table = name.endswith(".points") and value.dim() == 2
            home = "signal." if name.startswith(("g_a", "g_s")) else ""
            renamed[home + name] = RateTable(value.float())(place)[:, :, 0, 0].detach() if table else value
        return renamed

    def _scaled(self, y: Tensor, rate: Tensor) -> Tensor:
        """Latents -> what is coded. The pilot is coded as it is: at every rate it must be read equally well."""
        scaled = self.to_coded(y, rate)
        return _with_last(scaled, y[:, -1:]) if self.config.pilot else scaled

    def _read(self, y: Tensor) -> Tensor:
        """The same with the pilot, where there is one, turned into what it means: log2 of the emphasis."""
        if not self.config.pilot:
            return y
        return _with_last(y, torch.log2((y[:, -1:] / PILOT).clamp_min(1 / PILOT)))

    def _unscaled(self, refined: Tensor, decoded: Tensor, rate: Tensor) -> Tensor:
        """What was decoded -> latents; where there is a pilot, without the emphasis that it tells of.

        Departure from [ROI2022], whose decoder learns to see what was emphasised: a small network has no strength to
        spare.
        """
        y = self.from_coded(refined, rate)
        if not self.config.pilot:
            return y
        boost, protected = decoded[:, -1:], self.config.protected
        return torch.cat([y[:, :protected], y[:, protected:-1] * torch.exp2(-boost), boost], dim=1)


def _with_last(y: Tensor, last: Tensor) -> Tensor:
    """y (B,C,h,w) with another last channel (B,1,h,w)."""
    return torch.cat([y[:, :-1], last], dim=1)


PAPER = RoiCodecConfig()
XS = RoiCodecConfig(
    transform=PatchTransform(units=(2, 2, 2, 4), deep_inner=128),
    latent=320,
    protected=4,
    pilot=True,
    emphasis=False,
    attention=64,
    hyper_down=((192, 1), (64, 2)),
    hyper_up=((128, 2), (160, 1)),
    hyper_magnitudes=True,
    hyper_context=48,
    level_widths=(96, 96),
    means=96,
    context_kernel=3,
    mixture_widths=(64, 64),
    prior_start=2.0,
    log_gains=(-2.2, 2.1),
)
TOY = replace(
    XS,
    transform=PatchTransform(units=(0, 0, 0, 1), deep_inner=8),
    latent=12,
    protected=2,
    emphasis=True,
    attention=4,
    hyper_down=((12, 1), (8, 2)),
    hyper_up=((8, 2), (12, 1)),
    hyper_context=8,
    level_widths=(8, 8),
    means=8,
    mixture_widths=(8, 8),
)
PRESETS = {
    "roi": PAPER,
    "roi-none": replace(PAPER, context="none"),
    "roi-autoregressive": replace(PAPER, context="autoregressive"),
    "roi-xs-1": XS,
    "toy": TOY,
    "toy-maps": replace(TOY, emphasis=False),
    "toy-none": replace(TOY, context="none"),
    "toy-autoregressive": replace(TOY, context="autoregressive"),
}
