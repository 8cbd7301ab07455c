"""Damage files where it leads to code not reached before: robustness.py's rules, with a fuzzer that watches coverage.

    pip install atheris
    python benchmarks/fuzz.py container|decode PICTURE [--random PRESET] [--seconds 60] [--seed 1] [--corpus FOLDER]
                              [-o FOLDER]

`container` takes files apart and puts them together again; `decode` decodes them in full, all checks taken for passed,
so that what stands behind the checks is reached. What the fuzzer changes is changed blindly half of the time, and
otherwise by the knowing damages of damage.py, which fit lengths and CRCs. `--corpus` keeps what it found worth keeping;
`-o` the file that broke a rule, and with it the command stops, its exit status not 0.

atheris (libFuzzer for Python) is no dependency of Regio; there are wheels for Linux.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

CROP = 72  # pixels of the picture's corner: two tiles by two


def target(what: str, codec: Any, sounds: list[Any], robustness: Any) -> Callable[[bytes], None]:
    """What the fuzzer calls: raises for a file that breaks a rule."""
    dice = random.Random(0)

    def one(data: bytes) -> None:
        if what == "container":
            result = robustness.taken_apart(data)
        else:
            result = robustness.decoded(codec, data, sounds[0], 2**14, True, dice)
        if not robustness.allowed(result, True):
            raise RuntimeError(result)

    return one


def mutator(sounds: list[bytes], damage: Any, atheris: Any) -> Callable[[bytes, int, int], bytes]:
    """Changes of the fuzzer's own, and those of damage.py."""
    from regio.errors import RegioError

    def change(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        if dice.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        try:
            return bytes(dice.choice(damage.KNOWING)(data, dice.choice(sounds), dice)[:most])
        except RegioError:  # it is past taking apart
            return bytes(dice.choice(damage.KNOWING)(dice.choice(sounds), dice.choice(sounds), dice)[:most])

    return change


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Fuzz the container or the whole decoder.")
    parser.add_argument("what", choices=("container", "decode"))
    parser.add_argument("picture", type=Path, help="its corner makes the files to begin with")
    parser.add_argument("--random", default="toy", help="untrained weights of a preset (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="folder for files that reach new code")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/fuzz"), help="folder for a file that breaks it")
    return parser.parse_args()


def main() -> int:
    """Fuzz until the time is up. The fuzzer ends the process."""
    options = arguments()
    try:
        import atheris
    except ModuleNotFoundError:
        print("atheris is not installed: pip install atheris", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=["regio"]):
        import damage
        import environments
        import robustness

        import regio
        from regio.images import read_picture
    with tempfile.TemporaryDirectory() as folder:
        codec = regio.load(str(environments.random_weights(options.random, Path(folder))), device="cpu")
    pixels = read_picture(options.picture).pixels[:CROP, :CROP]
    sounds = [
        robustness.Sound(data, codec.decode(data).tobytes(), 0.0, 0) for data in robustness.files_of(codec, pixels)
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() if options.corpus is None else nullcontext(str(options.corpus)) as corpus:
        Path(corpus).mkdir(parents=True, exist_ok=True)
        for k, sound in enumerate(sounds):
            (Path(corpus) / f"sound-{k}.rgo").write_bytes(sound.data)
        command = [sys.argv[0], f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-max_len=4096"]
        command += ["-timeout=20", "-rss_limit_mb=3000", f"-artifact_prefix={options.output}/", corpus]
        one = target(options.what, codec, sounds, robustness)
        atheris.Setup(command, one, custom_mutator=mutator([sound.data for sound in sounds], damage, atheris))
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
