"""Where models run, and how precisely."""

from typing import Any

import torch

from regio.errors import UsageError


def device_of(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:1 ... -> the device; UsageError where it is not to be had."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not to be had here") from error
    return device


def exact_arithmetic() -> Any:
    """Full float32 everywhere: TF32 would make scales differ between machines by more than the guard band."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
