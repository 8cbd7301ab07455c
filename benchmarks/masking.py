"""Which patches MCM should send, and how many: the paper's ablation and its study of masking ratios, on real bytes.

    python benchmarks/masking.py strategies PICTURES --codec mcm.safetensors --judges FOLDER
    python benchmarks/masking.py ratios PICTURES --codec mcm.safetensors --judges FOLDER
    python benchmarks/masking.py layouts PICTURES --codec grid.safetensors --packed packed.safetensors --judges FOLDER

strategies: random, texture, structure, DA-Mask at the same number of patches, drawn as in the paper, and ours (DA-Mask
without chance, one patch of every 4x4 at least), with the rate in bytes that LPIPS saves against random masking.
ratios: every share of patches at every gain. layouts: tokens on the grid against tokens packed, and packed in raster
order against any order (estimated, as files are always in raster order). FOLDER holds the weights of LPIPS.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from regio import codec as codecs
from regio.codec.pixels import to_tensor
from regio.entropy import RateEstimator, StreamWriter
from regio.evaluation.bd_rate import Curve, bd_rate, in_decibels
from regio.evaluation.estimates import HEADER_BYTES
from regio.images import read_picture
from regio.losses.perceptual import Lpips
from regio.models.base import Chosen
from regio.models.mcm_mask import STRATEGIES, covering, gumbel, log_chances, structure, texture, top, typicality
from regio.names import PICTURES
from regio.nn.regional import GridRegions
from regio.regions import importance

SHARES = (64 / 256, 144 / 256)  # of the paper
MORE_SHARES = (0.06, 0.12, 0.25, 0.4, 0.5625, 0.75, 1.0)
RATES = (0.0, 0.25, 0.5, 0.75, 1.0)
PAPER = {  # LPIPS (bpp) on COCO and on CelebAMask-HQ
    "random": ".263 (.0723)  .147 (.0839)",
    "texture": ".230 (.0760)  .117 (.0885)",
    "structure": ".257 (.0737)  .199 (.0776)",
    "da-mask": ".238 (.0754)  .130 (.0803)",
}


class Scene(NamedTuple):
    """A picture, and what its patches are worth."""

    x: Tensor  # (1,3,H,W) in [0,1], sides multiples of the model's
    size: tuple[int, int]  # height, width before that
    objects: Tensor  # (1,H,W) in [0,1]


class Result(NamedTuple):
    """Means over the pictures."""

    bpp: float
    lpips: float
    psnr: float


Choose = Callable[[Scene, int, torch.Generator], Tensor]  # scene, count, chance -> ids (1,K)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("strategies", "ratios", "layouts"))
    parser.add_argument("pictures", type=Path, help="folder of PNG or JPEG files")
    parser.add_argument("--codec", required=True, help="weights of an MCM for any size")
    parser.add_argument("--packed", help="layouts: weights of the same model with layout = packed")
    parser.add_argument("--judges", type=Path, help="folder with the LPIPS weights; default: fetched once")
    parser.add_argument("--limit", type=int, help="at most so many pictures")
    options = parser.parse_args(arguments)
    codec = codecs.load(options.codec)
    if codec.net.patch_ranker is None or (options.study == "layouts" and not options.packed):
        print("masking: weights of MCM are wanted, for layouts of both kinds (--packed)", file=sys.stderr)
        return 2
    files = [f for f in sorted(options.pictures.glob("*")) if f.suffix.lower() in PICTURES][: options.limit]
    scenes = [scene_of(file, codec.net.multiple) for file in files]
    if not scenes:
        print(f"masking: no pictures in {options.pictures}", file=sys.stderr)
        return 2
    judge = Lpips("squeeze", weights=options.judges)
    print(f"{len(scenes)} pictures, {codec.name} {codec.fingerprint[:8]}; {judge.name}; streams + {HEADER_BYTES} bytes")
    if options.study == "strategies":
        strategies(codec, scenes, judge)
    elif options.study == "ratios":
        ratios(codec, scenes, judge)
    else:
        layouts(codec, codecs.load(options.packed), scenes, judge)
    return 0


def strategies(codec: codecs.Codec, scenes: list[Scene], judge: Lpips) -> None:
    """Print the ablation."""
    ways: dict[str, Choose] = {name: drawn(name) for name in STRATEGIES}
    ways["ours"] = ours
    for share in SHARES:
        curves = {}
        print(f"\n{share:.1%} of the patches are sent")
        print(f"{'':10} {'bpp':>7} {'LPIPS':>6} {'PSNR':>6}   {'LPIPS BD-rate against random':28}  paper: LPIPS (bpp)")
        for name in ("random", "texture", "structure", "da-mask", "ours"):
            found = [measure(codec, scenes, judge, ways[name], share, rate) for rate in RATES]
            curves[name] = curve(name, found)
            saved = bd_rate(curves["random"], curves[name], metric="lpips_squeeze")
            middle = found[len(found) // 2]
            gain = "" if name == "random" else f"{saved.percent:+.1f} %"
            row = (
                f"{name:10} {middle.bpp:7.4f} {middle.lpips:6.3f} {middle.psnr:6.2f}   {gain:28}  {PAPER.get(name, '')}"
            )
            print(row, flush=True)


def ratios(codec: codecs.Codec, scenes: list[Scene], judge: Lpips) -> None:
    """Print the study of masking ratios."""
    print(f"{'sent':>6} {'gain at':>8} {'bpp':>7} {'LPIPS':>6} {'PSNR':>6}")
    for share in MORE_SHARES:
        for rate in RATES:
            found = measure(codec, scenes, judge, ours, share, rate)
            print(f"{share:6.1%} {rate:8.2f} {found.bpp:7.4f} {found.lpips:6.3f} {found.psnr:6.2f}", flush=True)


def layouts(grid: Any, packed: Any, scenes: list[Scene], judge: Lpips) -> None:
    """Print what it is worth to leave tokens where their patches lie."""
    on_grid, in_rows = (
        curve(name, [measure(codec, scenes, judge, ours, SHARES[0], rate) for rate in RATES])
        for name, codec in (("grid", grid), ("packed", packed))
    )
    print(f"grid against packed: {bd_rate(in_rows, on_grid, metric='lpips_squeeze').percent:+.1f} % LPIPS BD-rate")
    for rate in RATES:
        bits = [sum(estimated(packed, scene, rate, shuffle) for scene in scenes) for shuffle in (False, True)]
        print(f"rate {rate:.2f}: y and z take {bits[1] / bits[0] - 1:+.2%} bits in any order instead of raster order")


def curve(name: str, points: list[Result]) -> Curve:
    """LPIPS over the rate."""
    return Curve.through(name, [p.bpp for p in points], [in_decibels(p.lpips, "lpips_squeeze") for p in points])


def drawn(strategy: Any) -> Choose:
    """As the paper draws."""

    def choose(scene: Scene, count: int, chance: torch.Generator) -> Tensor:
        chances = log_chances(strategy, inside(scene, texture(scene.x)), structure(scene.objects))
        return top(gumbel(inside(scene, chances, -1e9), chance), count)

    return choose


def ours(scene: Scene, count: int, chance: torch.Generator) -> Tensor:
    """As files do."""
    chances = log_chances("da-mask", texture(scene.x), structure(scene.objects))
    return top(inside(scene, covering(chances, typicality(scene.x)), -1e9), count)


def inside(scene: Scene, scores: Tensor, outside: float = 0.0) -> Tensor:
    """Scores (1,h,w), those of patches that lie beyond the picture replaced."""
    rows, columns = (-(-side // 16) for side in scene.size)
    cut = torch.full_like(scores, outside)
    cut[:, :rows, :columns] = scores[:, :rows, :columns]
    return cut


@torch.inference_mode()
def measure(
    codec: codecs.Codec, scenes: list[Scene], judge: Lpips, choose: Choose, share: float, rate: float
) -> Result:
    """Send a share of the patches of every picture at one gain."""
    rows = []
    for number, scene in enumerate(scenes):
        net, size, where = codec.net, codec.net.latent_size(scene.x), GridRegions(1)
        height, width = scene.size
        count = max(1, round(share * -(-height // 16) * -(-width // 16)))
        ids = choose(scene, count, torch.Generator().manual_seed(number))
        writer, step = StreamWriter(codec.tables), scene.x.new_tensor([rate])
        decoded = net.code(net.analyse(scene.x, where)._replace(order=Chosen(ids)), writer, where, step, size)
        shown = net.synthesise(decoded, where, step)[..., :height, :width].clamp(0, 1).mul(255).round() / 255
        original = scene.x[..., :height, :width]
        bits = 8 * (len(writer.finish()[0].payload) + HEADER_BYTES)
        psnr = -10 * float(torch.log10((shown - original).square().mean().clamp_min(1e-10)))
        rows.append((bits / (height * width), float(judge(original, shown)), psnr))
    return Result(*(float(np.mean(column)) for column in zip(*rows, strict=True)))


@torch.inference_mode()
def estimated(codec: codecs.Codec, scene: Scene, rate: float, shuffle: bool) -> float:
    """Bits of y and z."""
    net, size, where = codec.net, codec.net.latent_size(scene.x), GridRegions(1)
    ids = ours(scene, round(SHARES[0] * size[0] * size[1]), torch.Generator())
    if shuffle:
        ids = ids[:, torch.randperm(ids.shape[1], generator=torch.Generator().manual_seed(1))]
    coder = RateEstimator(noisy=False)
    net.code(net.analyse(scene.x, where)._replace(order=Chosen(ids)), coder, where, scene.x.new_tensor([rate]), size)
    return float(coder.bits["y"] + coder.bits["z"])


def scene_of(file: Path, multiple: int) -> Scene:
    """A picture, its sides rounded up."""
    pixels = read_picture(file).pixels
    objects = importance("salient", pixels).values.astype(np.float32) / 255
    height, width = pixels.shape[:2]
    pads = (0, -width % multiple, 0, -height % multiple)
    x = to_tensor(pixels, torch.device("cpu"))
    plane = torch.from_numpy(objects)[None, None]
    wide, seen = (F.pad(part, pads, mode="replicate") for part in (x, plane))
    return Scene(wide, (height, width), seen[:, 0])


if __name__ == "__main__":
    sys.exit(main())
