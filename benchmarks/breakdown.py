"""Where the time of encoding and decoding a picture goes.

    python benchmarks/breakdown.py PICTURE [--codec NAME|FILE | --random PRESET] [--quality 50] [--threads 1]
                                   [--repeats 5]

Printed for encoding and for decoding: milliseconds of each part, median over the repeats, and its share. Time counts
once, for the innermost part that is at work:

    pixels      picture to tensor and back, everything between the parts
    analysis    from pixels to latents; prototypes with it
    hyper       hyper-latent: analysis, context, and the means and levels that come of it
    context     means and levels from what is decoded already
    coding      tables looked up, symbols range coded, checksums
    synthesis   from latents to pixels
    container   the file taken apart or put together, its check

Processor time is that of all threads together; where other programs are at work it says more than the clock on the
wall. The model is loaded, and has worked on the picture once, before anything is measured.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from environments import random_weights
from portability import RANDOM

import regio
from regio.codec import Codec, decoding, encoding
from regio.entropy import StreamReader, StreamWriter
from regio.evaluation.columns import columns
from regio.images import read_picture
from regio.models.catalog import DEFAULT
from regio.models.hyperprior import WithHyperprior
from regio.nn.fixed_point import FixedPointNet

PARTS = ("pixels", "analysis", "hyper", "context", "coding", "synthesis", "container")
CODERS = ("factorized", "gaussian", "mixture", "positions")
Times = dict[str, tuple[float, float]]


class Clock:
    """Processor and wall time by part; a part stands still while another works inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.parts = ["pixels"]
        self.since = self._now()

    def _now(self) -> tuple[float, float]:
        return time.process_time(), time.perf_counter()

    def lap(self) -> None:
        """Give the time since the last call to the part at work."""
        now = self._now()
        for k in range(2):
            self.spent[self.parts[-1]][k] += now[k] - self.since[k]
        self.since = now

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted for a part."""

        def wrapper(*arguments: Any, **named: Any) -> Any:
            self.lap()
            self.parts.append(part)
            try:
                return work(*arguments, **named)
            finally:
                self.lap()
                self.parts.pop()

        return wrapper


@contextmanager
def watched(codec: Codec, clock: Clock) -> Iterator[None]:
    """Let the parts of a codec report to a clock."""
    net = codec.net
    hyper = (net.h_a, net.h_mean, net.h_scale, net.levels, net.z_context) if isinstance(net, WithHyperprior) else ()
    places: list[tuple[Any, str, str]] = [
        (net, "analyse", "analysis"),
        (net, "synthesise", "synthesis"),
        (net, "code", "context"),
        *((coder, name, "coding") for coder in (StreamWriter, StreamReader) for name in (*CODERS, "finish")),
        *((part, "forward", "hyper") for part in hyper if part is not None),
        *((module, name, "container") for module, name in ((decoding, "parse"), (encoding, "pack"))),
        (decoding, "verify_check", "container"),
    ]
    places += [(part, "exact", "hyper") for part in hyper if isinstance(part, FixedPointNet)]
    with ExitStack() as stack:
        for owner, name, part in places:
            stack.enter_context(patch.object(owner, name, clock.timed(part, getattr(owner, name))))
        yield


def measure(codec: Codec, work: Callable[[], Any], repeats: int) -> Times:
    """Median milliseconds of each part: processor, wall."""
    work()
    found: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(repeats):
        clock = Clock()
        with watched(codec, clock):
            clock.lap()
            clock.spent.clear()
            work()
            clock.lap()
        for part in PARTS:
            found[part].append([1000 * seconds for seconds in clock.spent[part]])
    medians = {part: [statistics.median(kind) for kind in zip(*runs, strict=True)] for part, runs in found.items()}
    return {part: (processor, wall) for part, (processor, wall) in medians.items()}


def table(encoding_times: Times, decoding_times: Times) -> str:
    """A row for each part and one for all."""
    rows = []
    sums = [[sum(one[k] for one in times.values()) for k in range(2)] for times in (encoding_times, decoding_times)]
    for part in PARTS:
        cells = [part]
        for times, (whole, _) in zip((encoding_times, decoding_times), sums, strict=True):
            processor, wall = times[part]
            cells += [f"{processor:.1f}", f"{wall:.1f}", f"{processor / whole:.1%}"]
        rows.append(cells)
    rows.append(["all", *(cell for p, w in sums for cell in (f"{p:.1f}", f"{w:.1f}", "100%"))])
    return columns(["ms", *("encode", "wall", "share"), *("decode", "wall", "share")], rows)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Where the time of encoding and decoding goes.")
    parser.add_argument("picture", type=Path)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--codec", default=DEFAULT, help="name or weights file (default %(default)s)")
    which.add_argument("--random", choices=RANDOM, help="untrained weights of a preset")
    parser.add_argument("--quality", type=float, default=50, help="of models with several rates (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--crop", type=int, help="use the top left corner of so many rows and columns")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = arguments()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        weights = str(random_weights(options.random, Path(folder))) if options.random else options.codec
        codec = regio.load(weights, device="cpu")
    pixels = read_picture(options.picture).pixels[: options.crop, : options.crop]
    quality = None if not codec.net.rated else options.quality
    data = codec.encode(pixels, quality=quality)
    times = [
        measure(codec, work, options.repeats)
        for work in (lambda: codec.encode(pixels, quality=quality), lambda: codec.decode(data))
    ]
    print(table(*times))
    height, width = pixels.shape[:2]
    print(
        f"\n{codec.name}, {width} x {height}, {len(data)} bytes, {options.threads} threads; "
        "encode and decode: processor time"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
