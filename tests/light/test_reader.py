"""Where torch is not installed, the library and Pillow read by ONNX Runtime, and say what they cannot do."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from toy_codec import picture

pytestmark = pytest.mark.weights

BLOCKED = """
import sys
sys.modules["torch"] = None
from PIL import Image
import regio
from regio import light

path, damaged = sys.argv[1:]
expected = light.decode(path, as_="numpy")
assert (regio.decode(path, as_="numpy") == expected).all()
assert regio.decode(path, region=(10, 5, 30, 20)).size == (30, 20)
assert regio.decode(path, look="faithful", device="cpu").size == (96, 64)
regio.verify(path)
with Image.open(path) as image:
    assert image.tobytes() == expected.tobytes()
calls = [
    lambda: regio.decode(path, codec="segpic-xs"),
    lambda: regio.decode(path, device="cuda"),
    lambda: regio.decode(path, look="natural"),
    lambda: regio.decode(path, as_="torch"),
    lambda: regio.verify(path, device="cuda"),
]
for call in calls:
    try:
        call()
    except regio.MissingWeights as error:
        assert "pip install torch" in str(error)
    else:
        raise SystemExit("not refused")
for call in (regio.decode, regio.verify):
    try:
        call(damaged)
    except regio.CorruptFile:
        continue
    raise SystemExit("damage not found")
"""


def test_library_and_pillow_read_without_torch(tmp_path: Path) -> None:
    from regio import light

    source, path, damaged = tmp_path / "a.png", tmp_path / "a.rgo", tmp_path / "b.rgo"
    Image.fromarray(picture(64, 96)).save(source)
    data = light.encode(source, quality=40)
    path.write_bytes(data)
    damaged.write_bytes(data[:-4])
    done = subprocess.run([sys.executable, "-c", BLOCKED, path, damaged], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
