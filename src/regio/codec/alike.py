"""Operations that NumPy arrays and torch tensors share under different names. Loads no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def zeros(like: Any, *shape: int) -> Any:
    """Zeros of the kind, type and device of another."""
    return np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_zeros(shape)


def copied(x: Any) -> Any:
    """The same in memory of its own."""
    return x.copy() if isinstance(x, np.ndarray) else x.clone()


def made_like(like: Any, values: NDArray[Any]) -> Any:
    """Numbers in the kind, type and device of another."""
    return values.astype(like.dtype) if isinstance(like, np.ndarray) else like.new_tensor(values)
