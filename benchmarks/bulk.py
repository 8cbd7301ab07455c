"""A thousand pictures through `regio bulk`: throughput against a plain loop, and a run that is killed and goes on.

    python benchmarks/bulk.py FOLDER... [--count 1000] [--sizes 64,96,128,192] [--workers 1,2] [-o runs/bulk]

Cuts pictures of the given sizes from those in the folders, again and again until there are enough. Then, each from
nothing: a plain loop (`regio.load` once, then read, encode, write); `regio bulk encode` with each number of workers;
and once more with the first of them, killed with SIGKILL in the middle and started again. Every file of every run is
compared with that of the loop. Times are of the whole command, and "at work" from the first file written to the last,
which leaves out what it takes to start Ray, to load codecs and to end; "workers busy" is the share of that time in
which they had a picture in hand, 1 if Ray costs nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image

from regio.bulk import read_manifest

QUALITY = 50
LOOP = """
import sys
from pathlib import Path
import torch
import regio
torch.set_num_threads(1)
source, target, quality = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
codec = regio.load()
for path in sorted(source.rglob("*.png")):
    result = (target / path.relative_to(source)).with_suffix(".rgo")
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_bytes(codec.encode(path.read_bytes(), quality=quality))
"""


def main() -> None:
    """Measure, check, print."""
    arguments = parsed()
    out: Path = arguments.output
    shutil.rmtree(out, ignore_errors=True)
    make_pictures(arguments.folders, out / "pictures", arguments.count, arguments.sizes)
    rows = [loop(out / "pictures", out / "loop")]
    for workers in arguments.workers:
        rows.append(bulk(out / "pictures", out / f"bulk-{workers}", workers) | same(out, f"bulk-{workers}"))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    rows.append(killed(out / "pictures", out / "killed", arguments.workers[0], arguments.count) | same(out, "killed"))
    for row in rows:
        print(json.dumps(row))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--sizes", type=numbers, default=[64, 96, 128, 192])
    parser.add_argument("--workers", type=numbers, default=[1, 2])
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/bulk"))
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """ "1,2" -> [1, 2]"""
    return [int(part) for part in text.split(",")]


def make_pictures(folders: list[Path], target: Path, count: int, sizes: list[int]) -> None:
    """`count` pictures: a crop of each source at each size, further along in each round."""
    sources = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix in (".png", ".jpg"))[:count]
    for k in range(count):
        size, turn = sizes[k % len(sizes)], k // len(sources)
        with Image.open(sources[k % len(sources)]) as image:
            small = image.convert("RGB").resize((2 * size, 2 * size))
            x, y = (13 * turn) % size, (29 * turn) % size
            path = target / f"{size}" / f"{k:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            small.crop((x, y, x + size, y + size)).save(path)


def loop(source: Path, target: Path) -> dict[str, Any]:
    """The plain loop in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, "-c", LOOP, source, target, str(QUALITY)]
    subprocess.run(command, check=True)
    return figures("plain loop", target, time.perf_counter() - start)


def bulk(source: Path, target: Path, workers: int) -> dict[str, Any]:
    """The command, from nothing."""
    start = time.perf_counter()
    done = subprocess.run(command(source, target, workers), check=True, capture_output=True)
    assert json.loads(done.stdout)["failed"] == 0, done.stdout
    return figures(f"bulk, workers: {workers}", target, time.perf_counter() - start, workers)


def killed(source: Path, target: Path, workers: int, count: int) -> dict[str, Any]:
    """Killed when half is done, started again; nothing is done twice, and nothing is lost."""
    process = subprocess.Popen(command(source, target, workers), stdout=subprocess.PIPE, text=True)
    wait_for(process, target, count // 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    at = -1
    while at != (at := files(target)):  # workers notice within moments that nobody is left to work for
        time.sleep(3)
    before = {path: path.stat().st_mtime_ns for path in results(target)}
    report = json.loads(subprocess.run(command(source, target, workers), check=True, capture_output=True).stdout)
    again = sum(path.stat().st_mtime_ns != when for path, when in before.items())
    return {
        "run": "killed, started again",
        "there when killed": len(before),
        "skipped": report["before"],
        "done by the second": report["done"],
        "done twice": again,
        "failed": report["failed"],
        "files": files(target),
    }


def command(source: Path, target: Path, workers: int) -> list[str | Path]:
    """`regio bulk encode`."""
    options = ["-q", str(QUALITY), "--workers", str(workers), "--device", "cpu", "--json"]
    return [sys.executable, "-m", "regio", "bulk", "encode", source, target, *options]


def wait_for(process: subprocess.Popen[str], target: Path, count: int) -> float:
    """Until so many results are there -> when that was."""
    while files(target) < count:
        assert process.poll() is None, "the command ended early"
        time.sleep(0.05)
    return time.perf_counter()


def results(target: Path) -> list[Path]:
    """Whole results; parts of files have other names."""
    return [path for path in target.rglob("*.rgo") if not path.name.startswith(".")]


def files(target: Path) -> int:
    """How many results there are."""
    return len(results(target))


def same(out: Path, name: str) -> dict[str, Any]:
    """How many files are, byte for byte, those of the loop."""
    expected = results(out / "loop")
    equal = sum((out / name / p.relative_to(out / "loop")).read_bytes() == p.read_bytes() for p in expected)
    return {"equal to the loop's": equal}


def figures(run: str, target: Path, total: float, workers: int = 0) -> dict[str, Any]:
    """A row of the table."""
    times = sorted(path.stat().st_mtime for path in results(target))
    working = times[-1] - times[0]
    row = {"run": run, "pictures": len(times), "seconds": round(total, 1), "at work": round(working, 1)}
    if workers:
        inside = sum(row.seconds or 0.0 for row in read_manifest(str(target / "manifest.parquet")))
        row["workers busy"] = round(inside / working / workers, 3)
    return row | {"pictures/s at work": round((len(times) - 1) / working, 2)}


if __name__ == "__main__":
    main()
