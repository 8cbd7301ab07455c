"""The device on which models run, and its precision."""

import platform
from typing import Any

import torch
from torch.backends.cpu import get_cpu_capability

from regio.errors import UsageError
from regio.models.base import Network
from regio.nn.precise import make_precise
from regio.version import __version__


def device_of(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:1 ... -> the device; UsageError where it is not available."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {name!r} is not available") from error
    return device


def settle(net: Network, device: torch.device) -> Network:
    """A network as files want it: on a device, what levels come from in float64; UsageError where there is none."""
    net = net.to(device)
    try:
        for part in net.deciding():
            make_precise(part)
    except TypeError as error:  # on Apple's GPUs
        raise UsageError(
            f"this codec computes in float64, which device {device} does not support; use the CPU"
        ) from error
    return net


PRECISIONS = ("float32", "bfloat16")


def synthesises_in_half(precision: str, device: torch.device) -> bool:
    """Whether a precision is bfloat16; UsageError for one that there is not, or not on this device."""
    if precision not in PRECISIONS:
        raise UsageError(f"there is no precision {precision!r}; choose {' or '.join(PRECISIONS)}")
    if precision == "float32":
        return False
    if device.type != "cpu":
        raise UsageError(f"precision bfloat16 is for CPUs, not for device {device}")
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        raise UsageError("this processor does not compute in bfloat16 (AVX512-BF16 or AMX); use precision float32")
    return True


def here(device: torch.device) -> str:
    """This environment, in the words of an error."""
    threads = torch.get_num_threads()
    return (
        f"regio {__version__}, torch {torch.__version__}, {platform.machine()} with {get_cpu_capability()}, "
        f"{threads} thread{'s' if threads > 1 else ''}, device {device}"
    )


def exact_arithmetic() -> Any:
    """Full float32 everywhere: TF32 would make scales differ between machines by more than the guard band."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
