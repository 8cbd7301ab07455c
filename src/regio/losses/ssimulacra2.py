"""SSIMULACRA 2 as a loss: the score of the package `ssimulacra2` 0.3.0, in torch, with gradients.

    RGB ─► linear ─┬─► XYB ─► local means and variances ─► SSIM, edges added, edges lost ─► mean and 4-norm of each map
                   └─ ½ ─► the same at 1/2 … 1/32                                                │
    score = 100 − 10 s^0.628,  s a cubic of their weighted sum ◄─────────────────────────────────┘

The metric, its weights and its colour space are Jon Sneyers' (Cloudinary, libjxl). Pictures whose shorter side is under
256 pixels lack the last scales, and the weights of colours then shift as in the package: train with crops of 256.
"""

import math
from collections.abc import Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from regio.losses.windows import filter_matrix

SMALLEST = 8  # pixels a side; a smaller scale is left out
SCALES = 6
_DEVIATION, _RADIUS = 1.5, 5  # of the blur
_C2 = 0.0009
_BIAS = 0.0037930732552754493
_ABSORBANCE = (
    (0.30, 0.622, 0.078),
    (0.23, 0.692, 0.078),
    (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
)
_NOTHING, _LITTLE = 1e-37, 1e-7  # added under the roots of norms and of the score: gradients at zero are finite so

# (place in the sum, weight): channel X, Y, B; scale 1 … 1/32; mean, 4-norm; SSIM, edges added, edges lost
_WEIGHTS = {
    1: 0.0007376606707406586, 4: 0.0007793481682867309, 7: 0.0004371155730107379, 9: 1.1041726426657346,
    10: 0.00066284834129271, 11: 0.00015231632783718752, 13: 0.0016406437456599754, 15: 1.8422455520539298,
    16: 11.441172603757666, 18: 0.0007989109436015163, 19: 0.000176816438078653, 21: 1.8787594979546387,
    22: 10.94906990605142, 24: 0.0007289346991508072, 25: 0.9677937080626833, 27: 0.00014003424285435884,
    28: 0.9981766977854967, 29: 0.00031949755934435053, 30: 0.0004550992113792063, 33: 0.0013648766163243398,
    39: 7.466890328078848, 41: 17.445833984131262, 42: 0.0006235601634041466, 45: 6.683678146179332,
    46: 0.00037724407979611296, 47: 1.027889937768264, 48: 225.20515300849274, 51: 19.213238186143016,
    52: 0.0011401524586618361, 53: 0.001237755635509985, 54: 176.39317598450694, 57: 24.43300999870476,
    58: 0.28520802612117757, 59: 0.0004485436923833408, 63: 34.77906344483772, 64: 44.835625328877896,
    73: 0.0008680556573291698, 79: 0.0005313191874358747, 81: 0.00016533814161379112, 87: 0.0004179171803251336,
    88: 0.0017290828234722833, 90: 0.0020827005846636437, 93: 8.826982764996862, 94: 23.19243343998926,
    96: 95.1080498811086, 97: 0.9863978034400682, 98: 0.9834382792465353, 99: 0.0012286405048278493,
    100: 171.2667255897307, 101: 0.9807858872435379, 105: 0.0005130064588990679, 107: 0.00010854057858411537,
}  # fmt: skip


def ssimulacra2(x: Tensor, x_hat: Tensor) -> Tensor:
    """Original and decoded pictures (B,3,H,W) in [0,1] -> scores (B,), 100 for equal ones, in the type of the pictures.

    Values outside [0,1] count as its ends. In float32 a score is within 0.02 of the package's, in float64 within 1e-6.
    Gradients reach both. Raises ValueError for a side under 8 pixels.
    """
    if min(x.shape[2:]) < SMALLEST:
        raise ValueError(f"SSIMULACRA 2 needs pictures of at least {SMALLEST} pixels a side")
    with torch.autocast(x.device.type, enabled=False):
        one, other = _linear(x), _linear(x_hat)
        scales: list[Tensor] = []
        for scale in range(SCALES):
            if scale:
                one, other = (F.avg_pool2d(picture, 2, ceil_mode=True) for picture in (one, other))
            if min(one.shape[2:]) < SMALLEST:
                break
            scales.append(_figures(_xyb(one), _xyb(other)))
        return _score(scales)


def ssimulacra2_loss(x: Tensor, x_hat: Tensor) -> Tensor:
    """Pictures (B,3,H,W) in [0,1] -> (100 − score) / 100 (B,): 0 for equal pictures, about 0.5 at medium quality."""
    return 1 - ssimulacra2(x, x_hat) / 100


def _linear(x: Tensor) -> Tensor:
    """SRGB in [0,1] -> linear."""
    x = x if x.dtype == torch.float64 else x.float()
    x = x.clamp(0, 1)
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def _xyb(linear: Tensor) -> Tensor:
    """Linear RGB (B,3,H,W) -> X, Y and B − Y, scaled and shifted so that they are positive."""
    matrix = linear.new_tensor(_ABSORBANCE)
    long, middle, short = (
        (torch.einsum("ic,bchw->bihw", matrix, linear) + _BIAS) ** (1 / 3) - _BIAS ** (1 / 3)
    ).unbind(1)
    y = (long + middle) / 2
    return torch.stack([(long - middle) * 7 + 0.42, y + 0.01, short - y + 0.55], dim=1)


def _blur(maps: Tensor) -> Tensor:
    """Gaussian blur (B,C,H,W); beyond the left and the right edge lies zero, beyond the others the mirror image."""
    taps = [math.exp(-(offset**2) / (2 * _DEVIATION**2)) for offset in range(-_RADIUS, _RADIUS + 1)]
    down = filter_matrix(maps.shape[2], taps, maps)
    across = filter_matrix(maps.shape[3], taps, maps, mirror=False)
    blurred: Tensor = down @ maps @ across.T
    return blurred


def _figures(one: Tensor, other: Tensor) -> Tensor:
    """XYB of both pictures at one scale -> (B,3,6): mean and 4-norm, each of SSIM, edges added and edges lost."""
    mean, theirs, square, their_square, product_ = _blur(
        torch.cat([one, other, one * one, other * other, one * other], dim=1)
    ).chunk(5, dim=1)
    luminance = 1 - (mean - theirs) ** 2
    structure = 2 * (product_ - mean * theirs) + _C2
    contrast = (square - mean * mean) + (their_square - theirs * theirs) + _C2
    unlike = (1 - luminance * structure / contrast).clamp_min(0)
    edges = (1 + (other - theirs).abs()) / (1 + (one - mean).abs()) - 1
    maps = torch.stack([unlike, edges.clamp_min(0), (-edges).clamp_min(0)], dim=2).flatten(3)  # (B,3,3,h*w)
    return torch.cat([maps.mean(3), _root(maps.pow(4).mean(3), 0.25, _NOTHING)], dim=2)


def _root(x: Tensor, power: float, little: float) -> Tensor:
    """x ** power, zero at zero, with a finite gradient there."""
    raised: Tensor = (x.clamp_min(0) + little) ** power - little**power
    return raised


def _score(scales: Sequence[Tensor]) -> Tensor:
    """Figures of each scale -> scores (B,)."""
    total = scales[0].new_zeros(len(scales[0]))
    for place, (channel, scale, figure) in enumerate(product(range(3), range(len(scales)), range(6))):
        if place in _WEIGHTS:
            total = total + _WEIGHTS[place] * scales[scale][:, channel, figure]
    total = total * 0.9562382616834844
    cubic = total * (2.326765642916932 + total * (-0.020884521182843837 + total * 6.248496625763138e-05))
    return 100 - 10 * _root(cubic, 0.6276336467831387, _LITTLE)
