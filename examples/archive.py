"""An archive with a size budget: one quality for all pictures, the highest at which together they fit.

    python examples/archive.py PICTURES ARCHIVE --budget 500M [--sample 50]

At one quality all pictures look about equally good, and busy ones get the bytes that they need; the same number of
bytes for each would waste them on plain ones. The quality is searched on a sample of the pictures and lowered where
the whole does not fit after all. The folder ARCHIVE mirrors PICTURES; nothing is left behind when the budget is too
small.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import regio
from regio.codec.options import count
from regio.errors import RegioError
from regio.models.catalog import DEFAULT
from regio.names import PICTURES


def main() -> None:
    """Search on a sample, then write, and once more at a lower quality for as long as it does not fit."""
    options = arguments()
    pictures = sorted(path for path in options.pictures.rglob("*") if path.suffix.lower() in PICTURES)
    if not pictures:
        raise SystemExit(f"{options.pictures}: no pictures")
    if options.archive.exists():
        raise SystemExit(f"{options.archive} exists; name a new folder")
    budget = count(options.budget, "--budget")
    codec = regio.load(options.codec, device="cpu")
    sample = pictures[:: max(1, len(pictures) // options.sample)]

    def size(quality: int) -> float:
        """Bytes that all pictures take, reckoned from the sample."""
        total = sum(len(codec.encode(path, quality=quality)) for path in sample) * len(pictures) / len(sample)
        print(f"quality {quality}: about {total:,.0f} bytes")
        return total

    quality = highest(size, budget)
    with TemporaryDirectory(dir=options.archive.resolve().parent, prefix=".archive-") as folder:
        while (total := write(codec, pictures, options.pictures, Path(folder), quality)) > budget:
            print(f"quality {quality}: {total:,} bytes after all")
            if not quality:
                raise SystemExit(
                    f"not even quality 0 fits {budget:,} bytes; make the pictures smaller, or the budget larger"
                )
            # an octave of bytes is some 18 points of quality; 12, so as not to go too far at once
            quality = max(0, quality - max(1, int(12 * math.log2(total / budget))))
        (Path(folder) / "all").rename(options.archive)
    before = sum(path.stat().st_size for path in pictures)
    print(f"{len(pictures)} pictures at quality {quality}: {total:,} bytes of {budget:,}; they had {before:,}")


def highest(size: Callable[[int], float], budget: int) -> int:
    """The highest whole quality whose size is within the budget, by halving; 0 if none is."""
    low, high = 0, 101  # what is known to fit (or the last resort), what does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= budget else (low, middle)
    return low


def write(codec: regio.Codec, pictures: list[Path], source: Path, folder: Path, quality: int) -> int:
    """Encode everything below folder/all -> bytes in all."""
    total = 0
    for path in pictures:
        # a.png and a.jpg are two pictures, so the old extension stays
        target = folder / "all" / path.relative_to(source).with_name(f"{path.name}.rgo")
        target.parent.mkdir(parents=True, exist_ok=True)
        total += target.write_bytes(codec.encode(path, quality=quality))
    return total


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Encode a folder within a number of bytes.")
    parser.add_argument("pictures", type=Path, help="folder of pictures; subfolders too")
    parser.add_argument("archive", type=Path, help="folder to make")
    parser.add_argument("--budget", required=True, help="bytes for all of it: 500M, 2G, 64Ki")
    parser.add_argument("--sample", type=int, default=50, help="pictures to search the quality on; default 50")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    options = parser.parse_args()
    if options.sample < 1:
        parser.error("--sample is at least 1")
    return options


if __name__ == "__main__":
    try:
        main()
    except (RegioError, OSError) as error:
        sys.exit(str(error))
