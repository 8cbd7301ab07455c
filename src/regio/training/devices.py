"""Choose what a run uses: one device, or all devices for which torchrun started a process."""

import os

import torch
from lightning_fabric import Fabric

from regio.errors import UsageError

KINDS = ("auto", "cpu", "cuda", "mps")


def make_fabric(device: str) -> Fabric:
    """Return an engine for `device` (auto, cpu, cuda, cuda:1, mps); under torchrun one for all its processes.

    Numbers stay float32: where bfloat16 is safe is the training step's to say, not the engine's.
    """
    kind, _, index = device.partition(":")
    if kind not in KINDS or not (index.isdecimal() or device == kind):
        raise UsageError(f"no device {device!r}; give auto, cpu, cuda, cuda:1 or mps")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {device!r} is not available here; auto uses what is")
    processes, nodes = (int(os.environ.get(name, "1")) for name in ("LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"))
    if index and processes > 1:
        raise UsageError(
            f"{device} is one device, and there are {processes} processes; --device {kind} uses all devices"
        )
    devices = [int(index)] if index else processes
    return Fabric(accelerator=kind, devices=devices, num_nodes=nodes, precision="32-true")


def agreed(fabric: Fabric, wish: bool) -> bool:
    """True when any process has the wish. All processes get the same answer at the same step."""
    if fabric.world_size == 1:
        return wish
    votes = fabric.all_reduce(torch.tensor(float(wish), device=fabric.device), reduce_op="max")
    return bool(votes)
