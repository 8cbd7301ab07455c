"""What regions of interest bring: PSNR inside and outside at equal bytes, targets that hold, and what detectors find.

    python benchmarks/regions.py boxes PICTURES BOXES.json     marked boxes, by the strength of the region
    python benchmarks/regions.py targets PICTURES              --target-bpp and --max-bytes, at three rates
    python benchmarks/regions.py detectors PICTURES            what is found in each picture, and how fast

PICTURES is a folder. BOXES.json maps the stem of a picture to {"what it is": [x, y, width, height]}. PSNR inside is
that of the pixels of the box, outside that of all others; files are real, none larger than that without a region.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import regio
from regio.codec import Codec
from regio.errors import UsageError
from regio.evaluation.metrics import masked_psnr, psnr
from regio.evaluation.sweep import find_pictures
from regio.images import Pixels, read_picture
from regio.models.catalog import DEFAULT
from regio.regions import importance


def pictures(folder: Path) -> Iterator[tuple[str, Pixels]]:
    """Stem and pixels (H,W,3) of each picture of a folder, by name."""
    for path in find_pictures(folder).values():
        yield path.stem, read_picture(path).pixels


def sides(codec: Codec, data: bytes, pixels: Pixels, inside: NDArray[np.bool_]) -> tuple[float, float, float]:
    """PSNR inside, outside and of all of a decoded file."""
    decoded = np.asarray(codec.decode(data))
    return masked_psnr(pixels, decoded, inside), masked_psnr(pixels, decoded, ~inside), psnr(pixels, decoded)


def boxes(codec: Codec, folder: Path, marked: Path, bpp: float, strengths: list[float]) -> None:
    """One line for each box and strength."""
    known: dict[str, Any] = json.loads(marked.read_text(encoding="utf-8"))
    print(f"{codec.name} at {bpp} bpp; changes against the same codec without a region, at no more bytes\n")
    print("| picture | region | share | without: inside | outside | strength | inside | outside | all | bytes | map |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    gains: dict[float, list[tuple[float, float]]] = {strength: [] for strength in strengths}
    for name, pixels in pictures(folder):
        for what, box in known.get(name, {}).items():
            x, y, width, height = box
            inside = np.zeros(pixels.shape[:2], bool)
            inside[y : y + height, x : x + width] = True
            plain = codec.encode(pixels, target_bpp=bpp)
            before = sides(codec, plain, pixels, inside)
            for strength in strengths:
                data = codec.encode(pixels, max_bytes=len(plain), roi=tuple(box), roi_strength=strength)
                after = sides(codec, data, pixels, inside)
                change = [b - a for a, b in zip(before, after, strict=True)]
                gains[strength].append((change[0], change[1]))
                rates = regio.inspect(data).parts.get("rate map", 0)
                print(
                    f"| {name} | {what} | {inside.mean():.1%} | {before[0]:.2f} | {before[1]:.2f} | {strength:g} "
                    f"| {change[0]:+.2f} | {change[1]:+.2f} | {change[2]:+.2f} "
                    f"| {len(data)} of {len(plain)} | {rates} |",
                    flush=True,
                )
    for strength, changes in gains.items():
        inside_gain, outside_gain = np.mean(changes, axis=0)
        least = min(change for change, _ in changes)
        print(
            f"\nstrength {strength:g}: inside {inside_gain:+.2f} dB (least {least:+.2f}), outside {outside_gain:+.2f}"
        )


def targets(codec: Codec, folder: Path, rates: list[float], roi: str) -> None:
    """How far files miss a wanted size, and whether one is larger than allowed."""
    print(f"{codec.name}, --roi {roi}\n")
    print("| bpp | pictures | with a region | off by at most | over --max-bytes | map, mean | out of reach |")
    print("|---|---|---|---|---|---|---|")
    for bpp in rates:
        misses, over, maps, varied, refused = [0.0], 0, [], 0, []
        for name, pixels in pictures(folder):
            wanted = bpp * pixels.shape[0] * pixels.shape[1] / 8
            region = importance(roi, pixels)
            try:
                near = codec.encode(pixels, target_bpp=bpp, roi=region)
                over += len(codec.encode(pixels, max_bytes=int(wanted), roi=region)) > int(wanted)
            except UsageError:
                refused.append(name)
                continue
            misses.append(abs(len(near) / wanted - 1))
            varied += regio.inspect(near).roi_quality is not None
            maps.append(regio.inspect(near).parts.get("rate map", 0))
        print(
            f"| {bpp:g} | {len(maps)} | {varied} | {max(misses):.2%} | {over} | {np.mean(maps):.0f} bytes "
            f"| {', '.join(refused) or 'none'} |",
            flush=True,
        )


def detectors(folder: Path) -> None:
    """What each detector says, its share of the picture and its seconds."""
    print("| picture | faces | text | salient |\n|---|---|---|---|")
    for name, pixels in pictures(folder):
        said = []
        for roi in ("faces", "text", "salient"):
            start = time.perf_counter()
            found = importance(roi, pixels)
            seconds = time.perf_counter() - start
            said.append(f"{found.what.partition(': ')[2]} {found.values.mean() / 255:.0%}, {seconds:.2f} s")
        print(f"| {name} | {' | '.join(said)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("boxes", "targets", "detectors"))
    parser.add_argument("pictures", type=Path)
    parser.add_argument("marked", type=Path, nargs="?")
    parser.add_argument("--codec", default=DEFAULT)
    parser.add_argument("--bpp", type=float, nargs="+")
    parser.add_argument("--strength", type=float, nargs="+", default=[10.0, 20.0, 30.0])
    parser.add_argument("--roi", default="salient")
    given = parser.parse_args()
    if given.what == "detectors":
        detectors(given.pictures)
        return
    codec = regio.load(given.codec)
    if given.what == "targets":
        targets(codec, given.pictures, given.bpp or [0.075, 0.15, 0.3], given.roi)
    elif given.marked is None:
        parser.error("the file of boxes is missing")
    else:
        for bpp in given.bpp or [0.15]:
            boxes(codec, given.pictures, given.marked, bpp, given.strength)


if __name__ == "__main__":
    main()
