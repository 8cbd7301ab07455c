"""Train on a folder of your pictures: go on from the bundled weights, and see on unseen ones whether it helped.

    python examples/own_weights.py FOLDER [--minutes 60] [--name mine] [-o runs/mine]

Some pictures are held back and never trained on; at the end real files of them are made with the bundled and with the
new weights, and a BD-rate says how many bytes the new ones take for the same PSNR. Needs
`pip install 'regio[train,eval]'`. The recipe that is written is an ordinary one: change it, and run `regio train`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import regio
from regio.errors import RegioError
from regio.evaluation.bd_rate import Curve, bd_rate
from regio.evaluation.metrics import psnr
from regio.images import read_picture
from regio.models.catalog import DEFAULT
from regio.names import PICTURES
from regio.training.export import export
from regio.training.loop import train

QUALITIES = 15, 35, 55, 75
HELD_BACK = 8  # pictures, but no more than a quarter of all
RECIPE = """\
name = "{name}"
model = "{model}"
start = "{start}"
precision = "float32"
log_every = {log_every}
validate_every = {steps}

[data]
folders = ["{train}"]
held_back = 1

[[phase]]
steps = {steps}
crop = {crop}
batch = {batch}
optimizer = "adam"
learning_rate = 2e-4
warmup = 50
"""


def main() -> None:
    """Part the pictures, train, export, measure."""
    options = arguments()
    pictures = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in PICTURES)
    if len(pictures) < 4:
        raise SystemExit(f"{options.folder}: {len(pictures)} pictures; some dozens are wanted, four at least")
    every = max(4, len(pictures) // HELD_BACK)
    unseen = pictures[::every]
    folder: Path = options.output or Path("runs") / options.name
    if folder.exists():
        raise SystemExit(f"{folder} exists; name another with --output")
    recipe = prepare(options, [path for path in pictures if path not in unseen], folder)
    run = train(recipe, out=folder / "run", max_minutes=options.minutes, device=options.device)
    weights = folder / f"{options.name}.safetensors"
    export(run, weights, half=True, name=options.name)
    curves = [measure(codec, unseen, options.device) for codec in (options.start, str(weights))]
    before, after = curves
    for quality, *points in zip(QUALITIES, *(zip(c.rates, c.qualities, strict=True) for c in curves), strict=True):
        (rate, value), (new_rate, new_value) = points
        print(f"quality {quality}: {rate:.3f} bpp, {value:.2f} dB -> {new_rate:.3f} bpp, {new_value:.2f} dB")
    print(f"bytes for the same PSNR on {len(unseen)} unseen pictures: {bd_rate(before, after).percent:+.1f} %")
    print(f"written: {weights}; regio encode photo.jpg --codec {weights}")


def prepare(options: argparse.Namespace, pictures: list[Path], folder: Path) -> Path:
    """A folder with links to the pictures to train on, and the recipe beside it."""
    train_folder = folder / "pictures"
    train_folder.mkdir(parents=True)
    for number, path in enumerate(pictures):
        (train_folder / f"{number:06}{path.suffix.lower()}").symlink_to(path.resolve())
    text = RECIPE.format(
        name=options.name,
        model=options.model,
        start=options.start,
        train=train_folder.resolve().as_posix(),
        steps=options.steps,
        log_every=max(1, options.steps // 20),
        crop=options.crop,
        batch=options.batch,
    )
    recipe = folder / "recipe.toml"
    recipe.write_text(text, encoding="utf-8")
    return recipe


def measure(name: str, pictures: list[Path], device: str) -> Curve:
    """Rate and PSNR of a codec at some qualities, from real files; means over the pictures."""
    codec = regio.load(name, device=device)
    rates, values = [], []
    for quality in QUALITIES:
        sizes, decibels = [], []
        for path in pictures:
            pixels = read_picture(path).pixels
            data = codec.encode(pixels, quality=quality)
            sizes.append(8 * len(data) / (pixels.shape[0] * pixels.shape[1]))
            decibels.append(psnr(pixels, np.asarray(codec.decode(data))))
        rates.append(float(np.mean(sizes)))
        values.append(float(np.mean(decibels)))
    return Curve(name, tuple(rates), tuple(values))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a codec on your pictures.")
    parser.add_argument("folder", type=Path, help="pictures, large and little compressed; subfolders too")
    parser.add_argument("--minutes", type=float, default=60, help="of training; default 60")
    parser.add_argument("--steps", type=int, default=2000, help="of training, if the minutes suffice; default 2000")
    parser.add_argument("--name", default="mine", help="what the weights call themselves; default mine")
    parser.add_argument("--start", default=DEFAULT, help=f"weights to start from; default {DEFAULT}")
    parser.add_argument("--model", default=DEFAULT, help=f"the preset they belong to; default {DEFAULT}")
    parser.add_argument("--crop", type=int, default=128, help="side of the crops in pixels; default 128")
    parser.add_argument("--batch", type=int, default=8, help="crops a step; default 8")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--output", "-o", type=Path, help="folder; default runs/NAME")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (RegioError, OSError) as error:
        sys.exit(str(error))
