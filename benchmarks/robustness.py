"""Damage files in every way, read them, and see that nothing but errors of Regio comes of it.

    python benchmarks/robustness.py PICTURES [--codec NAME|FILE ...] [--random PRESET ...] [--everything]
                                    [-n 10000] [--forged SHARE] [--container COUNT] [--max-pixels COUNT] [--seed 0]
                                    [--limit N] [--crop SIDE] [-o FOLDER]

Each picture is encoded by each codec: plainly, with a region of interest, with opacity and metadata, in tiles. Then
damaged files are read one after the other, in three ways:

--container  taken apart only: `regio.inspect`, and put together again, which must give the same bytes
-n           decoded in full. The result must be an error of regio.errors, or the very pixels of the sound file
--forged     a share of -n: the file passes all its checks, as one does whose author computed them. The result must be
             an error, or a picture of the size that the file says, the same each time, its parts those of the whole

For every kind of damage (damage.py) one row says what came of it. Time and memory are bounded by the size of the
picture that a file claims: a decode may take ten times the processor time that a sound file of so many pixels takes, or
one second, and half a KiB a pixel; taking apart may allocate ten times the file and 64 KiB. The system refuses more
than 2 GiB at a time, and a decode that takes a hundred times its bound is stopped with a traceback. Files that claim
more than --max-pixels are refused, as by a service that sets this limit. `-o` keeps the files that broke a rule.

--everything: all bundled codecs and a toy of every family, one with floating-point levels among them.
Exit status 1 if a rule was broken.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import sys
import tempfile
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from damage import DAMAGES, forged, with_check
from environments import random_weights
from PIL import Image
from portability import add_codecs, choose_codecs

import regio
from regio import errors
from regio.codec import Codec
from regio.codec.layout import Tiling
from regio.evaluation.columns import columns
from regio.evaluation.sweep import find_pictures
from regio.format import pack, parse
from regio.format.header import CHECK_BYTES
from regio.images import Pixels, read_picture

TIMES, FLOOR_SECONDS = 10.0, 1.0  # what a damaged file may take: times a sound one, and at least
PIXEL_BYTES, ALWAYS_BYTES = 512, 2**24  # memory a claimed pixel may take, and any file
APART_TIMES, APART_BYTES = 10, 2**16  # what taking apart may allocate: times the file, and besides
MOST_AT_ONCE = 2**31  # bytes that the system gives beyond what the process has at the start
CLASSES = ("CorruptFile", "UnsupportedFile", "MissingWeights", "LimitExceeded")
TOYS = ("toy", "toy-guarded", "roi:toy", "mcm:toy")
SAME, PICTURE = "the same", "a picture"


class Sound(NamedTuple):
    """A file, what it decodes to, and how long that takes."""

    data: bytes
    pixels: bytes
    seconds: float
    area: int


@dataclass
class Row:
    """What came of one kind of damage."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds over those of a sound file of the claimed size
    seconds: float = 0.0  # of the slowest
    largest: float = 0.0  # memory over what is allowed


class Subject(NamedTuple):
    """A codec and its sound files."""

    codec: Codec
    files: list[Sound]


def area_of(data: bytes, multiple: int) -> int:
    """Pixels that decoding works on, 0 for files that are refused before."""
    try:
        header = parse(data).header
    except errors.RegioError:
        return 0
    return -(-header.width // multiple) * -(-header.height // multiple) * multiple**2


def peak_bytes() -> int:
    """The most memory this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def user_seconds() -> float:
    """Processor time of this process, without that of the system, which depends on what else the machine does."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def files_of(codec: Codec, pixels: Pixels) -> list[bytes]:
    """One picture in every form that files have."""
    plain = Image.fromarray(pixels)
    middle = (0, 0, plain.width // 2, plain.height // 2)
    made = [codec.encode(plain)]
    if codec.net.rated:
        made.append(codec.encode(plain, roi=middle))
    dressed = plain.convert("L")
    dressed.putalpha(Image.fromarray(np.ascontiguousarray(pixels[..., 0])))
    dressed.info |= {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", "xmp": b"<x/>" * 20}
    made.append(codec.encode(dressed))
    side = max(6, codec.net.multiple.bit_length() - 1)
    default, codec.runtime.tiling = codec.runtime.tiling, Tiling(whole_pixels=0, log2_sides=(side,))
    made.append(codec.encode(plain, roi=middle if codec.net.rated else None))
    codec.runtime.tiling = default
    return made


def prepare(codec: Codec, pictures: list[Path], crop: int | None) -> Subject:
    """Encode every picture and time its decoding."""
    found = []
    for path in pictures:
        for data in files_of(codec, read_picture(path).pixels[:crop, :crop]):
            pixels = codec.decode(data).tobytes()
            seconds = []
            for _ in range(5):
                start = user_seconds()
                codec.decode(data)
                seconds.append(user_seconds() - start)
            found.append(Sound(data, pixels, median(seconds), area_of(data, codec.net.multiple)))
    return Subject(codec, found)


def decoded(codec: Codec, data: bytes, sound: Sound, limit: int, forge: bool, dice: random.Random) -> str:
    """Decode in full: one word for what came of it."""
    checks: list[int] = []
    try:
        with forged(checks) if forge else nullcontext():
            image = codec.decode(data, max_pixels=limit)
            if forge and (word := fair(codec, data, image, dice)):
                return word
        if checks and dice.random() < 1 / 16 and parse(data).tiles is None:  # fit the check indeed
            image = codec.decode(with_check(data, checks[0]), max_pixels=limit)
            return PICTURE
    except errors.RegioError as error:
        return word_for(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    if image.tobytes() == sound.pixels:
        return SAME
    return PICTURE if forge else "another picture"


def fair(codec: Codec, data: bytes, image: Image.Image, dice: random.Random) -> str:
    """What is wrong with the picture of a forged file, if anything; one in sixteen is looked at closely."""
    header = parse(data).header
    if image.size != (header.width, header.height):
        return f"a picture of another size than {header.width} x {header.height}"
    if dice.random() > 1 / 16:
        return ""
    x, y = dice.randrange(image.width), dice.randrange(image.height)
    box = (x, y, dice.randint(x + 1, image.width), dice.randint(y + 1, image.height))
    part = codec.decode(data, region=(x, y, box[2] - x, box[3] - y))
    return "" if part.tobytes() == image.crop(box).tobytes() else "a part that differs from the whole"


def word_for(error: errors.RegioError) -> str:
    """One word for an error that is allowed, some for one that is not."""
    if "\n" in str(error):
        return "a message of several lines"
    if "not enough memory" in str(error):
        return "memory beyond all bounds"
    return type(error).__name__


def taken_apart(data: bytes) -> str:
    """Read the container alone: one word for what came of it."""
    try:
        regio.inspect(data)
        file = parse(data)
    except errors.RegioError as error:
        return word_for(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    again, end = pack(file, 0), file.header.size
    if again[: end - CHECK_BYTES] + again[end:] != data[: end - CHECK_BYTES] + data[end:]:
        return "other bytes, put together again"
    return PICTURE


def watched(row: Row, normal: float, work: Callable[[], str]) -> str:
    """Do something while a clock runs -> what it says. normal: seconds that it usually takes."""
    faulthandler.dump_traceback_later(100 * TIMES * normal, exit=True)  # of the clock on the wall
    start = user_seconds()
    result = work()
    seconds = user_seconds() - start
    taken = seconds / normal
    faulthandler.cancel_dump_traceback_later()
    row.outcomes[result] += 1
    row.slowest, row.seconds = max(row.slowest, taken), max(row.seconds, seconds)
    return "too long" if taken > TIMES else result


def keep(folder: Path | None, name: str, data: bytes) -> None:
    """Keep a file that broke a rule."""
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.rgo").write_bytes(data)


def attack_decoders(subjects: list[Subject], options: argparse.Namespace) -> dict[str, Row]:
    """Damage files and decode them, subject after subject."""
    dice, rows = random.Random(options.seed), defaultdict[str, Row](Row)
    known = {sound.data: sound for subject in subjects for sound in subject.files}
    memory = peak_bytes()
    for k in range(options.n):
        codec, files = subjects[k * len(subjects) // options.n]
        damage, sound = DAMAGES[k % len(DAMAGES)], dice.choice(files)
        data = damage(sound.data, dice.choice(files).data, dice)
        expected = known.get(data, sound)  # a splice may happen to be another sound file, whole
        forge = dice.random() < options.forged
        row = rows[damage.__name__.replace("_", " ") + (", forged" if forge else "")]
        area = min(area_of(data, codec.net.multiple), 4 * options.max_pixels)
        normal = max(sound.seconds * area / sound.area, FLOOR_SECONDS / TIMES)
        closely = 3 if forge else 1  # a forgery may be decoded three times
        result = watched(row, closely * normal, lambda: decoded(codec, data, expected, options.max_pixels, forge, dice))  # noqa: B023
        grown = (peak_bytes() - memory) / (PIXEL_BYTES * area + ALWAYS_BYTES)
        memory = peak_bytes()
        row.largest = max(row.largest, grown)
        if grown > 1 or not allowed(result, forge):
            keep(options.output, f"decoded-{k}", data)
        if (k + 1) % max(options.n // 20, 1) == 0:
            print(f"{k + 1} of {options.n} decoded, now {codec.name}", file=sys.stderr, flush=True)
    return dict(rows)


def attack_containers(subjects: list[Subject], options: argparse.Namespace) -> dict[str, Row]:
    """Damage files and take them apart."""
    dice, rows = random.Random(options.seed), defaultdict[str, Row](Row)
    files = [sound.data for subject in subjects for sound in subject.files]
    if options.container:
        taken_apart(files[0])
        tracemalloc.start()
    for k in range(options.container):
        damage, sound = DAMAGES[k % len(DAMAGES)], dice.choice(files)
        data = damage(sound, dice.choice(files), dice)
        row = rows[damage.__name__.replace("_", " ") + ", taken apart"]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = watched(row, FLOOR_SECONDS / TIMES / 10, lambda: taken_apart(data))  # noqa: B023
        grown = (tracemalloc.get_traced_memory()[1] - before) / (APART_TIMES * len(data) + APART_BYTES)
        row.largest = max(row.largest, grown)
        if grown > 1 or not allowed(result, True):
            keep(options.output, f"container-{k}", data)
    tracemalloc.stop()
    return dict(rows)


def allowed(result: str, pictures: bool) -> bool:
    """Whether something may come of a damaged file. pictures: even one that is not the sound file's."""
    return result in (*CLASSES, SAME) or (pictures and result == PICTURE)


def table(rows: dict[str, Row]) -> str:
    """One row for each kind of damage."""
    lines = []
    for name, row in sorted(rows.items(), key=lambda item: item[0].partition(", ")[::-1]):
        counts = row.outcomes
        known = [SAME, *CLASSES, PICTURE]
        others = sum(n for result, n in counts.items() if result not in known)
        cells = [str(counts[result]) for result in known]
        lines.append([name, str(counts.total()), *cells, str(others), f"{row.slowest:.1f}", f"{row.largest:.2f}"])
    header = ["damage", "files", "same picture", *CLASSES, "a picture", "wrong", "time", "memory"]
    return columns(header, lines)


def faults(rows: dict[str, Row]) -> list[str]:
    """What must not be; one line each."""
    found = []
    for name, row in rows.items():
        pictures = name.endswith((", forged", ", taken apart"))
        bad = {result: n for result, n in row.outcomes.items() if not allowed(result, pictures)}
        found += [f"{name}: {result} ({n} times)" for result, n in bad.items()]
        if row.slowest > TIMES:
            found.append(f"{name}: a file took {row.slowest:.1f} times what a sound one takes")
        if row.largest > 1:
            found.append(f"{name}: a file took {row.largest:.2f} times the memory allowed")
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Damage files in every way and read them.")
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    add_codecs(parser)
    parser.add_argument("-n", type=int, default=10_000, help="damaged files to decode (default %(default)s)")
    parser.add_argument("--forged", type=float, default=0.5, help="share that passes its checks (default %(default)s)")
    parser.add_argument("--container", type=int, default=0, help="damaged files to take apart (default %(default)s)")
    parser.add_argument("--max-pixels", type=int, default=2**18, help="limit of the reader (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    parser.add_argument("--limit", type=int, default=4, help="use the first so many pictures (default %(default)s)")
    parser.add_argument(
        "--crop", type=int, default=128, help="their top left corner of this side (default %(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, help="folder for files that broke a rule")
    options = parser.parse_args()
    choose_codecs(options, TOYS)
    return options


def main() -> int:
    """Encode, damage, read, print."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        weights = [*options.codec, *(str(random_weights(preset, Path(folder))) for preset in options.random)]
        codecs = [regio.load(name, device="cpu") for name in weights]
    pictures = list(find_pictures(options.pictures).values())[: options.limit]
    subjects = [prepare(codec, pictures, options.crop) for codec in codecs]
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        most = pages * resource.getpagesize() + MOST_AT_ONCE
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    rows = attack_containers(subjects, options) | attack_decoders(subjects, options)
    print(table(rows))
    print(
        f"\ntime: the slowest, over that of a sound file of as many pixels ({TIMES:g} allowed, or {FLOOR_SECONDS} s)"
        f"\nmemory: the most that a file made the process grow, over what it may: {PIXEL_BYTES} bytes a claimed pixel,"
        f" and {ALWAYS_BYTES >> 20} MiB"
        f"\n{torch.get_num_threads()} threads; {', '.join(codec.name for codec in codecs)};"
        f" {sum(len(subject.files) for subject in subjects)} sound files, {options.container} damaged ones taken apart,"
        f" {options.n} decoded, seed {options.seed}"
    )
    print(f"slowest file {max(row.seconds for row in rows.values()):.2f} s, peak memory {peak_bytes() >> 20} MiB")
    wrong = faults(rows)
    print("\n" + ("\n".join(wrong) or "everything holds"))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
