"""Estimate rate and distortion on held-back pictures during training. Published tables use real files."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from regio.data.pictures import PicturePack
from regio.data.strips import write_strips
from regio.entropy import RateEstimator
from regio.models.base import Network
from regio.nn.regional import GridRegions
from regio.training.records import RatePoint

RATES = (0.05, 0.25, 0.5, 0.75, 0.95)
LARGEST = 384  # pixels a side that are looked at, from the centre
GRID = 4
SAMPLES, SAMPLE_SIDE, SAMPLE_RATE = 3, 256, 0.5


@torch.no_grad()
def validate(net: Network, held: PicturePack) -> list[RatePoint]:
    """Return means over the pictures at a few rates. Each picture is analysed once for all rates."""
    rates = RATES if net.rated else (SAMPLE_RATE,)
    rows: dict[float, list[RatePoint]] = {rate: [] for rate in rates}
    for picture in held.pictures:
        for point, _ in _at_rates(net, _centre(picture, net.multiple, LARGEST), rates):
            rows[point["rate"]].append(point)
    return [_mean(points) for points in rows.values()]


@torch.no_grad()
def write_samples(net: Network, held: PicturePack, path: Path) -> None:
    """Write a PNG of the first held-back pictures, each beside its reconstruction at rate 0.5."""
    pairs = []
    for picture in held.pictures[:SAMPLES]:
        crop = _centre(picture, net.multiple, SAMPLE_SIDE)
        ((_, shown),) = _at_rates(net, crop, (SAMPLE_RATE,))
        pairs.append((crop.cpu(), shown.cpu()))
    write_strips(path, pairs)


def _at_rates(net: Network, picture: Tensor, rates: tuple[float, ...]) -> list[tuple[RatePoint, Tensor]]:
    """One picture (3,H,W) uint8 -> rate and distortion, and the reconstruction (3,H,W) uint8, at each rate."""
    device = next(net.parameters()).device
    x = picture.to(device).float().div(255)[None]
    padded = F.pad(x, (0, -x.shape[3] % net.multiple, 0, -x.shape[2] % net.multiple), mode="replicate")
    where = GridRegions(GRID)
    latents, area = net.analyse(padded, where), x.shape[2] * x.shape[3]
    points = []
    for rate in rates:
        step, coder = net.rate_or_default(x.new_tensor([rate]), x), RateEstimator(noisy=False)
        decoded = net.code(latents, coder, where, step, net.latent_size(padded))
        x_hat = net.synthesise(decoded, where, step)[..., : x.shape[2], : x.shape[3]]
        shown = x_hat.clamp(0, 1).mul(255).round()
        mse = (shown / 255 - x).square().mean().clamp_min(1e-10)
        streams = {name: float(bits.sum()) / area for name, bits in coder.bits.items()}
        psnr = float(-10 * torch.log10(mse))
        point = RatePoint(rate=rate, bpp=sum(streams.values()), psnr=psnr, streams=streams)
        points.append((point, shown[0].to(torch.uint8)))
    return points


def _mean(points: list[RatePoint]) -> RatePoint:
    def mean(values: list[float]) -> float:
        return round(sum(values) / len(values), 4)

    streams = {name: mean([p["streams"][name] for p in points]) for name in points[0]["streams"]}
    bpp, psnr = mean([p["bpp"] for p in points]), mean([p["psnr"] for p in points])
    return RatePoint(rate=points[0]["rate"], bpp=bpp, psnr=psnr, streams=streams)


def _centre(picture: Tensor, multiple: int, largest: int) -> Tensor:
    """Picture (3,H,W) -> its middle: at most `largest` a side, a multiple of `multiple` where it has as much."""
    _, height, width = picture.shape
    h, w = (min(side // multiple * multiple or side, largest) for side in (height, width))
    top, left = (height - h) // 2, (width - w) // 2
    return picture[:, top : top + h, left : left + w]
