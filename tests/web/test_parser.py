"""The parser in TypeScript, written from docs/format.md alone, and ours agree on files and on damaged files."""

import random
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from scripts import benchmark

from regio.errors import RegioError
from regio.format import parse, verify_check

TESTS = Path(__file__).parents[1]
damage: ModuleType = benchmark("damage")


def verdict(data: bytes) -> str:
    """The kind of error, or "ok"."""
    try:
        file = parse(data)
    except RegioError as error:
        return type(error).__name__
    return "ok" if file.tiles is None or verify_check(data, file.tiles.symbol_crc) else "CorruptFile"


def damaged(seed: int, each: int) -> list[bytes]:
    """Sound files, and each kind of damage to some of them."""
    folders = (TESTS / "conformance", TESTS / "golden")
    sound = [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.rgo"))]
    dice = random.Random(seed)
    kinds = [kind for kind in damage.DAMAGES for _ in range(each)]
    return sound + [kind(dice.choice(sound), dice.choice(sound), dice) for kind in kinds]


@pytest.mark.parametrize("seed", range(2))
def test_both_parsers_give_the_same_verdicts(built: Path, seed: int) -> None:
    files = damaged(seed, each=40)
    lines = "".join(data.hex() + "\n" for data in files)
    done = subprocess.run(
        ["node", str(built / "test" / "kinds.js")], input=lines, capture_output=True, text=True, check=True, timeout=300
    )
    found = done.stdout.splitlines()
    assert len(found) == len(files)
    for data, line in zip(files, found, strict=True):
        if "wrong CRC" in line:
            continue  # of a chunk inside the opacity's PNG: ours looks at it when it decodes the PNG
        assert line.split(" ")[0] == verdict(data), (line, data.hex())


def test_the_tests_in_typescript_pass(built: Path) -> None:
    tests = [str(path) for path in (built / "test").glob("*.test.js") if path.name != "walk.test.js"]
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
