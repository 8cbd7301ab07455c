"""Train MCM [Li2023]: first to predict hidden patches, then to code the patches that are kept."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regio.errors import UsageError
from regio.losses.masked import mixed_distortion
from regio.losses.perceptual import FeatureDistance, Lpips
from regio.models.base import Network
from regio.models.mcm import MCM
from regio.models.mcm_mask import STRATEGIES, covering, gumbel, log_chances, structure, texture, top, typicality
from regio.training.recipe import Phase, Recipe
from regio.training.step import Drawn, TrainingStep, charged, decibels, distortion_weight, voice

RATE_JITTER = 0.25  # rates of a batch differ by at most half of this from the one that sets the number of patches
COUNT_JITTER = 0.5  # octaves by which that number varies, so that the weights serve other budgets as well


class MCMStep(TrainingStep):
    """MCM and its losses.

    masked      mean squared error of the whole picture, painted from a random share of its patches (stage 1
                of [Li2023]; departure: kept patches count as well, because the same layers paint both)
    perceptual  bpp + lambda (10 L1 + 0.25 (1 - SSIM) + 0.1 features + terms) (Eq. 10 and 11), the weights being the
                recipe's
    mse         bpp + lambda 255**2 MSE

    `masking` of the recipe says how often the kept patches are chosen by DA-Mask, by texture, by structure or at
    random, with or without the paper's randomness, so that the decoder may learn from every kind of kept set. Structure
    comes from the importance map or the label map, where there is one.
    """

    measures = ("masked", "perceptual", "mse")

    def __init__(self, net: Network, recipe: Recipe) -> None:
        for number, phase in enumerate(recipe.phase, 1):
            if phase.rate_maps:
                raise UsageError(f"phase {number}: MCM cannot vary its rate over a picture; remove rate_maps")
        nn.Module.__init__(self)
        self.folder = recipe.judges
        super().__init__(net, recipe)

    @property
    def masked(self) -> MCM:
        """The network, which is always an MCM here."""
        assert isinstance(self.net, MCM)
        return self.net

    def begin(self, phase: Phase) -> None:
        """See TrainingStep. Also loads the network that judges in this phase."""
        super().begin(phase)
        self.difference = self._judge(phase)

    def _judge(self, phase: Phase) -> nn.Module | None:
        if phase.measure != "perceptual" or not phase.mix[2]:
            return None
        name = phase.features.removeprefix("lpips-")
        kind = FeatureDistance if name == phase.features else Lpips
        return kind(name, weights=self.folder).to(next(self.net.parameters()).device)

    def forward(self, drawn: Drawn) -> dict[str, Tensor]:
        """See TrainingStep."""
        return self._paint(drawn) if self.phase.measure == "masked" else self._code(drawn)

    def _paint(self, drawn: Drawn) -> dict[str, Tensor]:
        x, size = drawn.x, self.net.latent_size(drawn.x)
        total = size[0] * size[1]
        count = max(1, round(total * (1 - self.phase.masked)))
        keep = torch.rand(len(x), total, device=x.device).topk(count, dim=1).indices.sort(dim=1).values
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            painted = self.masked.paint(x, keep, None if not self.net.rated else drawn.rate)
        mse = (painted.float() - x).square().mean(dim=(1, 2, 3))
        # data-parallel engines need every parameter in the loss; those of the codec are not used here
        idle = torch.stack([p.sum() * 0.0 for p in self.net.parameters()]).sum()
        cost = mse.mean()
        return {
            "loss": cost + idle + self.quantile_loss(),
            "cost": cost.detach(),
            "bpp": cost.new_tensor(float("nan")),
            "psnr": decibels(mse),
        }

    def _code(self, drawn: Drawn) -> dict[str, Tensor]:
        phase, x = self.phase, drawn.x
        rate, keep = self._choose(drawn)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            out = self.net(x, rate=rate, keep=keep)
        x_hat, weight = out.x_hat.float(), distortion_weight(drawn.rate if rate is None else rate, phase)
        bits = charged(out.bits, drawn.side)
        bpp = torch.stack(list(bits.values())).sum(0) / (x.shape[2] * x.shape[3])
        mse = (x_hat - x).square().mean(dim=(1, 2, 3))
        if phase.measure == "mse":
            distortion = 255**2 * mse
        else:
            distortion = mixed_distortion(x, x_hat, phase.mix, None if self.difference is None else self._compare)
            if self.terms is not None:
                distortion = distortion + self.terms(x, x_hat, drawn.importance).total
        cost = bpp + weight * distortion
        return {
            "loss": (cost * voice(weight, phase)).mean() + self.quantile_loss(),
            "cost": cost.mean().detach(),
            "bpp": bpp.mean().detach(),
            "psnr": decibels(mse),
            "distortion": distortion.mean().detach(),
        }

    def _compare(self, x: Tensor, x_hat: Tensor) -> Tensor:
        """Compare pictures (B,3,H,W), or a part of each, by the judging network. Return differences (B,)."""
        assert self.difference is not None
        look = self.phase.look or x.shape[2]
        top, left = (int(place * (x.shape[2] - look + 1)) for place in torch.rand(2).tolist())
        part = (..., slice(top, top + look), slice(left, left + look))
        difference: Tensor = self.difference(x[part], x_hat[part])
        return difference

    def _choose(self, drawn: Drawn) -> tuple[Tensor | None, Tensor]:
        """Return the rates of a batch (B,) and the kept patches (B,K); one of the rates sets their number."""
        x, size = drawn.x, self.net.latent_size(drawn.x)
        dice = torch.rand(4).tolist()
        rate = None
        if self.net.rated:
            middle = drawn.rate[int(dice[0] * len(drawn.rate))]
            rate = (middle + (drawn.rate - 0.5) * RATE_JITTER).clamp(0, 1)
        count = self.masked.budget(None if rate is None else middle[None], size[0] * size[1])
        if rate is not None:
            count = round(count * 2.0 ** ((dice[1] * 2 - 1) * COUNT_JITTER))
        objects = None if drawn.importance is None else structure(drawn.importance[:, 0])
        if objects is None and drawn.regions is not None:  # the region in the middle counts as the object
            centre = drawn.regions[:, x.shape[2] // 2, x.shape[3] // 2]
            objects = structure((drawn.regions == centre[:, None, None]).float())
        terms = self.phase.masking
        ends = [sum(terms.shares[: k + 1]) for k in range(len(STRATEGIES))]
        at = next(k for k, end in enumerate(ends) if dice[2] < end or k == len(STRATEGIES) - 1)
        scores = log_chances(STRATEGIES[at], texture(x), objects, terms.normalise)
        certain = dice[3] < terms.certain and STRATEGIES[at] != "random"
        scores = gumbel(scores, temperature=0.0 if certain else 1.0)
        scores = covering(scores, typicality(x)) if dice[3] < terms.covering else scores
        return rate, top(scores, min(max(count, 1), size[0] * size[1]))
