"""Make the pictures of docs/how.md and docs/examples.md from what the code itself computes.

    python docs/make/pictures.py [--output docs/images]

The photograph is the portrait of Grace Hopper that Matplotlib ships (US Navy, 1984, public domain).
"""

from __future__ import annotations

import argparse
import runpy
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

import regio
from regio.codec.decoding import Decoding, Opened
from regio.codec.layout import Box, Span, layout_of
from regio.codec.pixels import pad, to_tensor
from regio.evaluation.bit_share import bit_map
from regio.evaluation.metrics import psnr
from regio.images import Pixels, read_picture
from regio.nn.regional import GridRegions
from regio.regions import importance

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
EXAMPLES = Path(__file__).parents[2] / "examples"
CODEC = "segpic-xs"
QUALITY = 40.0
LARGEST = 150_000  # bytes of a picture in the repository
BITS = "inferno"


def main() -> None:
    """Write every picture, and fail if one became too large for a repository."""
    parser = argparse.ArgumentParser(description="Make the pictures of the documentation.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "images")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    codec = regio.load(CODEC, device="cpu")
    photo = read_picture(PORTRAIT).pixels
    for name, make in PICTURES.items():
        path = folder / name
        made = make(codec, photo)
        quality = {"quality": 88} if path.suffix == ".jpg" else {}
        if isinstance(made, Figure):
            made.savefig(path, dpi=100, pil_kwargs=quality)
        else:
            made.save(path, **quality)
        size = path.stat().st_size
        print(f"{path}: {size} bytes")
        if size > LARGEST:
            raise SystemExit(f"{path} is larger than {LARGEST} bytes")


def path_of_a_picture(codec: regio.Codec, photo: Pixels) -> Figure:
    """The picture, some of its latents, where the bits go, and what comes out."""
    data = codec.encode(photo, quality=QUALITY)
    decoded = np.asarray(codec.decode(data))
    spent = bit_map(codec, data)
    assert spent is not None
    figure, axes = row(4, wide=12.4, high=4.1)
    show(axes[0], photo, f"picture\n{photo.shape[1]} × {photo.shape[0]} pixels")
    show(axes[1], mosaic(latents(codec, photo)), "latents\nthe 12 liveliest of 320 channels")
    heat = show(axes[2], spent, "bits spent\non each 16 × 16 pixels", cmap=BITS)
    figure.colorbar(heat, ax=axes[2], shrink=0.6)
    bpp = 8 * len(data) / (photo.shape[0] * photo.shape[1])
    show(axes[3], decoded, f"decoded\n{len(data)} bytes, {bpp:.2f} bpp, {psnr(photo, decoded):.1f} dB")
    return figure


def region_of_interest(codec: regio.Codec, photo: Pixels) -> Figure:
    """A face: what the detector says, what the file says, and where the bits go with and without it."""
    region = importance("faces", photo)
    even = codec.encode(photo, quality=QUALITY)
    moved = codec.encode(photo, quality=QUALITY, roi=region)
    decoding = Decoding(codec.runtime, Opened.of(moved))
    rates = decoding.terms(0)[1].rates
    assert rates is not None
    levels = [(decoding.file.header.rate + rates.ladder.step(0, k)) / 40 for k in range(rates.ladder.levels)]
    before, after = bit_map(codec, even), bit_map(codec, moved)
    assert before is not None
    assert after is not None
    top = max(before.max(), after.max())
    figure, axes = row(4, wide=12.4, high=3.7)
    show(
        axes[0],
        (photo * (0.25 + 0.75 * region.values[..., None] / 255)).astype(np.uint8),
        f"what matters\n{region.what}",
    )
    heat = show(
        axes[1], np.array(levels)[rates.levels], "rate map in the file\nquality of each 32 × 32 pixels", cmap="viridis"
    )
    figure.colorbar(heat, ax=axes[1], shrink=0.6)
    show(axes[2], before, f"bits without a region\n{len(even)} bytes", cmap=BITS, vmax=top)
    heat = show(axes[3], after, f"bits with it\n{len(moved)} bytes", cmap=BITS, vmax=top)
    figure.colorbar(heat, ax=axes[3], shrink=0.6)
    return figure


def gains(codec: regio.Codec, photo: Pixels) -> Figure:
    """What quality does to the latents, and to this picture."""
    qualities = np.linspace(0, 100, 81)
    with torch.inference_mode():
        logs = codec.net.gain.log_gain(torch.from_numpy(qualities / 100).float())[:, :, 0, 0].numpy()
    figure, axes = row(2, wide=9, high=3.6)
    left, right = axes
    for low, high, strength in ((5, 95, 0.2), (25, 75, 0.35)):
        between = np.percentile(2.0**logs, (low, high), axis=1)
        left.fill_between(
            qualities, *between, color="teal", alpha=strength, label=f"{high - low} % of the channels", lw=0
        )
    left.plot(qualities, np.median(2.0**logs, axis=1), color="teal", label="median channel")
    left.set(xlabel="quality", ylabel="gain", yscale="log", title="Latents are multiplied by …")
    left.legend(fontsize="small")
    sizes, values = [], []
    steps = range(0, 101, 10)
    for quality in steps:
        data = codec.encode(photo, quality=quality)
        sizes.append(8 * len(data) / (photo.shape[0] * photo.shape[1]))
        values.append(psnr(photo, np.asarray(codec.decode(data))))
    right.plot(sizes, values, "o-", color="teal", ms=4)
    for quality, size, value in list(zip(steps, sizes, values, strict=True))[::2]:
        right.annotate(f"q {quality}", (size, value), (5, -9), textcoords="offset points", fontsize="small")
    right.set(xlabel="bits per pixel", ylabel="PSNR in dB", title="… and this portrait becomes")
    right.margins(x=0.1)
    for each in axes:
        each.grid(alpha=0.3)
    return figure


def tiles(codec: regio.Codec, _: Pixels) -> Figure:
    """A large picture in tiles: what one of them sees, and which of them a region needs."""
    width, height = 5000, 3200
    layout = layout_of(codec.net, width, height, 10)
    region = Box(Span(1500, 1950), Span(2500, 3300))
    needed = {k for block in layout.blocks(region) for k in block.needs}
    figure = Figure(figsize=(7.4, 4.9), layout="constrained")
    axes = figure.add_subplot()
    for k in range(layout.count):
        axes.add_patch(
            box(
                layout.tile(k).times(layout.stride),
                facecolor="#9bd3cc" if k in needed else "#eeeeee",
                edgecolor="white",
                lw=2,
            )
        )
    axes.add_patch(box(region, facecolor="none", edgecolor="crimson", lw=2, label="the region that is wanted"))
    first = min(layout.count - 1, layout.columns.tiles + 1)
    axes.add_patch(
        box(
            layout.seen_by(first).times(layout.stride),
            facecolor="none",
            edgecolor="black",
            ls="--",
            lw=1.4,
            label="what the encoder looks at for one tile",
        )
    )
    axes.add_patch(box(Box(Span(0, 0), Span(0, 0)), facecolor="#9bd3cc", label="tiles that are decoded for the region"))
    axes.set(
        xlim=(0, width),
        ylim=(height, 0),
        aspect="equal",
        xlabel="pixels",
        title=f"A picture of {width} × {height} pixels in tiles of 1024",
    )
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure


def thumbnail(codec: regio.Codec, _: Pixels) -> Image.Image:
    """What examples/thumbnails.py shows of the portrait."""
    example = runpy.run_path(str(EXAMPLES / "thumbnails.py"))
    small = example["shrunk"](PORTRAIT, 256)
    data = codec.encode(small, max_bytes=2000, roi="faces", strip=True)
    ours = np.asarray(codec.decode(data))
    return cast(Image.Image, example["row"]("portrait", np.asarray(small), ours, len(data), 2000))


def detector(_: regio.Codec, __: Pixels) -> Image.Image:
    """What examples/detector.py writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "detector.png"
        subprocess.run([sys.executable, EXAMPLES / "detector.py", "-o", path], check=True)
        return Image.open(path).convert("RGB")


PICTURES: dict[str, Callable[[regio.Codec, Pixels], Figure | Image.Image]] = {
    "how-picture.jpg": path_of_a_picture,
    "how-region.jpg": region_of_interest,
    "how-gains.png": gains,
    "how-tiles.png": tiles,
    "example-thumbnail.jpg": thumbnail,
    "example-detector.jpg": detector,
}


@torch.inference_mode()
def latents(codec: regio.Codec, photo: Pixels) -> NDArray[np.float32]:
    """The twelve channels of y (12,h,w) that vary most, the liveliest first."""
    net = codec.net
    size = tuple(-(-side // net.multiple) * net.multiple for side in photo.shape[:2])
    x = pad(to_tensor(photo, codec.device), size)
    y = net.gain.scale(net.analyse(x, GridRegions(4)).y, x.new_tensor([QUALITY / 100]))[0]
    order = y.std(dim=(1, 2)).argsort(descending=True)[:12]
    chosen: NDArray[np.float32] = y[order].numpy()
    return chosen


def mosaic(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(12,h,w) -> one grey picture (4h,3w) with thin lines between; each channel has its own scale."""
    low, high = (np.percentile(channels, share, axis=(1, 2), keepdims=True) for share in (1, 99))
    grey = np.clip((channels - low) / (high - low), 0, 1)
    framed = np.pad(grey, ((0, 0), (0, 1), (0, 1)), constant_values=1.0)
    return np.block([[framed[3 * k + j] for j in range(3)] for k in range(4)])


def row(count: int, *, wide: float, high: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many panels; sizes in inches, of 100 pixels."""
    figure = Figure(figsize=(wide, high), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, count)))


def show(axes: Axes, pixels: NDArray[Any], title: str, **style: Any) -> Any:
    """A picture, or an array as one, without axes."""
    axes.set_title(title, fontsize="small")
    axes.axis("off")
    style = {"cmap": "gray"} | style if pixels.ndim == 2 else {}
    return axes.imshow(pixels, interpolation="nearest" if pixels.ndim == 2 else "antialiased", **style)


def box(where: Box, **style: Any) -> Rectangle:
    """A rectangle of pixels."""
    rows, columns = where
    return Rectangle((columns.start, rows.start), columns.length, rows.length, **style)


if __name__ == "__main__":
    main()
