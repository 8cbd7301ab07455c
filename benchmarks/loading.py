"""Pictures per second that the readers of a recipe deliver, beside the time of a step, and the memory they take.

    python benchmarks/loading.py draw coco FOLDER [--pictures 2000] [--side 320]
    python benchmarks/loading.py draw imagenet FOLDER
    python benchmarks/loading.py read RECIPE [--set KEY=VALUE ...] [--workers 0 1 2 4] [--epochs 2] [--steps 5]

`draw` makes pictures: "coco" as COCO 2017 lies on a disk, train2017/ and annotations/ with panoptic maps; "imagenet" in
class folders. Among them are some that real sets have as well: cut short, grey, CMYK, of a few pixels.
`read` takes the batches of a recipe with each number of workers, then times its training steps. "Of one core" is
pictures for each second that the reading took of a processor: on a machine that is busy, the clock says little.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from regio.data.graphics import made_picture
from regio.data.stream import PictureStream
from regio.training.checkpoint import RunFolder
from regio.training.devices import make_fabric
from regio.training.loop import load_pack
from regio.training.recipe import Recipe, read_recipe
from regio.training.run import Run

CLASSES = 100  # folders of an ImageNet-like tree
SEGMENTS = 12  # of a panoptic map
ODD = 100  # one file in so many is odd, each kind in turn
WARM_UP = 2  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    orders = parser.add_subparsers(required=True, dest="order")
    draw = orders.add_parser("draw")
    draw.add_argument("kind", choices=("coco", "imagenet"))
    draw.add_argument("folder", type=Path)
    draw.add_argument("--pictures", type=int, default=2000)
    draw.add_argument("--side", type=int, default=320, help="pixels of the shorter side (%(default)s)")
    read = orders.add_parser("read")
    read.add_argument("recipe", type=Path)
    read.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    read.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="(%(default)s)")
    read.add_argument("--epochs", type=float, default=2.0, help="with each number of workers (%(default)s)")
    read.add_argument("--steps", type=int, default=5, help="training steps to time; 0: none (%(default)s)")
    read.add_argument("--device", default="auto")
    options = parser.parse_args()
    if options.order == "draw":
        make_tree(options.kind, options.folder, options.pictures, options.side)
    else:
        logging.basicConfig(format="%(message)s")
        measure(
            read_recipe(options.recipe, options.set), options.workers, options.epochs, options.steps, options.device
        )


def make_tree(kind: str, folder: Path, count: int, side: int) -> None:
    """Write the pictures, and the label maps of "coco"."""
    dice, images, annotations = np.random.default_rng(1), [], []
    maps = folder / "annotations" / "panoptic_train2017"
    if kind == "coco":
        maps.mkdir(parents=True)
    for number in range(count):
        name = f"{number:012}.jpg"
        home = folder / ("train2017" if kind == "coco" else f"train/n{number % CLASSES:08}")
        home.mkdir(parents=True, exist_ok=True)
        wide = side * 4 // 3
        pixels = np.resize(made_picture(number, wide)[1][:side], (side, wide, 3))
        size = save_picture(home / name, pixels, number)
        if kind == "imagenet":
            continue
        seeds = dice.integers(0, [size[0], size[1]], (SEGMENTS, 2))
        down, right = np.mgrid[0 : size[0], 0 : size[1]]
        nearest = ((down[..., None] - seeds[:, 0]) ** 2 + (right[..., None] - seeds[:, 1]) ** 2).argmin(-1)
        ids = dice.integers(1, 2**24, SEGMENTS)
        values = ids[nearest]
        Image.fromarray(np.stack([values & 255, values >> 8 & 255, values >> 16], 2).astype(np.uint8)).save(
            maps / f"{number:012}.png"
        )
        images.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
        segments = [{"id": int(i), "category_id": 1, "iscrowd": 0} for i in np.unique(values)]
        annotations.append({"image_id": number, "file_name": f"{number:012}.png", "segments_info": segments})
    if kind == "coco":
        text = json.dumps({"images": images, "annotations": annotations})
        maps.with_suffix(".json").write_text(text, encoding="utf-8")
    print(folder)


def save_picture(path: Path, pixels: np.ndarray, number: int) -> tuple[int, int]:
    """Write a JPEG, an odd one now and then -> its height and width."""
    image, kind = Image.fromarray(pixels), number // ODD % 4 if number % ODD == ODD - 1 else None
    if kind == 1:
        image = image.convert("L")
    elif kind == 2:
        image = image.convert("CMYK")
    elif kind == 3:
        image = image.crop((0, 0, 9, 7))
    image.save(path, quality=90)
    if kind == 0:
        path.write_bytes(path.read_bytes()[:1500])
    return image.height, image.width


def measure(recipe: Recipe, workers: list[int], epochs: float, steps: int, device: str) -> None:
    fabric = make_fabric(device)
    phase = recipe.phase[0]
    print(f"{recipe.name}: batches of {phase.batch}, crops of {phase.crop}; one thread a process")
    print(f"{'readers':>8}{'pictures/s':>12}{'of one core':>13}{'their memory':>14}")
    stream: PictureStream | None = None
    for number in workers:
        changed = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, workers=number, held_back=0))
        pictures = load_pack(changed, None, fabric)
        assert isinstance(pictures, PictureStream)
        stream = pictures
        counted = changed.counted(len(stream.files), 1)
        with tempfile.TemporaryDirectory() as folder:
            Run(counted, RunFolder(Path(folder)), fabric).follow(stream)
        count = max(1, round(epochs * len(stream.files) / phase.batch))
        count = min(count, counted.steps)
        began, busy = time.perf_counter(), time.process_time()
        for step in range(count):
            stream.take(step, fabric.device)
        pace = count * phase.batch / (time.perf_counter() - began)
        alone = "" if number else f"{count * phase.batch / (time.process_time() - busy):.1f}"
        print(f"{number:>8}{pace:>12.1f}{alone:>13}{peak_of_children(stream):>14}", flush=True)
    if stream is not None and stream.census.found:
        print(f"files: {stream.census.summary()}")
    if steps and stream is not None:
        taken, busy = step_time(recipe, stream, steps, device)
        print(
            f"{'a training step':<22}{taken:>8.2f} s, {busy:.2f} s of processors, {phase.batch / busy:.1f} pictures/s"
        )
    print(f"{'this process':<22}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>8.0f} MiB")


def peak_of_children(stream: PictureStream) -> str:
    """The most memory of any reader, of those that still run; Linux only."""
    peaks = []
    for worker in getattr(stream._running, "_workers", []):
        status = Path(f"/proc/{worker.pid}/status")
        if status.exists():
            line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
            peaks.append(int(line.split()[1]) / 1024)
    return f"{max(peaks):.0f} MiB" if peaks else "-"


def step_time(recipe: Recipe, stream: PictureStream, steps: int, device: str) -> tuple[float, float]:
    """Seconds of a training step without the reading, by the clock and of processors, medians."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(recipe.counted(len(stream.files), 1), RunFolder(Path(folder)), make_fabric(device))
        batch = stream.take(0, run.fabric.device)
        stream.take = lambda step, device: batch  # type: ignore[method-assign]
        seconds, busy = [], []
        for number in range(WARM_UP + steps):
            run.step, began, worked = 0, time.perf_counter(), time.process_time()
            run.one_step(stream)
            if run.fabric.device.type == "cuda":
                torch.cuda.synchronize()
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - began)
                busy.append(time.process_time() - worked)
    return statistics.median(seconds), statistics.median(busy)


if __name__ == "__main__":
    main()
