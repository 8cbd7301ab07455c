"""Decoding times of the ROI codec's three contexts, on one picture, in one process.

    python benchmarks/contexts.py PICTURE [--preset roi-xs-1] [--quality 50]

All three models have the same transforms, fresh (a transform codec; trained weights change the symbols, not how many
there are), and are made, stored and read as everybody's weights are. Times are medians of the processor time of this
process and of the time that passed; each file is decoded to the same pixels every time, or it is an error.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from regio.codec import Codec
from regio.models.mixture import CONTEXTS
from regio.models.roi import RoiCodec, RoiCodecConfig
from regio.weights import store

REPEATS = {"none": 5, "checkerboard": 5, "autoregressive": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--preset", default="roi-xs-1")
    parser.add_argument("--quality", type=float, default=50.0)
    options = parser.parse_args()
    rows = [measure(context, options.preset, options.picture, options.quality) for context in CONTEXTS]
    slowest = rows[-1]
    print(f"{options.picture.name}, {options.preset}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'context':<16}{'bytes':>9}{'encode s':>10}{'decode s':>10}{'passed s':>10}{'speed':>8}")
    for row in rows:
        ratio = float(slowest["decode_s"]) / float(row["decode_s"])
        seconds = f"{row['encode_s']:>10.3f}{row['decode_s']:>10.3f}{row['passed_s']:>10.3f}"
        print(f"{row['context']:<16}{row['bytes']:>9}{seconds}{ratio:>7.1f}x")


def measure(context: str, preset: str, picture: Path, quality: float) -> dict[str, str | int | float]:
    torch.manual_seed(0)
    config = replace(RoiCodecConfig.preset(preset), context=context)
    if context == "autoregressive":
        config = replace(config, context_kernel=5)  # the paper's
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{context}.safetensors"
        store.save(RoiCodec(config), path)
        codec = Codec(store.load(path), "cpu")
    began = time.process_time()
    data = codec.encode(picture, quality=quality)
    encode = time.process_time() - began
    pictures, spent, passed = [], [], []
    for _ in range(REPEATS[context]):
        began, began_wall = time.process_time(), time.perf_counter()
        pictures.append(np.asarray(codec.decode(data)))
        spent.append(time.process_time() - began)
        passed.append(time.perf_counter() - began_wall)
    if any(not np.array_equal(pictures[0], other) for other in pictures):
        raise SystemExit(f"{context}: the same file was decoded to different pixels")
    times = statistics.median(spent), statistics.median(passed)
    return {
        "context": context,
        "bytes": len(data),
        "encode_s": encode,
        "decode_s": times[0],
        "passed_s": times[1],
    }


if __name__ == "__main__":
    main()
