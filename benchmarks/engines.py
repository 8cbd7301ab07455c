"""Do torch and ONNX Runtime code alike, and what does each take?

    python benchmarks/engines.py FOLDER [--codec segpic-xs] [--qualities 20 80]

Each picture of FOLDER is coded by torch at each quality, and once more with a box as region of interest, which is a
search for a size. ONNX Runtime does the same on one thread. Printed: how many of its files are torch's to the last bit,
how much larger or smaller any of them is, and processor seconds a file.

Torch decodes each of its files on one thread, ONNX Runtime on one and on two. Printed for each of these: files whose
checksum of symbols was found right, the largest difference of a pixel to torch, the share of values that differ, and
processor seconds a file. Then `regio decode` decodes the first file by each engine: processor seconds, and the most
memory that it took. Exit status 1 if a checksum is wrong or a pixel differs by more than a level.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import regio
from regio import light
from regio.errors import CorruptFile
from regio.images import Picture, read_picture

TOLERANCE = 1  # levels of 255
REGION_QUALITY = 50.0
THREADS = 1, 2  # that ONNX Runtime decodes on
RUNS = 5  # of the shell; the fastest counts
STARTER = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
"""


@dataclass
class Tally:
    """What is known of one way to decode."""

    files: int = 0
    right: int = 0
    largest: int = 0
    differ: int = 0
    values: int = 0
    seconds: float = 0.0

    def add(
        self, decode: Callable[[], NDArray[np.uint8]], expected: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8] | None:
        """Decode once more, and compare; what was decoded, None where the checksum of the symbols is wrong."""
        self.files += 1
        start = process_time()
        try:
            found = decode()
        except CorruptFile:
            return None
        self.seconds += process_time() - start
        self.right += 1
        if expected is not None:
            difference = np.abs(found.astype(np.int16) - expected)
            self.largest = max(self.largest, int(difference.max()))
            self.differ += int(np.count_nonzero(difference))
            self.values += difference.size
        return found

    def line(self, name: str) -> str:
        """As a row of the table."""
        share = f"{self.differ / self.values:.5%}" if self.values else "-"
        seconds = self.seconds / max(1, self.right)
        return f"{name:24}{self.right:4} of {self.files:<6}{self.largest:8}{share:>12}{seconds:10.3f}"


@dataclass
class Writers:
    """What is known of the files that both engines wrote."""

    files: int = 0
    same: int = 0
    largest: float = 0.0
    """By how much a size differs, as a share of torch's."""
    seconds: tuple[float, float] = (0.0, 0.0)

    def add(self, codecs: Sequence[Any], picture: Picture, options: Mapping[str, Any]) -> bytes:
        """Encode a picture by torch and by ONNX Runtime -> torch's file."""
        found, seconds = [], []
        for codec in codecs:
            start = process_time()
            found.append(codec.encode(picture, **options))
            seconds.append(process_time() - start)
        self.files += 1
        self.same += found[0] == found[1]
        self.largest = max(self.largest, abs(len(found[1]) / len(found[0]) - 1))
        self.seconds = self.seconds[0] + seconds[0], self.seconds[1] + seconds[1]
        return bytes(found[0])

    def lines(self) -> str:
        """For people."""
        torch_s, onnx_s = (one / self.files for one in self.seconds)
        same = f"encoding: {self.same} of {self.files} files the same, sizes differ by {self.largest:.3%} at most"
        return f"{same}; processor seconds a file: torch {torch_s:.3f}, ONNX Runtime {onnx_s:.3f}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codec", default="segpic-xs", help="(%(default)s)")
    parser.add_argument("--qualities", type=float, nargs="+", default=[20.0, 80.0], help="(%(default)s)")
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.iterdir() if path.suffix == ".png")
    if not paths:
        parser.error(f"{options.folder}: no PNG files")
    torch.set_num_threads(1)
    codec = regio.load(options.codec, "cpu")
    names = ["torch, 1 thread", *(f"ONNX Runtime, {threads} thread{'s'[: threads - 1]}" for threads in THREADS)]
    tallies = {name: Tally() for name in names}
    first, written, writers = b"", Writers(), (codec, light.load(options.codec, threads=1))
    for path in paths:
        picture = read_picture(path)
        if not first:  # loads both engines, so that no time below has that in it
            first = codec.encode(picture, quality=options.qualities[0])
            writers[1].encode(picture)
            codec.decode(first)
            for threads in THREADS:
                light.decode(first, threads=threads)
        for wanted in options_for(picture, options.qualities):
            data = written.add(writers, picture, wanted)
            expected = tallies[names[0]].add(lambda data=data: codec.decode(data, as_="numpy"), None)
            for name, threads in zip(names[1:], THREADS, strict=True):
                tallies[name].add(lambda data=data, n=threads: light.decode(data, as_="numpy", threads=n), expected)
        print(path.name, file=sys.stderr, flush=True)
    print(written.lines())
    print(f"{'':24}{'symbols right':13}{'largest':>9}{'differ':>12}{'seconds':>10}")
    for name, tally in tallies.items():
        print(tally.line(name))
    shell(first)
    return int(any(tally.right < tally.files or tally.largest > TOLERANCE for tally in tallies.values()))


def options_for(picture: Picture, qualities: Sequence[float]) -> Iterator[dict[str, Any]]:
    """To encode a picture at each quality, and with a box of a quarter of it as region."""
    for quality in qualities:
        yield {"quality": quality}
    width, height = picture.width, picture.height
    yield {"quality": REGION_QUALITY, "roi": (width // 4, height // 4, width // 2, height // 2)}


def shell(data: bytes) -> None:
    """Print what `regio decode` takes by each engine."""
    print(f"\n{'regio decode':24}{'processor s':>13}{'MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.rgo"
        file.write_bytes(data)
        for engine in ("torch", "onnx"):
            command = ["-m", "regio", "decode", str(file), "-o", str(file.with_suffix(".png")), "--engine", engine]
            seconds, memory = zip(*(usage([*command, "--force"]) for _ in range(RUNS)), strict=True)
            print(f"{engine:24}{min(seconds):13.2f}{min(memory) / 1e6:9.0f}")


def usage(command: list[str]) -> tuple[float, int]:
    """Processor seconds and the most bytes of memory that Python took for a command."""
    # A small process starts it: what the starting process occupies counts as the command's.
    line = [sys.executable, "-c", STARTER, sys.executable, *command]
    done = subprocess.run(line, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stdout=subprocess.PIPE)
    seconds, memory = done.stdout.split()
    return float(seconds), int(memory)


if __name__ == "__main__":
    sys.exit(main())
