"""Published checkpoint files, read without running any code from them."""

import argparse
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regio.errors import UnsupportedFile, shown

LONGEST_NUMBER = 16  # bytes of a complex number of double precision


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Read a .pth, .pt or .pth.tar file without running any code from it.

    Tensors and plain values are read, argparse.Namespace, in which the authors of MCM keep their options, and NumPy's
    scalars, which become numbers of Python. Raises UnsupportedFile for anything else, and for a file that would take
    much more memory than it has bytes; OSError.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UnsupportedFile(f"{shown(path)} is not a file")
    _refuse_compressed(path)
    allowed: list[Any] = [argparse.Namespace, (_NumberType, "numpy.dtype")]
    allowed += [(_number, f"numpy.{module}.multiarray.scalar") for module in ("core", "_core")]  # 1.x and 2.x
    try:
        with torch.serialization.safe_globals(allowed):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch raises many kinds, and advises to switch its safety off: neither is for users
        raise UnsupportedFile(
            f"{shown(path)}: not a PyTorch checkpoint, or damaged, or it holds more than tensors and plain values, "
            "which Regio does not run"
        ) from error
    if not isinstance(checkpoint, Mapping):
        raise UnsupportedFile(
            f"{shown(path)}: a checkpoint should be a dictionary, this is a {type(checkpoint).__name__}"
        )
    return checkpoint


class _NumberType:
    """Stands in for numpy.dtype while a file is read: of what a pickle says of a type it keeps code and byte order."""

    def __init__(self, code: str, *flags: object) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


def _number(kind: _NumberType, data: bytes) -> bool | int | float | complex:
    """In place of NumPy's function that makes scalars: bytes -> a number. ValueError for what is no number."""
    if kind.order not in ("<", ">", "|", "=") or kind.code[:1] not in "biufc" or len(data) > LONGEST_NUMBER:
        raise ValueError("not a number")
    (value,) = np.frombuffer(data, np.dtype(kind.order + kind.code)).tolist()
    return value  # type: ignore[no-any-return]


def _refuse_compressed(path: Path) -> None:
    """torch never compresses, and a compressed archive may unpack to a thousand times its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())
    except OSError:
        raise
    except Exception:  # not a zip archive: an older format, or nothing that torch reads either
        return
    if compressed:
        raise UnsupportedFile(f"{shown(path)}: a compressed archive is not a PyTorch checkpoint")
