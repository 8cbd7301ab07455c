"""The synthesis in bfloat16: how far pixels move, and how long decoding takes.

    python benchmarks/half_synthesis.py FOLDER [--codecs roi-xs] [--random segpic] [--quality 50] [--limit 4]

Levels, means and everything else that decides what a file says stay as they are: only the synthesis runs under
torch.autocast, which computes convolutions and matrix products in bfloat16, with sums in float32. Both ways take turns
in one process. Printed for each codec: the share of values within 1/255 of the float32 picture, the largest difference,
and the medians of processor time of the synthesis and of the whole decoding. Untrained weights (--random) say nothing
about pixels, but their time is that of trained ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from environments import random_weights

import regio
from regio.codec import Codec
from regio.evaluation.columns import columns
from regio.evaluation.sweep import find_pictures
from regio.images import Pixels, read_picture
from regio.models.segpic import PRESETS

HEADER = ("codec", "bpp", "within 1/255", "largest", "synthesis, s", "in bfloat16", "decoding, s", "in bfloat16")


@contextmanager
def timed(codec: Codec, *, half: bool, spent: list[float]) -> Iterator[None]:
    """Run the synthesis of a codec in bfloat16, or as ever; note its processor time."""
    ours = codec.net.synthesise

    def synthesise(*given: Any, **named: Any) -> torch.Tensor:
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            x_hat: torch.Tensor = ours(*given, **named)
        spent.append(time.process_time() - start)
        return x_hat.float()

    with patch.object(codec.net, "synthesise", synthesise):
        yield


def both_ways(codec: Codec, data: bytes, repeats: int) -> tuple[list[Pixels], list[list[float]]]:
    """Decode a file in float32 and in bfloat16, in turn -> both pictures; the medians of synthesis and decoding."""
    pictures: list[Pixels] = []
    turns: list[list[tuple[float, float]]] = [[], []]
    for turn in range(repeats + 1):
        for half in (False, True):
            parts: list[float] = []
            start = time.process_time()
            with timed(codec, half=half, spent=parts):
                decoded = codec.decode(data)
            if turn:  # the first does not count
                turns[half].append((sum(parts), time.process_time() - start))
            else:
                pictures.append(np.asarray(decoded.convert("RGB")))
    return pictures, [[median(column) for column in zip(*way, strict=True)] for way in turns]


def row_of(codec: Codec, pictures: list[Pixels], encode: Callable[[Pixels], bytes], repeats: int) -> tuple[str, ...]:
    """The figures of a codec over the pictures: rate and shares are means, times medians."""
    rates, near, largest, times = [], [], 0, []
    for pixels in pictures:
        data = encode(pixels)
        (whole, half), spent = both_ways(codec, data, repeats)
        away = np.abs(whole.astype(int) - half)
        rates.append(8 * len(data) / (pixels.shape[0] * pixels.shape[1]))
        near.append(float((away <= 1).mean()))
        largest = max(largest, int(away.max()))
        times.append((spent[0][0], spent[1][0], spent[0][1], spent[1][1]))
    seconds = (f"{median(column):.3f}" for column in zip(*times, strict=True))
    return codec.name, f"{np.mean(rates):.3f}", f"{np.mean(near):.3%}", f"{largest}/255", *seconds


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The synthesis in bfloat16: pixels and time.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codecs", default="roi-xs,segpic-xs,mcm-tiny")
    parser.add_argument("--random", choices=PRESETS, help="untrained weights of a preset, instead")
    parser.add_argument("--quality", type=float, default=50)
    parser.add_argument("--limit", type=int, default=4, help="number of pictures")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        random = [str(random_weights(options.random, Path(folder)))] if options.random else []
        codecs = [regio.load(name, device="cpu") for name in random or options.codecs.split(",")]
    found = list(find_pictures(options.folder).values())[: options.limit]
    pictures = [read_picture(path).pixels for path in found]
    rows = []
    for codec in codecs:
        quality = options.quality if codec.net.rated else None
        rows.append(row_of(codec, pictures, lambda pixels: codec.encode(pixels, quality=quality), options.repeats))  # noqa: B023
    print(columns(HEADER, rows))
    print(f"\n{len(pictures)} pictures of {options.folder}, one thread, medians of {options.repeats} runs in turn")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
