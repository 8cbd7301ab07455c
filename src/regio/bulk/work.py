"""Encode or decode one file after another with a codec that is loaded once. Independent of Ray."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from regio.bulk.journal import Row
from regio.bulk.places import Place
from regio.bulk.plan import Task
from regio.codec.options import NEUTRAL, EncodeOptions, checked, numbers_of
from regio.errors import RegioError, one_line, shown

if TYPE_CHECKING:
    from regio.codec import BaseCodec
    from regio.info import Info


@dataclass(frozen=True)
class Weights:
    """Name a codec so that every machine finds the same one: a bundled name, a hub id, or the weights themselves."""

    name: str
    numbers: bytes | None = field(default=None, repr=False)  # of a .safetensors file

    @classmethod
    def of(cls, codec: str | os.PathLike[str]) -> Weights:
        """Keep a bundled name or a hub id; read a weights file. MissingWeights when there is no such file."""
        text = os.fspath(codec)
        if not text.endswith(".safetensors"):
            return cls(text)
        try:
            return cls(Path(text).name, Path(text).read_bytes())
        except FileNotFoundError:
            from regio.errors import MissingWeights

            raise MissingWeights(f"{shown(text)}: no such weights file") from None

    @property
    def identity(self) -> str:
        """A text that is the same for the same weights and differs for others."""
        if self.numbers is not None:
            return hashlib.sha256(self.numbers).hexdigest()
        from regio.models.catalog import CATALOG

        return next((entry.fingerprint for entry in CATALOG.values() if entry.name == self.name), self.name)

    def check(self, device: str) -> None:
        """MissingWeights, before any worker starts, for what needs PyTorch where it is not installed."""
        if find_spec("torch") is None:
            from regio.codec import load

            load(self.name, device)

    def load(self, device: str) -> BaseCodec:
        """Load the codec on a device."""
        from regio.codec import load

        if self.numbers is None:
            return load(self.name, device=device)
        import tempfile

        with tempfile.TemporaryDirectory(prefix="regio-") as folder:
            path = Path(folder, self.name)
            path.write_bytes(self.numbers)
            return load(path, device=device)


@dataclass(frozen=True)
class Work:
    """What to do with each file. `weights` may be None when decoding: files name theirs."""

    what: str  # "encode" or "decode"
    source: Place
    target: Place
    weights: Weights | None = None
    options: dict[str, Any] = field(default_factory=dict)  # of Codec.encode, or of decode and to_file
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.what == "encode":
            checked(self.options)

    def identity(self) -> dict[str, Any]:
        """Return, as plain data, everything that decides what the files contain."""
        given = numbers_of(self.options) if self.what == "encode" else self.options
        options = {k: v for k, v in given.items() if v not in (None, False) and k not in NEUTRAL}
        options = {
            k: [list(part) if isinstance(part, tuple) else part for part in v] if k == "roi" else v
            for k, v in options.items()
        }
        weights = None if self.weights is None else self.weights.identity
        return {"what": self.what, "source": self.source.url, "weights": weights, "options": options}


class Worker:
    """Load the codec once, then work on one piece after another."""

    def __init__(self, work: Work, threads: int = 1) -> None:
        self.work = work
        _take(threads)
        self.codec: BaseCodec | None = None if work.weights is None else work.weights.load(work.device)
        self.options = dict(work.options)
        if self.options.get("roi") is not None:
            self.options["roi"] = [_ready(part) for part in self.options["roi"]]

    def piece(self, tasks: Sequence[Task]) -> list[Row]:
        """Work on several files. A file that fails does not stop the others."""
        return [self.one(task) for task in tasks]

    def one(self, task: Task) -> Row:
        """Read, code and write one file. Any error ends up in the row."""
        row = Row(source=task.source, target=task.target, bytes_in=task.size)
        start = perf_counter()
        try:
            data = self.work.source.folder.read(task.source)
            row = replace(row, bytes_in=len(data))
            row, result = self._encode(row, data) if self.work.what == "encode" else self._decode(row, data)
            self.work.target.folder.write(task.target, result, self.work.source.folder.modified(task.source))
            return replace(row, bytes_out=len(result), seconds=round(perf_counter() - start, 4))
        except Exception as error:  # even a bug in Regio must not end the run; the row reports it
            known = isinstance(error, RegioError | OSError | MemoryError)
            line = one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"
            return replace(row, error=line, error_kind=type(error).__name__)

    def _encode(self, row: Row, data: bytes) -> tuple[Row, bytes]:
        from regio import noted
        from regio.images import read_picture

        assert self.codec is not None
        options = cast(EncodeOptions, self.options)
        made = noted.encode(self.codec, read_picture(data), len(data), options)
        return replace(_about(row, made.info), notes="; ".join(made.notes) or None), made.data

    def _decode(self, row: Row, data: bytes) -> tuple[Row, bytes]:
        from regio.codec import decode
        from regio.images import to_file
        from regio.info import inspect

        options = dict(self.options)
        extension, strip, quality = options.pop("extension"), options.pop("strip", False), options.pop("quality", None)
        image = decode(data, codec=self.codec, device=self.work.device, **options)
        return _about(row, inspect(data)), to_file(image, extension, strip=strip, quality=quality)


def _take(threads: int) -> None:
    """Let this process use so many; fixed, since another number changes a symbol in one file of hundreds."""
    if find_spec("torch") is None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # which `regio.light` goes by
        return
    import torch

    torch.set_num_threads(threads)


def _about(row: Row, info: Info) -> Row:
    """The row with what its .rgo file says of itself."""
    return replace(row, width=info.width, height=info.height, bpp=round(info.bpp, 6), quality=info.quality)


def _ready(roi: Any) -> Any:
    """Load a detector network once instead of for each picture."""
    if isinstance(roi, str) and roi.partition("#")[0].endswith(".onnx"):
        from regio.regions.onnx import OnnxDetector

        return OnnxDetector(roi)
    return tuple(roi) if isinstance(roi, list) else roi
