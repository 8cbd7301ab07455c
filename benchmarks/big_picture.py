"""Memory and time of a picture of 100 megapixels: encoded, decoded, and a window of it decoded by itself.

    python benchmarks/big_picture.py [PICTURES] [--codec NAME] [--megapixels 100] [--quality 60] [--threads 1]
                                     [--max-memory BYTES] [-o runs/big_picture]

PICTURES is a folder of photographs, which are laid side by side until the picture is full; without one it is made of
waves and noise. Each step runs in a process of its own, whose peak resident memory the system reports. Printed and
written (big_picture.json): seconds of each step, on the clock and of the processor (which is what counts where other
programs are at work), MiB, the window's time as a share of the whole picture's, and whether the window has the whole
picture's pixels. Exit status 1 if it has not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import regio
from regio.evaluation.speed import cut
from regio.evaluation.sweep import find_pictures
from regio.images import read_picture
from regio.models.catalog import DEFAULT

WINDOW = 512  # sides of the region that is decoded by itself
STRIP = 1024  # rows of the picture that are made at a time


def make_picture(path: Path, height: int, width: int, photographs: list[Path]) -> None:
    """Write a picture, as PPM: it takes no time to read, so that what is measured is our work."""
    rows = -(-height // STRIP)
    plain = None if photographs else cut(None, width, STRIP)
    with path.open("wb") as out:
        out.write(b"P6 %d %d 255\n" % (width, height))
        for row in range(rows):
            strip = side_by_side(row, width, photographs) if plain is None else plain
            out.write(strip[: min(STRIP, height - row * STRIP)].tobytes())


def side_by_side(row: int, width: int, photographs: list[Path]) -> NDArray[np.uint8]:
    """(STRIP,width,3): photographs from left to right, each repeated downwards where it is too short."""
    strip = np.empty((STRIP, width, 3), np.uint8)
    at = 0
    k = 5 * row  # begin every strip with another
    while at < width:
        pixels = read_picture(photographs[k % len(photographs)]).pixels
        pixels = np.tile(pixels, (-(-STRIP // len(pixels)), 1, 1))[:STRIP, : width - at]
        strip[:, at : at + pixels.shape[1]] = pixels
        at += pixels.shape[1]
        k += 1
    return strip


def work(step: str, options: argparse.Namespace) -> dict[str, Any]:
    """One step, in the process of its own: seconds of the call, without those of loading the codec.

    `seconds` is what the clock on the wall says, `processor` what all threads worked.
    """
    torch.set_num_threads(options.threads)
    Image.MAX_IMAGE_PIXELS = None
    codec = regio.load(options.codec, device="cpu")
    source, target = options.output / "picture.ppm", options.output / "picture.rgo"
    region = tuple(options.region)
    start, worked = perf_counter(), process_time()
    if step == "encode":
        target.write_bytes(
            codec.encode(
                source,
                quality=None if not codec.net.rated else options.quality,
                max_memory=options.max_memory,
            )
        )
        found = {"seconds": perf_counter() - start, "processor": process_time() - worked}
        return found | {"bytes": target.stat().st_size}
    image = codec.decode(
        target.read_bytes(), region=region if step == "region" else None, max_memory=options.max_memory
    )
    found = {"seconds": perf_counter() - start, "processor": process_time() - worked}
    if step == "decode":
        x, y, width, height = region
        image = image.crop((x, y, x + width, y + height))
    return found | {"digest": hashlib.sha256(image.tobytes()).hexdigest()}


def measure(step: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a step in a process of its own -> what it says, and `mebibytes`, its peak resident memory."""
    command = [sys.executable, __file__, *sys.argv[1:], "--step", step, "--region", *map(str, options.region)]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{step}: the process failed")
    found: dict[str, Any] = json.loads(said)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    found["mebibytes"] = usage.ru_maxrss * unit / 2**20
    print(f"{step}: {found['seconds']:.2f} s, {found['mebibytes']:.0f} MiB", file=sys.stderr)
    return found


def middle_of_a_tile(side: int) -> int:
    """Where the region begins: in the middle of the tile that holds the middle of the picture."""
    tile = 1024
    return side // 2 // tile * tile + (tile - WINDOW) // 2 if side >= 2 * tile else 0


def report(options: argparse.Namespace) -> int:
    """All steps; the exit status."""
    width = round((options.megapixels * 1e6 * 3 / 2) ** 0.5)
    height = round(options.megapixels * 1e6 / width)
    options.output.mkdir(parents=True, exist_ok=True)
    options.region = [middle_of_a_tile(width), middle_of_a_tile(height), min(WINDOW, width), min(WINDOW, height)]
    photographs = list(find_pictures(options.pictures).values()) if options.pictures else []
    make_picture(options.output / "picture.ppm", height, width, photographs)
    steps = {step: measure(step, options) for step in ("encode", "decode", "region")}
    share = steps["region"]["processor"] / steps["decode"]["processor"]
    same = steps["region"]["digest"] == steps["decode"]["digest"]
    summary = {"width": width, "height": height, "threads": options.threads, "region_share": share, "same": same}
    summary |= {"bpp": 8 * steps["encode"]["bytes"] / (width * height), "steps": steps}
    (options.output / "big_picture.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(f"{width} x {height} pixels, {summary['bpp']:.3f} bpp, {options.threads} threads")
    print("| step | seconds | of the processor | peak MiB |\n|---|---|---|---|")
    for step, found in steps.items():
        print(f"| {step} | {found['seconds']:.2f} | {found['processor']:.2f} | {found['mebibytes']:.0f} |")
    print(
        f"a region of {options.region[2]} x {options.region[3]}: {100 * share:.2f} % of the processor time of the whole"
    )
    print("its pixels are those of the whole" if same else "ITS PIXELS DIFFER FROM THE WHOLE")
    for name in ("picture.ppm", "picture.rgo"):
        (options.output / name).unlink()
    return 0 if same else 1


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="?", type=Path, help="folder of photographs")
    parser.add_argument("--codec", default=DEFAULT)
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--quality", type=float, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-memory", type=int, help="bytes, for encoding and decoding")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/big_picture"))
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--region", nargs=4, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(work(options.step, options)))
        return 0
    return report(options)


if __name__ == "__main__":
    sys.exit(main())
