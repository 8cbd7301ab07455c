"""FID and KID: how far the distribution of decoded patches lies from that of original patches.

Both compare sets, not pictures. As few pictures make few samples, they are cut into patches (as HiFiC does); figures
depend on the number of patches, which therefore stands beside them. Networks and arithmetic are torch-fidelity's
(optional: it brings torchvision and fetches the weights of Inception).
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from regio.durable import replacing
from regio.errors import RegioError, UsageError
from regio.evaluation.bd_rate import Curve
from regio.evaluation.columns import figure
from regio.evaluation.contestants import Contestant
from regio.evaluation.plots import plot
from regio.evaluation.sweep import FAILURES, Row
from regio.images import Pixels, read_picture

PATCH = 256  # pixels


class Fidelity(NamedTuple):
    """Of a codec at one of its settings; the fields are the CSV's columns."""

    codec: str
    weights: str
    setting: float
    bpp: float
    fid: float
    kid: float  # mean over subsets
    patches: int


def fidelity(
    rows: Sequence[Row],
    pictures: Mapping[str, Path],
    contestants: Sequence[Contestant],
    table: Path,
    *,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Fidelity]:
    """FID and KID at every measured setting; what `table` (a CSV) holds already is taken from there.

    Raises RegioError if torch-fidelity is not installed, UsageError if the pictures give fewer than two patches.
    """
    calculate = metrics()
    known = {(one.codec, one.weights, one.setting): one for one in read(table)} if table.exists() else {}
    found: list[Fidelity] = []
    with tempfile.TemporaryDirectory() as place:
        originals = Path(place) / "originals"
        for one in contestants:
            mine = [row for row in rows if (row.codec, row.weights) == (one.name, one.weights)]
            for setting in sorted({row.quality for row in mine}):
                key = (one.name, one.weights, setting)
                if key not in known:
                    progress(f"{one.name} at {setting:g}: FID")
                    names = [row.picture for row in mine if row.quality == setting]
                    rate = float(np.mean([row.bpp for row in mine if row.quality == setting]))
                    decoded = Path(place) / "decoded"
                    count = _write(originals, decoded, {name: pictures[name] for name in names}, one, setting)
                    made = calculate(
                        input1=str(originals), input2=str(decoded), fid=True, kid=True, cuda=False, verbose=False,
                        kid_subset_size=min(1000, count),
                    )  # fmt: skip
                    fid, kid = made["frechet_inception_distance"], made["kernel_inception_distance_mean"]
                    known[key] = Fidelity(*key, rate, float(fid), float(kid), count)
                    write(table, known.values())
                found.append(known[key])
    return found


def metrics() -> Callable[..., Any]:
    """The package that computes both distances; RegioError if it is not installed."""
    try:
        from torch_fidelity import calculate_metrics
    except ImportError:
        raise RegioError("FID needs the package torch-fidelity (pip install torch-fidelity)") from None
    found: Callable[..., Any] = calculate_metrics
    return found


def patches(pixels: Pixels) -> Iterator[Pixels]:
    """Whole patches of an (H,W,3) picture: the grid from its corner, and the same grid half a patch further."""
    height, width = pixels.shape[:2]
    for shift in (0, PATCH // 2):
        for top in range(shift, height - PATCH + 1, PATCH):
            for left in range(shift, width - PATCH + 1, PATCH):
                yield pixels[top : top + PATCH, left : left + PATCH]


def read(table: Path) -> list[Fidelity]:
    """What `write` wrote; UsageError if it is another table."""
    with table.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    if tuple(header) != Fidelity._fields:
        raise UsageError(f"{table}: not a table of this command")
    return [Fidelity(a, b, float(c), float(d), float(e), float(f), int(g)) for a, b, c, d, e, f, g in lines]


def write(table: Path, entries: Iterable[Fidelity]) -> None:
    """As a CSV, whole or not at all."""
    with replacing(table) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([Fidelity._fields, *entries])


def _write(originals: Path, decoded: Path, pictures: Mapping[str, Path], one: Contestant, setting: float) -> int:
    """Patches of both as PNG files -> how many of each."""
    for folder in (originals, decoded):
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    count = 0
    for path in pictures.values():
        try:
            pixels = read_picture(path).pixels
            made = one.decode(one.encode(pixels, setting))
        except FAILURES:
            continue  # the sweep has listed it
        for folder, version in ((originals, pixels), (decoded, made)):
            for number, patch in enumerate(patches(version)):
                Image.fromarray(patch).save(folder / f"{count + number:06d}.png", compress_level=1)
        count += sum(1 for _ in patches(pixels))
    if count < 2:
        raise UsageError(f"FID needs at least two patches of {PATCH} x {PATCH} pixels; the pictures give {count}")
    return count


def plot_fidelity(entries: Sequence[Fidelity], stem: Path) -> tuple[Path, Path]:
    """FID over the rate, a line for each codec and weights, as PNG and SVG beside each other; returns both paths."""
    groups: dict[tuple[str, str], list[Fidelity]] = {}
    for one in entries:
        groups.setdefault((one.codec, one.weights), []).append(one)
    curves = []
    for (codec, _), group in groups.items():
        group.sort(key=lambda one: one.bpp)
        curves.append(Curve(codec, tuple(one.bpp for one in group), tuple(one.fid for one in group)))
    return plot(curves, stem, axis="FID (lower is better)")


def columns_of(entries: Sequence[Fidelity]) -> list[list[str]]:
    """Cells for a table, the header first."""
    rows = [["codec", "setting", "bpp", "FID", "KID x 1000", "patches"]]
    for one in entries:
        figures = [f"{one.fid:.2f}", figure(1000 * one.kid, ".3f"), str(one.patches)]
        rows.append([one.codec, f"{one.setting:.4g}", f"{one.bpp:.4f}", *figures])
    return rows
