"""Damage files in every way, decode them in full, and see that nothing but errors of Regio comes of it.

    python benchmarks/robustness.py PICTURES [--codec NAME|FILE | --random PRESET] [-n 10000] [--seed 0] [--limit N]
                                    [--crop SIDE] [-o FOLDER]

Each picture is encoded once; then -n damaged files are decoded one after the other. For every kind of damage one row of
the table says what came of it: the same picture (damage that changed nothing), one of the classes of regio.errors,
another exception, or another picture, which must never happen. Time and memory are bounded by the size of the picture
that a file claims: a decode may take ten times the processor time that a sound file of so many pixels takes, or one
second, and half a KiB a pixel. A decode that takes a hundred times its bound is stopped with a traceback. `-o` keeps
the files that broke a rule.

Exit status 1 if one did.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from environments import random_weights
from portability import RANDOM

import regio
from regio import errors
from regio.codec import Codec
from regio.evaluation.columns import columns
from regio.evaluation.sweep import find_pictures
from regio.format import parse
from regio.format.header import MAX_RATE, MAX_SIDE, Header
from regio.images import read_picture
from regio.models.catalog import DEFAULT

TIMES, FLOOR_SECONDS = 10.0, 1.0  # what a damaged file may take: times a sound one, and at least
PIXEL_BYTES, ALWAYS_BYTES = 512, 2**24  # memory a claimed pixel may take, and any file
CLASSES = ("CorruptFile", "UnsupportedFile", "MissingWeights", "LimitExceeded")
SIDES = (1, 2, 63, 64, 65, 127, 128, 129, 16383, 16384, MAX_SIDE)

Damage = Callable[[bytes, bytes, random.Random], bytes]


def flip_bit(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One bit of the file."""
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def change_bytes(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """One to eight bytes, anywhere, to anything."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(data))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
    return bytes(changed)


def change_start(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A byte of the first 24, where header and chunks stand."""
    at = dice.randrange(min(24, len(data)))
    return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]


def truncate(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The beginning only."""
    return data[: dice.randrange(len(data))]


def insert(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Up to sixteen bytes more."""
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.randbytes(dice.randint(1, 16)) + data[at:]


def remove(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """Up to sixteen bytes fewer."""
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.randint(1, 16) :]


def splice(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def repeat(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A stretch of the file put over another."""
    size = dice.randint(1, min(64, len(data)))
    start, to = dice.randrange(len(data) - size + 1), dice.randrange(len(data) - size + 1)
    return data[:to] + data[start : start + size] + data[to + size :]


def extreme_header(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A header that is sound in itself, with fields at their ends."""
    header = parse(data).header
    choices = {
        "width": SIDES,
        "height": SIDES,
        "rate": (0, 1, MAX_RATE // 2, MAX_RATE),
        "grid": (1, 2, 16),
        "grey": (False, True),
        "check": (0, 2**32 - 1),
    }
    names = dice.sample(sorted(choices), dice.randint(1, 3))
    changed: Header = replace(header, **{name: dice.choice(choices[name]) for name in names})  # type: ignore[arg-type]
    return changed.pack() + data[header.size :]


def noise(data: bytes, other: bytes, dice: random.Random) -> bytes:
    """A sound beginning, then nothing but noise."""
    start = len(data) - len(parse(data).payload)
    return data[:start] + dice.choice((dice.randbytes(len(data)), b"\xff" * len(data), bytes(len(data))))


DAMAGES: tuple[Damage, ...] = (
    flip_bit,
    change_bytes,
    change_start,
    truncate,
    insert,
    remove,
    splice,
    repeat,
    extreme_header,
    noise,
)


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
    largest: float = 0.0  # growth of the process over what claimed pixels allow


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


def prepare(codec: Codec, pictures: list[Path], crop: int | None) -> list[Sound]:
    """Encode every picture and time its decoding."""
    found = []
    for k, path in enumerate(pictures):
        picture = read_picture(path).pixels[:crop, :crop]
        region = k % 2 == 1 and codec.net.gain is not None  # every other file has a rate map
        data = codec.encode(picture, roi=(0, 0, picture.shape[1] // 2, picture.shape[0] // 2) if region else None)
        pixels = codec.decode(data).tobytes()
        seconds = []
        for _ in range(5):
            start = user_seconds()
            codec.decode(data)
            seconds.append(user_seconds() - start)
        found.append(Sound(data, pixels, statistics.median(seconds), area_of(data, codec.net.multiple)))
    return found


def outcome(codec: Codec, data: bytes, sound: Sound) -> str:
    """One word for what decoding did."""
    try:
        pixels = codec.decode(data).tobytes()
    except errors.RegioError as error:
        return type(error).__name__ if "\n" not in str(error) else "a message of several lines"
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "the same" if pixels == sound.pixels else "another picture"


def attack(codec: Codec, files: list[Sound], count: int, seed: int, keep: Path | None) -> dict[str, Row]:
    """Damage and decode so many files."""
    dice, rows = random.Random(seed), defaultdict[str, Row](Row)
    memory = peak_bytes()
    for k in range(count):
        damage, sound = DAMAGES[k % len(DAMAGES)], dice.choice(files)
        data = damage(sound.data, dice.choice(files).data, dice)
        row = rows[damage.__name__.replace("_", " ")]
        area = area_of(data, codec.net.multiple)
        normal = max(sound.seconds * area / sound.area, FLOOR_SECONDS / TIMES)
        faulthandler.dump_traceback_later(100 * TIMES * normal, exit=True)  # of the clock on the wall
        start = user_seconds()
        result = outcome(codec, data, sound)
        taken = (user_seconds() - start) / normal
        faulthandler.cancel_dump_traceback_later()
        grown = (peak_bytes() - memory) / (PIXEL_BYTES * area + ALWAYS_BYTES)
        memory = peak_bytes()
        row.outcomes[result] += 1
        row.slowest, row.largest = max(row.slowest, taken), max(row.largest, grown)
        broken = result not in (*CLASSES, "the same") or taken > TIMES or grown > 1
        if broken and keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{k}.rgo").write_bytes(data)
        if (k + 1) % max(count // 10, 1) == 0:
            print(f"{k + 1} of {count}", file=sys.stderr, flush=True)
    return dict(rows)


def table(rows: dict[str, Row]) -> str:
    """One row for each kind of damage."""
    lines = []
    for name, row in rows.items():
        counts = row.outcomes
        known = ["the same", *CLASSES]
        others = sum(n for result, n in counts.items() if result not in (*known, "another picture"))
        cells = [str(counts[result]) for result in (*known, "another picture")]
        lines.append([name, str(counts.total()), *cells, str(others), f"{row.slowest:.1f}", f"{row.largest:.2f}"])
    header = ["damage", "files", "same picture", *CLASSES, "another picture", "other error", "time", "memory"]
    return columns(header, lines)


def faults(rows: dict[str, Row]) -> list[str]:
    """What must not be; one line each."""
    found = []
    for name, row in rows.items():
        bad = {result: n for result, n in row.outcomes.items() if result not in (*CLASSES, "the same")}
        found += [f"{name}: {result} ({n} times)" for result, n in bad.items()]
        if row.slowest > TIMES:
            found.append(f"{name}: a file took {row.slowest:.1f} times what a sound one takes")
        if row.largest > 1:
            found.append(f"{name}: a file took {row.largest:.2f} times the memory allowed")
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Damage files in every way and decode them.")
    parser.add_argument("pictures", type=Path, help="folder of pictures")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--codec", default=DEFAULT, help="name or weights file (default %(default)s)")
    which.add_argument("--random", choices=RANDOM, help="untrained weights of a preset")
    parser.add_argument("-n", type=int, default=10_000, help="damaged files (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    parser.add_argument("--limit", type=int, default=4, help="use the first so many pictures (default %(default)s)")
    parser.add_argument(
        "--crop", type=int, default=128, help="their top left corner of this side (default %(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, help="folder for files that broke a rule")
    return parser.parse_args()


def main() -> int:
    """Encode, damage, decode, print."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        weights = str(random_weights(options.random, Path(folder))) if options.random else options.codec
        codec = regio.load(weights, device="cpu")
    pictures = list(find_pictures(options.pictures).values())[: options.limit]
    files = prepare(codec, pictures, options.crop)
    rows = attack(codec, files, options.n, options.seed, options.output)
    print(table(rows))
    print(
        f"\ntime: the slowest, over that of a sound file of as many pixels ({TIMES:g} allowed, or {FLOOR_SECONDS} s)"
        f"\nmemory: the most that a file made the process grow, over what it may: {PIXEL_BYTES} bytes a claimed pixel,"
        f" and {ALWAYS_BYTES >> 20} MiB"
        f"\n{torch.get_num_threads()} threads, {codec.name}, {options.n} files, seed {options.seed}"
    )
    wrong = faults(rows)
    print("\n" + ("\n".join(wrong) or "everything holds"))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
