"""Layers that depend on the rate, so that the same weights serve every quality.

A *rate* is a number in [0,1], 0 the smallest files, 1 the best pictures; it is the user's quality over 100. It is the
same for a whole picture, (B,), or varies over it: a **rate map** (B,1,h,w), coarser than the features it steers.
"""

import torch
from torch import Tensor, nn

RATE_STEPS = 4000  # a file carries its rate as a whole number of these


def rate_step(rate: Tensor) -> Tensor:
    """Rates (B,) or (B,1,h,w) in [0,1] -> whole steps, int64 of the same shape."""
    return torch.round(rate.double() * RATE_STEPS).to(torch.int64)


def repeat_to(values: Tensor, size: tuple[int, int]) -> Tensor:
    """(B,C,1,1) as it is, so that it broadcasts; (B,C,r,s) -> (B,C,h,w), each value repeated; h and w are multiples."""
    for dim, side in zip((2, 3), size, strict=True):
        if values.shape[dim] not in (1, side):
            values = values.repeat_interleave(side // values.shape[dim], dim=dim)
    return values


class RateTable(nn.Module):
    """One vector per trained rate point, interpolated linearly between points.

    `points` - 1 must divide RATE_STEPS, so that `exact` can interpolate in whole numbers.
    """

    def __init__(self, start: Tensor) -> None:
        """start (points, channels): the values training begins with."""
        super().__init__()
        if start.dim() != 2 or len(start) < 2 or RATE_STEPS % (len(start) - 1):
            raise ValueError(f"a rate table of shape {tuple(start.shape)}: points - 1 must divide {RATE_STEPS}")
        self.points = nn.Parameter(start.clone())

    def forward(self, rate: Tensor) -> Tensor:
        """Rates (B,) or (B,1,h,w) -> (B,C,1,1) or (B,C,h,w)."""
        spans = len(self.points) - 1
        place = _flat(rate).to(self.points.dtype) * spans
        below = place.detach().floor().clamp(0, spans - 1).long()
        mixed = torch.lerp(self.points[below], self.points[below + 1], (place - below)[..., None])
        return mixed.permute(0, 3, 1, 2)

    def exact(self, step: Tensor, unit: float) -> Tensor:
        """Whole rate steps, int64 -> as `forward`, in float64: whole multiples of `unit`, the same on every machine."""
        span = RATE_STEPS // (len(self.points) - 1)
        whole = torch.round(self.points.detach().to(step.device, torch.float64) / unit).to(torch.int64)
        step = _flat(step)
        below = torch.clamp(step // span, 0, len(self.points) - 2)
        part = (step - below * span)[..., None]
        mixed = (whole[below] * (span - part) + whole[below + 1] * part) // span
        return mixed.double().permute(0, 3, 1, 2) * unit


def _flat(rate: Tensor) -> Tensor:
    """(B,) -> (B,1,1); (B,1,h,w) -> (B,h,w)."""
    return rate[:, None, None] if rate.dim() == 1 else rate[:, 0]


class GainUnit(nn.Module):
    """Scale each latent channel before coding and back after it; the rate chooses by how much.

    Gain units of Cui et al. 2021 as [ROI2022] uses them: y_bar = y * v_s, y' = y_hat * v'_s, and between two trained
    points the geometric mean v_s**l * v_(s+1)**(1-l). Departure: gains are stored as logarithms to base 2, so that
    they stay positive without clamping and the geometric mean is a linear one; v * v' is free, not held constant.
    """

    def __init__(self, start: Tensor) -> None:
        """start (points, channels): logarithms to base 2 of the first gains; the inverse gains their negative."""
        super().__init__()
        self.log_gain = RateTable(start)
        self.log_inverse = RateTable(-start)

    def scale(self, y: Tensor, rate: Tensor) -> Tensor:
        """y (B,C,h,w), rate (B,) or (B,1,r,s) -> (B,C,h,w), what is coded."""
        coded: Tensor = y * repeat_to(torch.exp2(self.log_gain(rate)), (y.shape[2], y.shape[3]))
        return coded

    def unscale(self, y_hat: Tensor, rate: Tensor) -> Tensor:
        """The way back."""
        latent: Tensor = y_hat * repeat_to(torch.exp2(self.log_inverse(rate)), (y_hat.shape[2], y_hat.shape[3]))
        return latent


class RateAffine(nn.Module):
    """Scale and shift each channel by amounts that depend on the rate alone; starts as the identity.

    Lets one transform behave differently at 0.05 and at 1 bit per pixel.
    """

    def __init__(self, channels: int, points: int) -> None:
        super().__init__()
        self.scale = RateTable(torch.zeros(points, channels))
        self.shift = RateTable(torch.zeros(points, channels))

    def forward(self, x: Tensor, rate: Tensor) -> Tensor:
        """x (B,C,H,W), rate (B,) or (B,1,r,s) -> (B,C,H,W)."""
        size = x.shape[2], x.shape[3]
        y: Tensor = x * (1 + repeat_to(self.scale(rate), size)) + repeat_to(self.shift(rate), size)
        return y
