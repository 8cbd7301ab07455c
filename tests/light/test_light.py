"""Without torch: the same symbols, pixels within a level, the same errors, and torch is not imported."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from toy_codec import picture

import regio
from regio import light
from regio.cli.app import run
from regio.codec import Codec
from regio.codec.layout import Tiling
from regio.errors import MissingWeights, RegioError
from regio.light import graphs
from regio.light.codec import engine
from regio.light.plan import FOLDER, SUFFIX, Plan
from regio.models.catalog import CATALOG, by_name

pytestmark = pytest.mark.weights
NAMES = sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))
NAME = NAMES[0]
BOX = (40, 30, 70, 60)


@lru_cache
def codec(name: str) -> Codec:
    return regio.load(name, "cpu")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def small_tiles(name: str) -> Iterator[None]:
    """Both engines write every picture in tiles."""
    engines = codec(name).runtime, engine(name)
    before = [one.tiling for one in engines]
    for one in engines:
        one.tiling = Tiling(whole_pixels=0, log2_sides=(8,), blocks=(256, 256))
    yield
    for one, tiling in zip(engines, before, strict=True):
        one.tiling = tiling


def sources() -> dict[str, Any]:
    plain = picture(150, 200)
    veil = np.arange(150 * 200, dtype=np.uint32).reshape(150, 200) // 128
    return {
        "colour": plain,
        "grey": plain[..., 0],
        "alpha": np.dstack([plain, veil.astype(np.uint8)]),
        "one pixel": plain[:1, :1],
        "one position of the hyper-latent high": plain[:20, :170],
    }


OPTIONS: dict[str, dict[str, Any]] = {
    "lowest": {"quality": 0},
    "highest": {"quality": 100},
    "region": {"quality": 45, "roi": BOX},
    "grid 1": {"quality": 45, "grid": 1},
    "grid 7": {"quality": 45, "grid": 7},
    "half size": {"quality": 45, "scale": "1/2"},
}


def same(name: str, data: bytes, **options: Any) -> NDArray[np.uint8]:
    """What a file decodes to; both engines find its checksum right, and differ by at most a level."""
    found = light.decode(data, as_="numpy", **options)
    expected = codec(name).decode(data, as_="numpy", **options)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 1e-3  # where rounding tips over, and nowhere else
    light.verify(data)
    return expected


@pytest.mark.parametrize("kind", sources())
def test_files_of_either_engine_are_read_by_both(name: str, kind: str) -> None:
    source = sources()[kind]
    pictures = [same(name, encode(source, quality=50)) for encode in (codec(name).encode, by_light(name))]
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 0.1  # a writer's rounding may tip over


@pytest.mark.parametrize("what", OPTIONS)
def test_every_rate_region_and_grid_is_the_same(name: str, what: str) -> None:
    source = picture(150, 200, seed=1)
    for encode in (codec(name).encode, by_light(name)):
        same(name, encode(source, **OPTIONS[what]))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("options", [{}, {"roi": BOX}], ids=["even", "region"])
def test_tiles_are_the_same_and_so_is_a_part_of_the_picture(name: str, options: dict[str, Any]) -> None:
    source = picture(300, 530)
    for encode in (codec(name).encode, by_light(name)):
        data = encode(source, quality=45, **options)
        whole = same(name, data)
        part = light.decode(data, as_="numpy", region=(230, 180, 100, 90))
        assert np.abs(part.astype(int) - whole[180:270, 230:330]).max() <= 1


def test_smaller_pictures_are_the_same(name: str) -> None:
    same(name, codec(name).encode(sources()["alpha"], quality=50), reduced="1/2")


def by_light(name: str) -> Any:
    return lambda source, **options: light.encode(source, codec=name, **options)


def test_any_number_of_threads_gives_the_same_symbols(name: str) -> None:
    data = codec(name).encode(picture(150, 200), quality=60)
    for threads in (1, 2):
        light.verify(data, threads=threads)
        found = light.decode(data, as_="numpy", threads=threads)
        assert np.abs(found.astype(int) - codec(name).decode(data, as_="numpy")).max() <= 1


def test_many_threads_may_decode_at_once(name: str) -> None:
    data = codec(name).encode(picture(64, 96), quality=60)
    graphs._loaded.clear()  # so that they all want the same graphs made ready
    with ThreadPoolExecutor(4) as pool:
        found = {image.tobytes() for image in pool.map(lambda _: light.decode(data), range(8))}
    assert len(found) == 1


FORKED = """
import os, sys
from regio import light
data = light.encode(sys.argv[1], codec={name!r})
here = light.decode(data).tobytes()
child = os.fork()
if not child:
    os._exit(light.decode(data).tobytes() != here)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is Unix's")
def test_a_forked_child_decodes(name: str, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(picture(64, 96)).save(source)
    command = [sys.executable, "-c", FORKED.format(name=name), source]
    subprocess.run(command, check=True, timeout=120)


def test_searches_reach_their_targets(name: str) -> None:
    source = picture(150, 200)
    assert len(light.encode(source, codec=name, max_bytes=900)) <= 900
    shown = light.decode(light.encode(source, codec=name, target_psnr=30), as_="numpy").astype(float)
    assert 10 * np.log10(255**2 / np.square(shown - source).mean()) >= 30


def test_damage_is_found_by_both_in_the_same_words(name: str) -> None:
    data = codec(name).encode(picture(64, 96), quality=50, roi=(8, 8, 30, 30))
    generator = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(data)
        damaged[generator.integers(len(data))] ^= 1 << generator.integers(8)
        if generator.random() < 0.3:
            del damaged[generator.integers(1, len(data)) :]
        assert fate(lambda d=bytes(damaged): light.decode(d)) == fate(lambda d=bytes(damaged): regio.decode(d))


def fate(work: Any) -> str:
    """The kind of error and its words; "fine" where there is none."""
    try:
        work()
    except RegioError as error:
        return f"{type(error).__name__}: {error}"
    return "fine"


def test_limits_hold() -> None:
    data = codec(NAME).encode(picture(64, 96))
    for options in ({"max_pixels": 1000}, {"max_memory": 1 << 20}, {"region": (0, 0, 97, 1)}):
        work = {engine: fate(lambda e=engine, o=options: e.decode(data, **o)) for engine in (light, regio)}
        first, second = (said.split(";")[0] for said in work.values())
        assert first == second
        assert first != "fine"


def test_codecs_without_graphs_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = next(entry.name for entry in CATALOG.values() if entry.name not in NAMES)
    data = codec(other).encode(picture(64, 64))
    with pytest.raises(MissingWeights, match=f"{other} has no graphs"):
        light.decode(data)
    path = tmp_path / "a.rgo"
    path.write_bytes(data)
    assert run(["decode", str(path), "--engine", "onnx"]) == 4
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["decode", str(path), "-o", str(tmp_path / "a.png")]) == 0  # by torch
    assert not light.knows(b"no .rgo file")


def test_an_engine_that_cannot_do_what_is_asked_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    for more in (
        ["--engine", "onnx", "--look", "natural"],
        ["--engine", "onnx", "--device", "cuda"],
        ["--engine", "x"],
    ):
        assert run(["decode", "a.rgo", *more]) in (1, 2)
    assert "must be auto, torch or onnx" in capsys.readouterr().err


def test_graphs_are_those_of_the_weights(name: str) -> None:
    """Where this fails, the weights have changed: make graphs."""
    plan = Plan.of(name)
    entry = by_name(name)
    assert (plan.number, plan.fingerprint.hex()) == (entry.id, entry.fingerprint)
    known = {stream: tables.arrays() for stream, tables in codec(name).weights.tables.items()}
    for stream, arrays in known.items():
        assert all(plan.priors[stream][key] == numbers.tolist() for key, numbers in arrays.items())
    facts = codec(name).net
    assert all(getattr(plan.facts, key) == getattr(facts, key) for key in vars(plan.facts) if key != "pixel_bytes")


BLOCKED = """
import sys
sys.modules["torch"] = None
import regio
from regio import light
from regio.cli.app import run
source, picture = sys.argv[1:]
data = light.encode(source, codec={name!r}, quality=40)
image = light.decode(data)
light.verify(data)
open(picture + ".rgo", "wb").write(data)
code = run(["decode", picture + ".rgo", "-o", picture]) or run(["verify", picture + ".rgo"])
assert not code, code
assert regio.inspect(data).codec == {name!r}
print(image.size)
"""


def test_a_machine_without_torch_encodes_decodes_and_verifies(name: str, tmp_path: Path) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    Image.fromarray(picture(64, 96)).save(source)
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(name=name), source, target], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("(96, 64)\n")
    with Image.open(target) as image:
        assert image.size == (96, 64)


def test_a_plan_of_another_release_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = json.loads((FOLDER / f"{NAME}{SUFFIX}").read_text(encoding="utf-8")) | {"format": 99}
    (tmp_path / f"{NAME}{SUFFIX}").write_text(json.dumps(plan), encoding="utf-8")
    monkeypatch.setattr("regio.light.plan.FOLDER", tmp_path)
    with pytest.raises(RegioError, match="another release"):
        Plan.of(NAME)
