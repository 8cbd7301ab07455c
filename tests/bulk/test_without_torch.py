"""`regio bulk` where PyTorch is not installed: driver and workers use ONNX Runtime."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import regio
from regio import light

pytest.importorskip("ray")
pytestmark = pytest.mark.weights
Bulk = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bulk(tmp_path: Path) -> Bulk:
    """Run `regio bulk`; neither it nor any worker of Ray can import torch."""
    start = tmp_path / "start"
    start.mkdir()
    (start / "sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n", encoding="utf-8")
    path = os.pathsep.join([str(start), *filter(None, sys.path)])

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "regio", "bulk", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
def test_a_folder_is_encoded_once_and_decoded_without_torch(
    bulk: Bulk, photos: Callable[[int], Path], tmp_path: Path
) -> None:
    source, small, back = photos(3), tmp_path / "small", tmp_path / "back"
    (source / "bad.png").write_bytes(b"nothing")
    encode = ("encode", source, small, "--workers", "1", "-q", "40", "--json")
    first = bulk(*encode)
    assert first.returncode == 3, first.stderr
    assert "bad.png: not a picture" in first.stderr
    report = json.loads(first.stdout)
    assert (report["total"], report["done"], report["failed"], report["before"]) == (4, 3, 1, 0)
    for name in ("0", "sub/1", "2"):
        data = (small / f"{name}.rgo").read_bytes()
        assert data == light.encode(source / f"{name}.png", quality=40, threads=1)
        regio.verify(data)

    (source / "bad.png").unlink()
    Image.new("RGB", (40, 24), "red").save(source / "4.png")
    times = {path: path.stat().st_mtime_ns for path in small.rglob("[!.]*.rgo")}
    report = json.loads(bulk(*encode).stdout)
    assert (report["done"], report["failed"], report["before"]) == (1, 0, 3)
    assert {path: path.stat().st_mtime_ns for path in times} == times

    assert bulk("decode", small, back, "--workers", "1").returncode == 0
    for path in times:
        with Image.open((back / path.relative_to(small)).with_suffix(".png")) as image:
            assert image.tobytes() == light.decode(path, threads=1).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [("--codec", "mine.safetensors"), ("--codec", "owner/name"), ("--device", "cuda")],
)
def test_what_needs_torch_is_refused_before_anything_starts(
    bulk: Bulk, photos: Callable[[int], Path], tmp_path: Path, wrong: tuple[str, str]
) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"numbers")
    done = bulk("encode", photos(1), "small", *wrong)
    assert done.returncode == 4
    assert done.stderr.startswith("regio: ")
    assert done.stderr.endswith("needs PyTorch: pip install 'regio[torch]'\n")
    assert wrong[1] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "small").exists()
