"""Where torch is not installed, library, Pillow and command line code by ONNX Runtime, and say what they cannot do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from toy_codec import picture

import regio
from regio import light
from regio.cli import app
from regio.codec.layout import Tiling

pytestmark = pytest.mark.weights

START = """
import sys
sys.modules["torch"] = None
import json
from pathlib import Path
from PIL import Image
import regio
from regio import light
from regio.cli.app import run
"""

READS = """
import pickle

path, damaged = sys.argv[1:]
expected = light.decode(path, as_="numpy")
assert (regio.decode(path, as_="numpy") == expected).all()
assert (regio.decode(path, as_="numpy", codec="roi-xs") == expected).all()
assert regio.decode(path, region=(10, 5, 30, 20)).size == (30, 20)
assert regio.decode(path, look="faithful", device="cpu").size == (96, 64)
regio.verify(path)
codec = regio.load()
assert isinstance(codec, regio.Codec) and (codec.name, codec.look) == ("roi-xs", "faithful")
assert codec.fingerprint.startswith(regio.inspect(path).fingerprint)
codec.verify(path)
regio.verify(path, codec=codec)
with Image.open(path) as image:
    assert image.tobytes() == expected.tobytes()
calls = [
    lambda: regio.load("mcm-tiny"),
    lambda: regio.load("mine/model.safetensors"),
    lambda: regio.load("owner/name"),
    lambda: regio.load(look="natural"),
    lambda: regio.load(precision="bfloat16"),
    lambda: regio.encode(damaged, codec="mcm-tiny"),
    lambda: regio.encode(damaged, device="cuda"),
    lambda: regio.decode(path, codec="mcm-tiny"),
    lambda: regio.decode(path, device="cuda"),
    lambda: regio.decode(path, look="natural"),
    lambda: regio.decode(path, precision="bfloat16"),
    lambda: regio.decode(path, as_="torch"),
    lambda: regio.verify(path, device="cuda"),
    lambda: codec.net,
    lambda: codec.looking("natural"),
]
for number, call in enumerate(calls):
    try:
        call()
    except regio.MissingWeights as error:
        assert str(error).endswith("needs PyTorch: pip install 'regio[torch]'"), error
    else:
        raise SystemExit(f"{number} is not refused")
for wrong in ("", "nobody", 3):
    try:
        regio.load(wrong)
    except (regio.MissingWeights, regio.UsageError) as error:
        assert "PyTorch" not in str(error), error
    else:
        raise SystemExit(f"{wrong} is not refused")
assert not hasattr(codec, "net")
assert pickle.loads(pickle.dumps(codec)).decode(path, as_="numpy").tobytes() == expected.tobytes()
for call in (regio.decode, regio.verify):
    try:
        call(damaged)
    except regio.CorruptFile:
        continue
    raise SystemExit("damage not found")
"""


def blocked(program: str, *arguments: Any) -> str:
    """Run a program that cannot import torch -> what it prints."""
    command = [sys.executable, "-W", "error", "-c", START + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_library_and_pillow_read_without_torch(tmp_path: Path) -> None:
    from regio import light

    source, path, damaged = tmp_path / "a.png", tmp_path / "a.rgo", tmp_path / "b.rgo"
    Image.fromarray(picture(64, 96)).save(source)
    data = light.encode(source, quality=40)
    path.write_bytes(data)
    damaged.write_bytes(data[:-4])
    blocked(READS, path, damaged)


WRITES = """
folder = Path(sys.argv[1])
from regio.codec.layout import Tiling

small = Tiling(whole_pixels=0, log2_sides=(8,), blocks=(256, 256))
codec = regio.load()
for name, (picture, options) in json.loads(sys.argv[2]).items():
    tiled = options.pop("tiled", False)
    before = codec.runtime.tiling
    if tiled:
        codec.runtime.tiling = small
    options = {key: [tuple(box) for box in value] if key == "roi" else value for key, value in options.items()}
    data = codec.encode(folder / picture, **options)
    codec.runtime.tiling = before
    if not tiled:
        assert data == regio.encode(folder / picture, **options) == light.encode(folder / picture, **options), name
    (folder / f"{name}.rgo").write_bytes(data)
with Image.open(folder / "colour.png") as image:
    image.save(folder / "pillow.rgo", quality=45)
"""
SMALL_TILES = Tiling(whole_pixels=0, log2_sides=(8,), blocks=(256, 256))
SAME = ["width", "height", "grey", "alpha", "codec", "grid", "metadata", "metadata_bytes", "tile_side", "scale"]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("colour.png", {}),
    "lowest": ("colour.png", {"quality": 0}),
    "best": ("colour.png", {"quality": 100}),
    "grey": ("grey.png", {"quality": 50}),
    "alpha": ("alpha.png", {"quality": 50}),
    "bytes": ("colour.png", {"max_bytes": 1200}),
    "bpp": ("colour.png", {"target_bpp": 0.3}),
    "psnr": ("colour.png", {"target_psnr": 30}),
    "region": ("colour.png", {"quality": 45, "roi": [[40, 30, 120, 90]]}),
    "region-bytes": ("colour.png", {"max_bytes": 1200, "roi": [[40, 30, 120, 90]], "roi_strength": 30}),
    "background": ("colour.png", {"quality": 60, "background": 30, "roi": [[40, 30, 120, 90]]}),
    "half": ("colour.png", {"quality": 45, "scale": "1/2"}),
    "tiles": ("colour.png", {"quality": 45, "tiled": True}),
    "tiles-region": ("colour.png", {"quality": 45, "roi": [[40, 30, 120, 90]], "tiled": True}),
    "grid": ("colour.png", {"quality": 45, "grid": 7}),
}


def test_every_kind_of_file_is_written_without_torch_as_torch_writes_it(tmp_path: Path) -> None:
    """Sizes differ by at most 0.5 %, since the analysis is floating-point and a symbol may tip over."""
    plain = picture(160, 300)
    veil = (np.arange(160 * 300).reshape(160, 300) // 200).astype(np.uint8)
    exif = Image.Exif()
    exif[0x010E] = "a picture"
    Image.fromarray(plain).save(tmp_path / "colour.png", exif=exif)
    Image.fromarray(plain[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([plain, veil])).save(tmp_path / "alpha.png")
    blocked(WRITES, tmp_path, json.dumps(KINDS))

    codec = regio.load("roi-xs", "cpu")
    whole = codec.runtime.tiling
    for name, (source, given) in {**KINDS, "pillow": ("colour.png", {"quality": 45})}.items():
        options = {**given, "roi": [tuple(box) for box in given["roi"]]} if "roi" in given else dict(given)
        codec.runtime.tiling = SMALL_TILES if options.pop("tiled", False) else whole
        data, expected = (tmp_path / f"{name}.rgo").read_bytes(), codec.encode(tmp_path / source, **options)
        assert abs(len(data) - len(expected)) <= max(2, 0.005 * len(expected)), name
        mine, theirs = (regio.inspect(one).as_dict() for one in (data, expected))
        assert [mine[key] for key in SAME] == [theirs[key] for key in SAME], name
        codec.verify(data)  # the same symbols, by their checksum
        shown, wanted = (codec.decode(one, as_="numpy").astype(int) for one in (data, expected))
        assert shown.shape == wanted.shape
        assert np.abs(shown - wanted).mean() < 0.2, name  # a search may end a step of the rate later
    codec.runtime.tiling = whole


COMMANDS = """
folder, picture = sys.argv[1:]
assert not run(["encode", picture, "-o", folder + "/a.rgo", "-q", "50"])
assert not run(["encode", picture, "-o", folder + "/b.rgo", "--max-bytes", "900", "--roi-box", "8,8,30,30"])
assert not run(["decode", folder + "/a.rgo", "-o", folder + "/a.png"])
assert not run(["verify", folder + "/a.rgo", folder + "/b.rgo"])
for arguments, code in (
    (["encode", picture, "-o", folder + "/c.rgo", "--codec", "mcm-tiny"], 4),
    (["encode", picture, "-o", folder + "/c.rgo", "--engine", "torch"], 1),
    (["decode", folder + "/a.rgo", "-o", folder + "/c.png", "--engine", "torch"], 1),
    (["verify", folder + "/a.rgo", "--engine", "torch"], 1),
):
    found = run(arguments)
    assert found == code, (arguments, found)
assert not Path(folder, "c.rgo").exists() and not Path(folder, "c.png").exists()
"""


def test_the_command_line_codes_without_torch_and_says_in_one_line_what_needs_it(tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    Image.fromarray(picture(64, 96)).save(source)
    command = [sys.executable, "-c", START + COMMANDS, str(tmp_path), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 4, lines
    assert all(line.endswith("PyTorch: pip install 'regio[torch]'") for line in lines), lines
    for name in ("a", "b"):
        regio.verify(tmp_path / f"{name}.rgo")
    assert (tmp_path / "b.rgo").stat().st_size <= 900


def test_the_command_line_codes_by_torch_where_onnx_runtime_is_missing_or_broken(tmp_path: Path) -> None:
    Image.fromarray(picture(64, 96)).save(tmp_path / "a.png")
    (tmp_path / "a.rgo").write_bytes(light.encode(tmp_path / "a.png", quality=40))
    stub = tmp_path / "stub"
    stub.mkdir()
    code = "import sys; {}; from regio.cli.app import run; sys.exit(run(sys.argv[1:]))"
    missing, broken = (
        code.format("sys.modules['onnxruntime'] = None"),
        code.format(f"sys.path.insert(0, {str(stub)!r})"),
    )
    (stub / "onnxruntime.py").write_text("raise ImportError('no libx.so')", encoding="utf-8")
    decode, encode = ["decode", "a.rgo", "-o", "b.png"], ["encode", "a.png", "-o", "c.rgo"]
    for start, command, why in (
        (missing, decode, "is not installed"),
        (broken, encode, "cannot be loaded (no libx.so)"),
    ):
        for engine, expected in (
            ("auto", (0, "")),
            ("onnx", (1, f"regio: {command[1]}: ONNX Runtime {why}: pip install onnxruntime\n")),
        ):
            line = [sys.executable, "-c", start, *command, "--force", "--engine", engine]
            done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == expected
    with Image.open(tmp_path / "b.png") as image:
        assert image.size == (96, 64)
    regio.verify(tmp_path / "c.rgo")


NEEDS_TORCH = {  # commands by the extra that they name, with arguments that are right where torch is installed
    "compare": ("eval", ["source.png", "-o", "sheet.png"]),
    "evaluate": ("eval", [".", "--output", "found"]),
    "bench": ("eval", ["source.png", "--sizes", "96x64"]),
    "study": ("eval", [".", "-o", "votes.db"]),
    "train": ("train", ["toy.toml"]),
    "export": ("torch", ["run", "-o", "made.safetensors"]),
    "export-onnx": ("onnx", ["roi-xs", "-o", "made.onnx"]),
    "import-weights": ("torch", ["segpic", "source.png", "made.safetensors"]),
    "app": ("app", []),
}


def test_each_command_that_needs_torch_says_so_with_its_name_and_writes_nothing(tmp_path: Path) -> None:
    Image.fromarray(picture(64, 96)).save(tmp_path / "source.png")
    before = sorted(tmp_path.iterdir())
    program = """
for arguments in json.loads(sys.argv[1]):
    assert run(arguments) == 1, arguments
"""
    lines = [[name, *arguments] for name, (_, arguments) in NEEDS_TORCH.items()]
    command = [sys.executable, "-c", START + program, json.dumps(lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        f"regio: regio {name} needs PyTorch: pip install 'regio[{extra}]'" for name, (extra, _) in NEEDS_TORCH.items()
    ]
    assert sorted(tmp_path.iterdir()) == before


def test_the_other_commands_need_no_torch() -> None:
    others = {"encode", "decode", "verify", "info", "models", "regions", "completion", "bulk encode", "bulk decode"}
    assert set(app.COMMANDS) - set(NEEDS_TORCH) == others


def test_each_public_name_is_there_without_torch_or_says_that_it_needs_it() -> None:
    """Of the modules, each name in them."""
    program = """
from types import ModuleType

def refusal(home, name):
    try:
        getattr(home, name)
    except ImportError as error:
        assert isinstance(error, regio.RegioError)
        return str(error)
    return None

found = {f"regio.{name}": refusal(regio, name) for name in regio.__all__}
for name, refused in list(found.items()):
    home = None if refused else getattr(regio, name.removeprefix("regio."))
    if isinstance(home, ModuleType):
        found |= {f"{name}.{leaf}": refusal(home, leaf) for leaf in getattr(home, "__all__", ())}
print(json.dumps(found))
"""
    found = json.loads(blocked(program))
    refused = {name: why for name, why in found.items() if why is not None}
    models = {f"regio.models.{name}" for name in regio.models.__all__}
    assert set(refused) == {"regio.interop", *models}
    assert all(why == f"{name} needs PyTorch: pip install 'regio[torch]'" for name, why in refused.items())
    assert {"regio.light.decode", "regio.regions.importance", "regio.bulk"} <= set(found)
