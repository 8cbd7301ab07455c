"""What the adversarial phase of the ROI codec changes: texture outside of regions, and nothing inside of them.

    python benchmarks/textures.py PICTURES --before without.safetensors --after roi-xs --lpips WEIGHTS
        [--marks BOXES] [--bpp 0.15] [--crops FOLDER]

BEFORE are weights of the same run from before that phase (`regio export` of it). Each picture is coded by both with
its region, marked by BOXES or else the salient object, the second file no larger than the first. LPIPS outside is that
of the decoded picture with the original put back inside of the region, and the other way round for inside; sharpness is
the mean magnitude of the Laplacian outside, as a share of the original's. With --crops a picture of crops for each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

import regio
from regio.codec import Codec
from regio.codec.pixels import to_tensor
from regio.errors import RegioError
from regio.evaluation.columns import columns
from regio.evaluation.marks import Marks, read_marks
from regio.evaluation.metrics import masked_psnr
from regio.evaluation.side_by_side import Panel, Window, side_by_side
from regio.evaluation.sweep import find_pictures
from regio.images import Pixels, read_picture
from regio.losses.perceptual import Lpips
from regio.models.mcm_mask import texture
from regio.regions import importance

CPU = torch.device("cpu")
COLUMNS = ("bpp", "PSNR inside", "PSNR outside", "LPIPS inside", "LPIPS outside", "LPIPS", "sharpness")


class Figures(NamedTuple):
    """Of one decoded picture."""

    bpp: float
    psnr_inside: float
    psnr_outside: float
    lpips_inside: float
    lpips_outside: float
    lpips: float
    sharpness: float


def main() -> int:
    """Measure both, print, write crops."""
    options = arguments()
    judge = Lpips("squeeze", weights=options.lpips).eval()
    codecs = {"before": regio.load(options.before, device="cpu"), "after": regio.load(options.after, device="cpu")}
    marks = read_marks(options.marks) if options.marks else None
    found: dict[str, list[Figures]] = {name: [] for name in codecs}
    rows = []
    for name, path in find_pictures(options.pictures).items():
        photo = read_picture(path).pixels
        region = region_of(name, photo, marks)
        if not region.any() or region.all():
            print(f"{name}: no region, left out", file=sys.stderr)
            continue
        decoded = coded(photo, region, codecs, options.bpp)
        for which, (data, pixels) in decoded.items():
            figures = measure(photo, pixels, region, len(data), judge)
            found[which].append(figures)
            rows.append([f"{name}, {which}", *cells(figures)])
        if options.crops:
            show(options.crops / f"{path.stem}.jpg", photo, region, decoded)
    for which, all_of in found.items():
        rows.append([f"mean, {which}", *cells(Figures(*np.mean(all_of, axis=0)))])
    print(columns(["picture", *COLUMNS], rows))
    return 0


def region_of(name: str, photo: Pixels, marks: Marks | None) -> NDArray[np.bool_]:
    """(H,W) bool: what is marked, else the salient object."""
    if marks is not None and (mask := marks.mask(name, *photo.shape[:2])) is not None:
        return mask
    return np.asarray(importance("salient", photo).values) > 127


def coded(
    photo: Pixels, region: NDArray[np.bool_], codecs: dict[str, Codec], bpp: float
) -> dict[str, tuple[bytes, Pixels]]:
    """File and decoded picture of each; none larger than the first."""
    files: dict[str, tuple[bytes, Pixels]] = {}
    for which, codec in codecs.items():
        budget = min((len(data) for data, _ in files.values()), default=round(bpp * region.size / 8))
        data = codec.encode(photo, max_bytes=budget, roi=region)
        files[which] = data, np.asarray(codec.decode(data))
    return files


@torch.inference_mode()
def measure(photo: Pixels, pixels: Pixels, region: NDArray[np.bool_], size: int, judge: Lpips) -> Figures:
    """All figures of a decoded picture."""
    inside, x, x_hat = torch.from_numpy(region), to_tensor(photo, CPU), to_tensor(pixels, CPU)
    distances = [float(judge(x, other)) for other in (torch.where(inside, x_hat, x), torch.where(inside, x, x_hat))]
    ours, theirs = (float(busy_outside(each, region).sum()) for each in (x_hat, x))
    return Figures(
        8 * size / region.size,
        masked_psnr(photo, pixels, region),
        masked_psnr(photo, pixels, ~region),
        *distances,
        float(judge(x, x_hat)),
        ours / theirs,
    )


def busy_outside(x: torch.Tensor, region: NDArray[np.bool_]) -> torch.Tensor:
    """Mean magnitude of the Laplacian of each whole patch of 16 x 16, less its share inside of the region (h,w)."""
    height, width = (side // 16 * 16 for side in region.shape)
    share = F.avg_pool2d(torch.from_numpy(region[:height, :width])[None].float(), 16)
    return (texture(x[..., :height, :width]) * (1 - share))[0]


def cells(figures: Figures) -> list[str]:
    """As the table shows them."""
    forms = (".4f", ".2f", ".2f", ".4f", ".4f", ".4f", ".3f")
    return [format(value, form) for value, form in zip(figures, forms, strict=True)]


def show(path: Path, photo: Pixels, region: NDArray[np.bool_], decoded: dict[str, tuple[bytes, Pixels]]) -> None:
    """The picture with two crops: the middle of the region, and where most texture lies outside of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    side = max(64, min(photo.shape[:2]) // 4)
    rows, across = (int(np.median(places)) - side // 2 for places in np.nonzero(region))
    score = F.avg_pool2d(busy_outside(to_tensor(photo, CPU), region)[None], side // 16, stride=1)[0]
    busy = divmod(int(score.argmax()), score.shape[1])
    windows = [within(photo, across, rows, side)]
    windows.append(within(photo, busy[1] * 16, busy[0] * 16, side))
    panels = [Panel("original", (f"{photo.shape[1]} x {photo.shape[0]} pixels",), photo)]
    panels += [Panel(which, (f"{len(data)} bytes",), pixels) for which, (data, pixels) in decoded.items()]
    side_by_side(panels, windows).save(path, quality=88)


def within(photo: Pixels, left: int, top: int, side: int) -> Window:
    """A square that does not leave the picture."""
    height, width = photo.shape[:2]
    return Window(max(0, min(left, width - side)), max(0, min(top, height - side)), side, side)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The ROI codec before and after its adversarial phase.")
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    parser.add_argument("--before", required=True, help="weights from before the phase")
    parser.add_argument("--after", default="roi-xs", help="weights from after it; default roi-xs")
    parser.add_argument("--lpips", type=Path, required=True, help="folder with LPIPS weights of SqueezeNet")
    parser.add_argument("--marks", type=Path, help="boxes or masks of regions; default: the salient object")
    parser.add_argument("--bpp", type=float, default=0.15, help="default 0.15")
    parser.add_argument("--crops", type=Path, help="folder for pictures of crops")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RegioError as error:
        sys.exit(f"{type(error).__name__}: {error}")
