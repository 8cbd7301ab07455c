"""Saliency networks of others as ONNX files: U2-Net and networks with its interface.

The input is one picture (1,3,h,w) with ImageNet's mean and deviation, the first output a map of it. That is how U2-Net
and U2-Netp are published; like their own code, the map is stretched to 0..1.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regio.durable import replacing
from regio.errors import CorruptFile, MissingWeights, RegioError, UsageError

SIDE = 320  # pixels, where the model leaves it open
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LARGEST = 512 << 20  # bytes of a model that is fetched
SECONDS = 30.0  # without an answer


class OnnxDetector:
    """A saliency network by ONNX Runtime, on the CPU. Call it with pixels (H,W,3) -> (h,w) in 0..1."""

    def __init__(self, source: str | os.PathLike[str], sha256: str | None = None) -> None:
        """source: a path or a URL, the checksum behind a # if it is not given by itself; a URL must have one.

        Raises RegioError without ONNX Runtime, MissingWeights for a file that is not there, CorruptFile for one whose
        checksum is another or which is no model, UsageError for a URL without a checksum.
        """
        location, _, fragment = os.fspath(source).partition("#")
        wanted = (sha256 or fragment.removeprefix("sha256=")).lower()
        if wanted and not re.fullmatch(r"[0-9a-f]{64}", wanted):
            raise UsageError(f"{wanted!r} is not a SHA-256 checksum (64 hexadecimal digits)")
        try:
            import onnxruntime
        except ImportError as error:
            raise RegioError(f"{location} needs ONNX Runtime: pip install 'regio[detectors]'") from error
        data = _fetched(location, wanted) if re.match(r"https?://", location) else _read(Path(location))
        _check(location, data, wanted)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong is said in the exception
        options.intra_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no base that could be named
            raise CorruptFile(f"{location}: not an ONNX model that can be run ({_first_line(error)})") from error
        self.name = location
        self._input = self._session.get_inputs()[0]
        shape = self._input.shape
        if len(self._session.get_inputs()) != 1 or len(shape) != 4 or shape[1] not in (3, "3"):
            raise UsageError(f"{location}: takes {shape}, not one picture (1,3,h,w)")
        self._size = tuple(side if isinstance(side, int) else SIDE for side in shape[2:])

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H,W,3) -> (h,w)."""
        from PIL import Image

        height, width = self._size
        small = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BILINEAR)
        x = np.asarray(small).astype(np.float32)
        scaled = x / max(float(x.max()), 1.0)
        x = np.asarray((scaled - np.array(MEAN)) / np.array(DEVIATION), np.float32)
        try:
            out = self._session.run(None, {self._input.name: np.ascontiguousarray(x.transpose(2, 0, 1)[None])})[0]
        except Exception as error:
            raise CorruptFile(f"{self.name}: the model fails ({_first_line(error)})") from error
        values = np.squeeze(np.asarray(out, np.float32))
        if values.ndim != 2 or not np.isfinite(values).all():
            raise UsageError(f"{self.name}: the first output is not a map but has shape {np.shape(out)}")
        low, high = float(values.min()), float(values.max())
        return np.asarray((values - low) / max(high - low, 1e-6), np.float32)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise MissingWeights(f"{path}: no such detector model")
    return path.read_bytes()


def _check(location: str, data: bytes, wanted: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if wanted and found != wanted:
        raise CorruptFile(f"{location}: the checksum is {found}, not {wanted}")


def _fetched(url: str, wanted: str) -> bytes:
    """The file behind a URL, kept for the next time under its checksum."""
    from urllib.request import urlopen

    if not wanted:
        raise UsageError(f"{url}: give the checksum of a model from the network: {url}#sha256=...")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "regio" / "detectors"
    kept = cache / f"{wanted}.onnx"
    if kept.is_file():
        return kept.read_bytes()
    try:
        with urlopen(url, timeout=SECONDS) as answer:
            data: bytes = answer.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise MissingWeights(f"{url} cannot be fetched ({_first_line(error)})") from error
    if len(data) > LARGEST:
        raise MissingWeights(f"{url}: more than {LARGEST >> 20} MiB")
    _check(url, data, wanted)
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as part:
        part.write_bytes(data)
    return data
