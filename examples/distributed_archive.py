"""An archive made by many processes, on one machine or a cluster, in folders or in object storage, and checked.

    python examples/distributed_archive.py photos archive --workers 4
    python examples/distributed_archive.py s3://bucket/photos s3://bucket/archive --address auto --quality 50

Started again it goes on: what is done is skipped, what failed is tried again. Afterwards the manifest, a table with a
row for each picture, says where the bytes went, and some files are decoded to see that they are what they should be.
Needs `pip install 'regio[bulk]'`; for object storage also its fsspec package, such as s3fs.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

import fsspec

import regio
from regio import bulk
from regio.errors import RegioError
from regio.models.catalog import DEFAULT


def main() -> None:
    """Encode, then read the manifest, then verify a sample."""
    options = arguments()
    report = bulk.encode(
        options.pictures,
        options.archive,
        workers=options.workers,
        address=options.address,
        codec=options.codec,
        quality=options.quality,
        keep_suffix=True,  # a.png and a.jpg are two pictures
        manifest="manifest.csv",
        device=options.device,
        watch=tell,
    )
    print(f"{report.done} done, {report.before} before, {report.failed} failed of {report.total}")
    rows = [row for row in bulk.read_manifest(f"{options.archive}/manifest.csv") if row.error is None]
    for folder, size, count in by_folder(rows)[: options.folders]:
        print(f"{size:12,} bytes in {count} files: {folder}")
    for row in report.failures:
        print(f"failed: {row.source}: {row.error}")
    codec = None if options.codec == DEFAULT else regio.load(options.codec)  # files of bundled weights name theirs
    for row in random.Random(1).sample(rows, min(options.check, len(rows))):
        with fsspec.open(f"{options.archive}/{row.target}", "rb") as stream:
            regio.verify(stream.read(), codec=codec)
        print(f"verified: {row.target}, {row.width}×{row.height}, {row.bytes_out} bytes")
    if report.failed:
        raise SystemExit(1)


def tell(done: int, total: int, rows: Sequence[bulk.Row]) -> None:
    """Called after every piece of work."""
    print(f"{done} of {total}", file=sys.stderr)


def by_folder(rows: Sequence[bulk.Row]) -> list[tuple[str, int, int]]:
    """(folder, bytes, files), the largest first."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        sizes[str(PurePosixPath(row.source).parent)].append(row.bytes_out or 0)
    return sorted(((folder, sum(each), len(each)) for folder, each in sizes.items()), key=lambda entry: -entry[1])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Encode many pictures by many processes.")
    parser.add_argument("pictures", help="folder, pattern or URL: photos, 'in/**/*.png', s3://bucket/photos")
    parser.add_argument("archive", help="folder or URL to write to")
    parser.add_argument("--quality", type=float, default=50, help="0 … 100; default 50")
    parser.add_argument("--workers", type=int, help="processes; default: one a GPU, or else one a core")
    parser.add_argument("--address", help="of a Ray cluster: auto, HOST:6379; default: this machine alone")
    parser.add_argument("--check", type=int, default=5, help="files to decode at the end; default 5")
    parser.add_argument("--folders", type=int, default=10, help="folders to list, the largest first; default 10")
    parser.add_argument("--codec", default=DEFAULT, help=f"a bundled name or a .safetensors path; default {DEFAULT}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except (RegioError, OSError) as error:
        sys.exit(str(error))
