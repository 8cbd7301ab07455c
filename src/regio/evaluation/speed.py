"""How fast and in how much memory: each codec, device and size in a process of its own.

Every codec gets the same bytes per pixel. A process loads the codec, finds the setting, makes one file that is not
timed, then times `repeats` encodings and decodings; what is reported is their median. Memory is the process's largest
resident set, libraries and weights included; on an accelerator also the most that torch allocated there.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from regio.errors import MissingWeights, RegioError, UsageError
from regio.evaluation.columns import columns
from regio.evaluation.contestants import Contestant, line_up
from regio.evaluation.contestants.opponents import OPPONENTS
from regio.images import Pixels

SIZES = ((512, 512), (768, 512), (1920, 1080))


@dataclass(frozen=True)
class Speed:
    """Medians of one codec on one device at one size."""

    codec: str
    device: str
    width: int
    height: int
    bpp: float
    setting: float
    encode_seconds: float
    decode_seconds: float
    mebibytes: float  # peak of the whole process
    device_mebibytes: float  # peak allocated on an accelerator, 0 without one
    weights: str

    @property
    def megapixels(self) -> float:
        """Of the picture."""
        return self.width * self.height / 1e6


class Skipped(NamedTuple):
    """A measurement that was not possible, and why."""

    codec: str
    device: str
    size: str
    reason: str


@dataclass(frozen=True)
class Task:
    """One measurement, as it is handed to a process."""

    codec: str
    device: str
    pixels: Pixels
    bpp: float
    repeats: int
    threads: int


def bench(
    codecs: Sequence[str],
    *,
    devices: Sequence[str] = ("cpu",),
    sizes: Sequence[tuple[int, int]] = SIZES,
    picture: Pixels | None = None,
    bpp: float = 0.5,
    repeats: int = 5,
    threads: int = 1,
    progress: Callable[[str], None] = lambda line: None,
) -> Iterator[Speed | Skipped]:
    """Measure codec by codec; opponents once, on the CPU. sizes: (width, height); picture: what they are cut from.

    Raises MissingWeights for a name that is neither an opponent nor weights; what else fails is yielded as skipped.
    """
    for name in codecs:
        for device in devices if name not in OPPONENTS else ("cpu",):
            for width, height in sizes:
                size = f"{width}x{height}"
                progress(f"{name} on {device}, {size}")
                task = Task(name, device, cut(picture, width, height), bpp, repeats, threads)
                try:
                    yield in_a_process_of_its_own(task)
                except MissingWeights:  # a name that is none is a mistake, not a codec to pass over
                    raise
                except (RegioError, OSError, ValueError, RuntimeError, MemoryError) as error:
                    yield Skipped(name, device, size, " ".join(str(error).split()) or type(error).__name__)


def in_a_process_of_its_own(task: Task) -> Speed:
    """Run `measure` in a fresh interpreter. Raises what it raises; RegioError if the process dies."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(measure, task).result()
        except BrokenProcessPool:
            raise RegioError("the process ended before it was done (out of memory?)") from None


def measure(task: Task) -> Speed:
    """Everything about one task, in this process."""
    if task.codec not in OPPONENTS:  # those need no torch, and would pay for its memory
        import torch

        torch.set_num_threads(task.threads)
        if task.device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError("there is no CUDA device")
    lineup = line_up([task.codec], device=task.device)
    if reason := lineup.skipped.get(task.codec):
        raise RegioError(reason)
    (codec,) = lineup.contestants
    return _timed(codec, task)


def _timed(codec: Contestant, task: Task) -> Speed:
    height, width = task.pixels.shape[:2]
    made = codec.at_bytes(task.pixels, max(1, int(task.bpp * height * width / 8)))
    cuda = _cuda(task.device)
    codec.decode(codec.encode(task.pixels, made.setting))
    encoding, decoding = [], []
    for _ in range(task.repeats):
        start = _now(cuda)
        data = codec.encode(task.pixels, made.setting)
        between = _now(cuda)
        codec.decode(data)
        encoding.append(between - start)
        decoding.append(_now(cuda) - between)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return Speed(
        codec=codec.name,
        device=codec.device,
        width=width,
        height=height,
        bpp=8 * len(data) / (height * width),
        setting=made.setting,
        encode_seconds=median(encoding),
        decode_seconds=median(decoding),
        mebibytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20,
        device_mebibytes=0.0 if cuda is None else float(cuda.max_memory_allocated()) / 2**20,
        weights=codec.weights,
    )


def _cuda(device: str) -> Any:
    """torch.cuda, which knows the most that is allocated from now on; None for another device."""
    if not device.startswith("cuda"):
        return None
    import torch

    torch.cuda.reset_peak_memory_stats()
    return torch.cuda


def _now(cuda: Any) -> float:
    """The time when all work that was begun is done: a GPU's goes on after calls return."""
    if cuda is not None:
        cuda.synchronize()
    return time.perf_counter()


def cut(picture: Pixels | None, width: int, height: int) -> Pixels:
    """A picture of that size: cut from one, mirrored where it is too small; waves and noise without one."""
    if picture is not None:
        down, right = (max(0, want - have) for want, have in zip((height, width), picture.shape[:2], strict=True))
        enlarged = np.pad(picture, ((0, down), (0, right), (0, 0)), mode="symmetric")
        return np.ascontiguousarray(enlarged[:height, :width])
    rows, columns_ = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 4, (height, width, 3)).astype(np.float32)
    waves = [50 * np.sin(0.02 * (c + 1) * rows) + 40 * np.sin(0.05 * columns_ - 0.03 * c * rows) for c in range(3)]
    edges = 25 * np.sign(np.sin(0.031 * (rows + columns_)))[..., None]
    made: Pixels = (128 + np.stack(waves, -1) + edges + noise).clip(0, 255).astype(np.uint8)
    return made


def table(found: Sequence[Speed]) -> str:
    """One row per measurement, as lines of text."""
    header = ["codec", "device", "size", "bpp", "encode s", "decode s", "encode MP/s", "decode MP/s", "peak MiB"]
    with_gpu = any(one.device_mebibytes for one in found)
    rows = [
        [
            one.codec,
            one.device,
            f"{one.width}x{one.height}",
            f"{one.bpp:.3f}",
            f"{one.encode_seconds:.4f}",
            f"{one.decode_seconds:.4f}",
            f"{one.megapixels / one.encode_seconds:.2f}",
            f"{one.megapixels / one.decode_seconds:.2f}",
            f"{one.mebibytes:.0f}",
            *([f"{one.device_mebibytes:.0f}"] if with_gpu else []),
        ]
        for one in found
    ]
    return columns([*header, *(["device MiB"] if with_gpu else [])], rows)


def size_in(text: str) -> tuple[int, int]:
    """ "1920x1080" -> (1920, 1080). UsageError for anything else."""
    width, by, height = text.lower().partition("x")
    if not (by and width.strip().isdecimal() and height.strip().isdecimal() and int(width) and int(height)):
        raise UsageError(f"--sizes: give WIDTHxHEIGHT, separated by commas, not {text!r}")
    return int(width), int(height)
