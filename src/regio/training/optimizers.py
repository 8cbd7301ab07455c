"""The optimisers that a recipe can name."""

import math
from collections.abc import Iterable

import torch
from pytorch_optimizer import SOAP, Muon
from torch.nn import Parameter

from regio.training.recipe import Phase

QUANTILE_RATE = 1e-2
JUDGE_BETAS = 0.5, 0.9  # of a discriminator: it must follow a model that moves
_Named = list[tuple[str, Parameter]]


def make_optimizer(named: Iterable[tuple[str, Parameter]], phase: Phase) -> torch.optim.Optimizer:
    """Return the optimiser of a phase, for all parameters except the quantiles of the priors."""
    pairs = list(named)
    weights = [p for _, p in pairs]
    if phase.optimizer == "adam":
        return adam(weights, phase.learning_rate, phase.betas)
    if phase.optimizer == "adamw":
        return _adamw(weights, phase)
    if phase.optimizer == "soap":
        return SOAP(
            weights,
            lr=phase.learning_rate,
            betas=(0.95, 0.95),
            weight_decay=0.0,
            precondition_frequency=phase.precondition_every,
            max_precondition_dim=400,
            merge_dims=False,  # True fails on kernels with a side of one
            normalize_gradient=False,
        )
    return _muon(pairs, phase, kernels_only=phase.optimizer == "muon-conv")


def adam(parameters: list[Parameter], rate: float, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Adam:
    """Return Adam, fused where torch has a kernel for it; on a CPU that takes half the time."""
    return torch.optim.Adam(parameters, lr=rate, betas=betas, fused=_has_fused(parameters))


def _adamw(parameters: list[Parameter], phase: Phase) -> torch.optim.Optimizer:
    """AdamW; biases, scales and other vectors do not decay, as in [He2022MAE]."""
    matrices, vectors = [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": phase.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=phase.learning_rate, betas=phase.betas, fused=_has_fused(parameters))


def _has_fused(parameters: list[Parameter]) -> bool:
    return {p.device.type for p in parameters} <= {"cpu", "cuda"}


def _muon(pairs: _Named, phase: Phase, kernels_only: bool) -> torch.optim.Optimizer:
    """Muon for matrices, Adam for the rest.

    kernels_only: what is no convolution (densities of the priors, tables over rates) goes to Adam, whatever its shape.
    """
    least = 4 if kernels_only else 2
    chosen = [p.dim() >= least and min(p.shape[:2]) > 1 for _, p in pairs]
    matrices = [p for (_, p), yes in zip(pairs, chosen, strict=True) if yes]
    rest = [p for (_, p), yes in zip(pairs, chosen, strict=True) if not yes]
    groups = [{"params": matrices, "use_muon": True}, {"params": rest, "use_muon": False}]
    return Muon(groups, lr=phase.learning_rate, adamw_lr=phase.learning_rate, weight_decay=0.0)


def learning_rate(phase: Phase, step: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then a cosine down to `final` of the full rate.

    With milestones, the full rate times `drop` for each that is past.
    """
    if step < phase.warmup:
        return phase.learning_rate * (step + 1) / phase.warmup
    if phase.milestones:
        return phase.learning_rate * phase.drop ** sum(step >= milestone for milestone in phase.milestones)
    done = (step - phase.warmup) / max(1, phase.steps - phase.warmup)
    return phase.learning_rate * (phase.final + (1 - phase.final) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
