"""Train the ROI codec [ROI2022]: exact inside the region, with a discriminator for the background.

[ROI2022] "ROI image codec optimized for visual quality", sections 1.2 to 1.5.
"""

import torch
from torch import Tensor

from regio.entropy import RateEstimator
from regio.errors import UsageError
from regio.losses.adversarial import PatchDiscriminator, Verdict, contest
from regio.losses.perceptual import Lpips
from regio.losses.regional import BackgroundDistortion, colour_distortion, on_latents, roi_distortion, smooth
from regio.models.base import Network
from regio.models.facts import RegionSupport
from regio.models.roi import RoiCodec
from regio.nn.regional import GridRegions
from regio.training.recipe import Phase, Recipe
from regio.training.step import PLAIN_ALPHA, Drawn, TrainingStep, charged, decibels, distortion_weight, voice


class RoiStep(TrainingStep):
    """The ROI codec and its losses.

    mse, ms-ssim  as for every model, without a region
    terms         as for every model
    roi           bpp + lambda (255**2 (d_ROI + colour d_C) + background (d_BG + terms + adversary G)), Eq. 3, 4

    [ROI2022] weighs the rate instead of the distortion: `weighs` of the recipe. Departures, each a switch of the
    recipe: an error in a region counts (RM + alpha)**2 / alpha**2 times, because quantisation is that much finer there
    (`finer`). G, the loss of the generator, counts outside of regions only, so that nothing is invented inside
    (`everywhere`). d_C keeps the tone of large areas (`colour`).
    """

    measures = ("mse", "ms-ssim", "roi", "terms")

    def opponent(self, net: Network, recipe: Recipe) -> PatchDiscriminator | None:
        """See TrainingStep."""
        widths = {phase.roi.judge_width for phase in recipe.phase if phase.measure == "roi" and phase.roi.adversary}
        if len(widths) > 1:
            raise UsageError("judge_width must be the same in all phases: they share a discriminator")
        torch.manual_seed(recipe.seed)
        return PatchDiscriminator(net.latent, widths.pop()) if widths else None

    def begin(self, phase: Phase) -> None:
        """See TrainingStep. Also loads LPIPS if needed, and trains or freezes the discriminator."""
        super().begin(phase)
        regional = phase.measure == "roi"
        if self.judge is not None:
            self.judge.requires_grad_(regional and phase.roi.adversary > 0)
        self.background: BackgroundDistortion | None = None
        if regional:
            network = Lpips("squeeze", weights=self.folder) if phase.roi.perceptual else None
            device = next(self.net.parameters()).device
            self.background = BackgroundDistortion(network, phase.roi.perceptual, phase.look).to(device)

    def forward(self, drawn: Drawn) -> dict[str, Tensor]:
        """See TrainingStep."""
        if self.background is None:
            return super().forward(drawn)
        assert drawn.importance is not None
        assert drawn.alpha is not None
        phase, terms, x = self.phase, self.phase.roi, drawn.x
        mask, alpha = smooth(drawn.importance, terms.smoothing), drawn.alpha.view(-1, 1, 1, 1)
        x_hat, bits, latents = self._code(drawn, mask, alpha)
        bpp = torch.stack(list(charged(bits, drawn.side).values())).sum(0) / (x.shape[2] * x.shape[3])
        counts = mask.clamp_min(terms.floor)
        if terms.finer:
            counts = counts * ((mask + alpha) / alpha).square()
        region = roi_distortion(x, x_hat, counts, terms.error)
        if terms.colour:
            region = region + terms.colour * colour_distortion(x, x_hat)
        background, distance = self.background(x, x_hat)
        parts: dict[str, Tensor] = {}
        if self.terms is not None:
            judged = self.terms(x, x_hat, drawn.importance)
            background, parts = background + judged.total, {f"term {name}": v for name, v in judged.parts.items()}
        verdict = self._judged(x, x_hat, latents)
        if verdict is not None:
            heard = verdict.model if terms.everywhere else on_latents(1 - mask) * verdict.model
            background = background + terms.adversary * heard.mean(dim=(1, 2, 3))
        weight = distortion_weight(drawn.rate, phase)
        total = bpp + weight * (255**2 * region + terms.background * background)
        loss = (total * voice(weight, phase)).mean() + self.quantile_loss()
        inside = (drawn.alpha < PLAIN_ALPHA).float()
        reports = {
            "loss": loss if verdict is None else loss + verdict.judge,
            "cost": total.mean().detach(),
            "bpp": bpp.mean().detach(),
            "psnr": decibels((x - x_hat).square().mean(dim=(1, 2, 3))),
            "roi_psnr": _within(x, x_hat, mask, inside),
            "lpips": distance.mean().detach(),
            "region": 255**2 * region.mean().detach(),
            "background": background.mean().detach(),
            **parts,
        }
        return reports if verdict is None else reports | {"judge": verdict.judge.detach()}

    def _code(self, drawn: Drawn, mask: Tensor, alpha: Tensor) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """-> pictures (B,3,S,S), bits (B,) by stream, the latents, those of Eq. 7 with emphasis (B,M,h,w)."""
        net, x, where = self.net, drawn.x, GridRegions(1)
        rate = drawn.rate if net.region_support is RegionSupport.LATENTS else self._rates(drawn.rate, mask, alpha)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            latents = net.analyse(x, where)
            if net.region_support is RegionSupport.LATENTS:
                latents = net.emphasise(latents, on_latents(mask), alpha)
            coder = RateEstimator(noisy=self.training)
            decoded = net.code(latents, coder, where, rate, net.latent_size(x))
            x_hat = net.synthesise(decoded, where, rate)
        return x_hat.float(), coder.bits, latents.y.float()

    def _rates(self, rate: Tensor, mask: Tensor, alpha: Tensor) -> Tensor:
        """Rates (B,), smoothed masks (B,1,S,S), alpha (B,1,1,1) -> (B,1,h,w), the region's higher by as much.

        On the grid that files have; they round masks to a few levels.
        """
        assert isinstance(self.net, RoiCodec)
        low, high = self.net.config.log_gains
        octaves = on_latents(mask, self.net.multiple) * torch.log2(1 + 1 / alpha)
        rates: Tensor = rate.view(-1, 1, 1, 1) + octaves / (high - low)
        return rates.clamp(0, 1)

    def _judged(self, x: Tensor, x_hat: Tensor, latents: Tensor) -> Verdict | None:
        if self.judge is None or not self.phase.roi.adversary:
            return None
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            verdict = contest(self.judge, x, x_hat, latents, self.phase.roi.game)
        return Verdict(verdict.model.float(), verdict.judge.float())


def _within(x: Tensor, x_hat: Tensor, mask: Tensor, inside: Tensor) -> Tensor:
    """PSNR inside the masks of the samples that have one, for the log; not finite where none has."""
    share = mask * inside.view(-1, 1, 1, 1)
    error = ((x - x_hat).detach().square() * share).sum() / (3 * share.sum())
    return -10 * torch.log10(error.clamp_min(1e-10))
