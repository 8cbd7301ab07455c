"""Saliency models as ONNX files: run, fetched and checked. The models are made here, byte by byte."""

import hashlib
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from regio.errors import CorruptFile, MissingWeights, RegioError, UsageError
from regio.regions import OnnxDetector, importance

PIXELS = np.zeros((30, 40, 3), np.uint8)
PIXELS[:, 20:] = 255


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer."""

    def varint(n: int) -> bytes:
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_type(name: bytes, shape: tuple[int | bytes, ...]) -> bytes:
    dims = b"".join(field(1, field(1, side) if isinstance(side, int) else field(2, side)) for side in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def model(shape: tuple[int | bytes, ...] = (1, 3, 8, 8)) -> bytes:
    """The mean over colours by a 1x1 convolution: bright is salient."""
    weight = field(1, 1) + field(1, 3) + field(1, 1) + field(1, 1) + field(2, 1) + field(8, b"w")
    weight += field(9, struct.pack("<3f", 1, 1, 1))
    node = field(1, b"x") + field(1, b"w") + field(2, b"out") + field(4, b"Conv")
    graph = field(1, node) + field(2, b"g") + field(5, weight)
    graph += field(11, tensor_type(b"x", shape)) + field(12, tensor_type(b"out", (1, 1, b"h", b"w")))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def test_a_model_is_a_detector(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    for shape in ((1, 3, 8, 8), (b"n", 3, b"h", b"w")):
        path.write_bytes(model(shape))
        found = importance(str(path), PIXELS)
        assert found.values[15, 2] == 0
        assert found.values[15, 37] == 255
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        assert np.array_equal(importance(OnnxDetector(path, checksum), PIXELS).values, found.values)
        assert np.array_equal(importance(f"{path}#sha256={checksum}", PIXELS).values, found.values)


def test_what_is_wrong_with_a_model_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    with pytest.raises(MissingWeights, match="no such detector model"):
        OnnxDetector(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(CorruptFile, match="not an ONNX model") as caught:
        OnnxDetector(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(model())
    with pytest.raises(CorruptFile, match="the checksum is"):
        OnnxDetector(path, "0" * 64)
    with pytest.raises(UsageError, match="not a SHA-256"):
        OnnxDetector(path, "123")
    path.write_bytes(model((1, 1, 8, 8)))
    with pytest.raises(RegioError, match=r"net\.onnx"):
        OnnxDetector(path)


def test_without_the_runtime_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(RegioError, match=r"pip install 'regio\[detectors\]'"):
        OnnxDetector("net.onnx")


class Serve(BaseHTTPRequestHandler):
    def __init__(self, asked: list[str], *rest: object) -> None:
        self.asked = asked
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if self.path == "/net.onnx" else 404)
        self.end_headers()
        self.wfile.write(model())

    def log_message(self, *message: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server with the model on it: its address, and what was asked of it."""
    asked: list[str] = []
    with HTTPServer(("127.0.0.1", 0), partial(Serve, asked)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()
        thread.join()


def test_a_model_is_fetched_once_and_checked(
    server: tuple[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address, asked = server
    checksum = hashlib.sha256(model()).hexdigest()
    for _ in range(2):
        assert importance(f"{address}/net.onnx#sha256={checksum}", PIXELS).found
    assert asked == ["/net.onnx"]
    with pytest.raises(UsageError, match="give the checksum"):
        OnnxDetector(f"{address}/net.onnx")
    with pytest.raises(CorruptFile, match="the checksum is"):
        OnnxDetector(f"{address}/net.onnx#sha256={'0' * 64}")
    with pytest.raises(MissingWeights, match="404"):
        OnnxDetector(f"{address}/other.onnx", checksum[:-1] + ("0" if checksum[-1] != "0" else "1"))
    kept = list(tmp_path.rglob("*.onnx"))
    assert [path.stem for path in kept] == [checksum]
