"""Check a weights file against its configuration before anything is allocated for it.

The model is built on torch's meta device, where tensors have shapes and no storage. So a small file cannot make Regio
allocate or compute more than its own tensors are worth.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from regio.models.base import Network

LONGEST_CONFIG = 65536  # characters of JSON; ours have about 2000
LARGEST_EXTRA = 2**23  # numbers in buffers that a model computes and files do not hold; ours have at most 7 * 10**5
_CALLS, _CALLS_A_TENSOR = 1000, 20  # of torch, to build a model; ours need 1000 and 7


class _Budget(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Stop the building of a model that has many more layers than the file has tensors."""

    def __init__(self, calls: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.left = calls

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("the configuration asks for more layers than the file has tensors")
        return func(*args, **(kwargs or {}))


def check(kind: type[Network], config: Any, state: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless `state` holds exactly the tensors of a model of this configuration.

    kind: class of the model. state: tensors by name, as in its state_dict; real numbers of any precision are fine.
    """
    with torch.device("meta"), _Budget(_CALLS + _CALLS_A_TENSOR * len(state)):
        bare = kind(config)
    wanted = bare.state_dict()
    if missing := sorted(set(wanted) - set(state)):
        raise ValueError(f"{len(missing)} tensors are missing, the first is {missing[0]}")
    if unknown := sorted(set(state) - set(wanted)):
        raise ValueError(f"{len(unknown)} tensors do not belong to the model, the first is {unknown[0]}")
    for name, tensor in wanted.items():
        found = state[name]
        if found.shape != tensor.shape:
            raise ValueError(f"{name} has shape {tuple(found.shape)}, {tuple(tensor.shape)} is expected")
        if found.is_floating_point() != tensor.is_floating_point():
            raise ValueError(f"{name} holds {found.dtype}, {tensor.dtype} is expected")
        if found.is_floating_point() and not bool(found.float().isfinite().all()):
            raise ValueError(f"{name} holds values that are not finite")
    extra = sum(buffer.numel() for buffer in bare.buffers()) - sum(t.numel() for t in wanted.values())
    if extra > LARGEST_EXTRA:
        raise ValueError("the configuration asks for tables that are too large")
