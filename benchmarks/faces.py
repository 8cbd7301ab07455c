"""How many faces are found, and how much that is none: `--roi faces` beside the cascades that it replaced.

    python benchmarks/faces.py PICTURES [BOXES.json]

PICTURES is a folder. BOXES.json (default: benchmarks/faces.json) maps the name of a picture to its SHA-256, the boxes
[x, y, width, height] of its faces, and of what may be one ("unsure": turned away, blurred), which counts neither way. A
face is found where a find overlaps it by more than 0.3 (intersection over union); a find that overlaps none is a false
alarm. Listed pictures that are missing or have changed are named and left out.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from regio.regions.faces import faces, overlap
from regio.regions.opencv import grey_of

Pixels = NDArray[np.uint8]
Boxes = list[NDArray[np.float64]]
FOUND = 0.3  # intersection over union
SMALL, LARGE = 0.05, 0.2  # height of a face in that of the long side
FRONTAL = ("haarcascade_frontalface_alt2", "haarcascade_frontalface_alt", "haarcascade_frontalface_default")
PROFILE = "haarcascade_profileface"
VOTES, SAME = 3, 0.4  # of the four cascades; intersection over union of two finds of one face


class Marked(NamedTuple):
    """A picture whose faces somebody has marked."""

    pixels: Pixels
    faces: Boxes
    unsure: Boxes


def marked(folder: Path, boxes: Path) -> Iterator[Marked]:
    """The listed pictures of a folder, by name."""
    known: dict[str, Any] = json.loads(boxes.read_text(encoding="utf-8"))
    for name, entry in sorted(known.items()):
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
            print(f"{name}: missing or changed, left out")
            continue
        with Image.open(path) as image:
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        yield Marked(pixels, *([np.array(box, float) for box in entry.get(key, [])] for key in ("faces", "unsure")))


def by_cascades(pixels: Pixels) -> list[Any]:
    """What three of four cascades see, as Regio found faces before (docs/decisions/0015-faces-by-vote.md)."""
    grey, factor = grey_of(cv2, pixels, 640)
    grey = cv2.equalizeHist(grey)
    finds: list[tuple[int, NDArray[np.float64]]] = []
    for k, name in enumerate((*FRONTAL, PROFILE)):
        if k == 2 and not finds:
            break  # the other two are one vote short
        finds += [(k, box) for box in cascade_finds(grey, name)]
    sure: Boxes = []
    for _, box in finds:
        same = [(k, other) for k, other in finds if overlap(box, other) > SAME]
        if len({k for k, _ in same}) >= VOTES and not any(overlap(box, other) > SAME for other in sure):
            sure.append(np.mean([other for _, other in same], axis=0))
    shape = np.array((0.9, 1.15))  # of a face in a find, which is square and stops at the eyebrows
    return [np.concatenate([box[:2] + box[2:] * (1 - shape) / 2, box[2:] * shape]) / factor for box in sure]


@cache
def cascade(name: str) -> Any:
    return cv2.CascadeClassifier(f"{cv2.data.haarcascades}{name}.xml")


def cascade_finds(grey: Pixels, name: str) -> Boxes:
    """Boxes of one cascade; that of profiles knows one direction of looking, so it sees a mirror image too."""
    found = []
    for mirrored in (False, True) if name == PROFILE else (False,):
        seen = np.ascontiguousarray(grey[:, ::-1]) if mirrored else grey
        for x, y, width, height in cascade(name).detectMultiScale(seen, 1.1, 3, minSize=(24, 24)):
            found.append(np.array([grey.shape[1] - x - width if mirrored else x, y, width, height], float))
    return found


def size_of(face: NDArray[np.float64], pixels: Pixels) -> str:
    share = face[3] / max(pixels.shape[:2])
    return "small" if share < SMALL else "large" if share > LARGE else "middle"


def line(name: str, find: Callable[[Pixels], list[Any]], pictures: list[Marked]) -> str:
    """A row of the table."""
    hits, wrong, seconds = [], {True: 0, False: 0}, []
    for pixels, known, unsure in pictures:
        start = time.perf_counter()
        finds = [np.array(box, float) for box in find(pixels)]
        seconds.append(time.perf_counter() - start)
        hits += [(size_of(face, pixels), any(overlap(face, box) > FOUND for box in finds)) for face in known]
        wrong[bool(known)] += sum(all(overlap(box, one) <= FOUND for one in (*known, *unsure)) for box in finds)
    cells = [name]
    for sizes in (("small", "middle", "large"), ("small",), ("middle",), ("large",)):
        those = [hit for size, hit in hits if size in sizes]
        cells.append(f"{sum(those)} of {len(those)}")
    return f"| {' | '.join(cells)} | {wrong[True]} | {wrong[False]} | {np.median(seconds) * 1000:.0f} ms |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("boxes", type=Path, nargs="?", default=Path(__file__).with_suffix(".json"))
    given = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = list(marked(given.pictures, given.boxes))
    without = sum(not one.faces for one in pictures)
    print(f"{len(pictures)} pictures, {without} of them without people\n")
    print(f"| finder | faces found | below {SMALL:.0%} of the long side | between | above {LARGE:.0%} ", end="")
    print("| false alarms beside faces | without people | time |")
    print("|---|---|---|---|---|---|---|---|")
    for name, find in (("the network", faces), ("the cascades, by vote", by_cascades)):
        print(line(name, find, pictures), flush=True)


if __name__ == "__main__":
    main()
