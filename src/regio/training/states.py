"""Files of training state: what torch writes, with a checksum at the end.

The checksum is the comment that a zip archive may end with, so `torch.load` reads these files as any other.
"""

import hashlib
import io
import zipfile
from typing import Any

import torch

_END = b"PK\x05\x06" + bytes(4)  # of a zip archive without a comment: 22 bytes from its end
_MARK = b"sha256:"
_SUM = len(_MARK) + 64  # bytes of the comment


def pack(state: dict[str, Any]) -> bytes:
    """Return the bytes of a state file: a torch archive whose comment is its SHA-256."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getvalue()[:-2] + _SUM.to_bytes(2, "little")
    return body + _MARK + hashlib.sha256(body).hexdigest().encode()


def unpack(data: bytes, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read a state file: tensors and plain data only, no code is run. ValueError when any bit has changed.

    Files of releases before the checksum are checked by the CRC of each part of the archive.
    """
    if data[-_SUM:].startswith(_MARK):
        if hashlib.sha256(data[:-_SUM]).hexdigest().encode() != data[-64:]:
            raise ValueError("its checksum is wrong")
    elif data[-22:-14] != _END or data[-2:] != b"\0\0":
        raise ValueError("it ends too early or is not a state file")
    else:
        _check_parts(data)
    try:
        state = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except Exception as error:  # of unpickling, of torch, of zip: they share no base, and their advice is not ours
        raise ValueError("it is not a state file") from error
    if not isinstance(state, dict):
        raise ValueError("it is not a state file")
    return state


def _check_parts(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            damaged = archive.testzip()
    except Exception as error:  # a damaged archive raises whatever its fields lead to
        raise ValueError("its parts cannot be read") from error
    if damaged is not None:
        raise ValueError(f"{damaged} in it is damaged")
