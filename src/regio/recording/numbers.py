"""The numbers of a graph: in the weights file if it has them, otherwise stored in as few bytes as possible."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = 512  # numbers of an array that stays in its graph, as biases do


class Numbers:
    """Where arrays lie: in a .safetensors file, and in one that grows beside it."""

    def __init__(self, weights: Path, more: str) -> None:
        """more: the name of the other file."""
        self.weights, self.more = weights, more
        self.grown = bytearray()
        self.places: dict[bytes, tuple[str, int, int]] = {}
        whole = weights.read_bytes()
        head = int.from_bytes(whole[:8], "little")
        for name, entry in json.loads(whole[8 : 8 + head]).items():
            if name != "__metadata__":
                start, end = (8 + head + at for at in entry["data_offsets"])
                self.places[_key(whole[start:end])] = weights.name, start, end - start

    def append(self, data: bytes) -> tuple[int, int]:
        """Put bytes into the second file -> (offset, length)."""
        self.grown += bytes(-len(self.grown) % 8)
        self.grown += data
        return len(self.grown) - len(data), len(data)

    def moved_out(self, graph: Any) -> None:
        """Let the large arrays of an ONNX graph point to where they lie; what restores them comes first."""
        kept, first = [], []
        for tensor in graph.initializer:
            nodes, arrays = self._stored(tensor)
            first += nodes
            kept += arrays
        nodes = [*first, *graph.node]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        del graph.node[:]
        graph.node.extend(nodes)

    def _stored(self, tensor: Any) -> tuple[list[Any], list[Any]]:
        """An array as (nodes that make it, arrays that they take)."""
        from onnx import TensorProto, helper, numpy_helper

        array = numpy_helper.to_array(tensor)
        if array.size <= SMALL:
            return [], [numpy_helper.from_array(array, tensor.name)]
        if array.dtype != np.float32:
            return [], [self._outside(array, tensor.name)]
        half, stored = array.astype(np.float16), f"{tensor.name}.stored"
        exact = np.array_equal(half.astype(np.float32), array)
        if exact and _key(half.tobytes()) in self.places:
            return [_cast(stored, tensor.name)], [self._outside(half, stored)]
        if (found := _whole(array)) is not None:
            whole, scale = found
            numbers, unit = self._outside(whole, stored), numpy_helper.from_array(scale, f"{tensor.name}.unit")
            return [
                helper.make_node("Cast", [stored], [f"{tensor.name}.whole"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{tensor.name}.whole", unit.name], [tensor.name]),
            ], [numbers, unit]
        if exact:
            return [_cast(stored, tensor.name)], [self._outside(half, stored)]
        return [], [self._outside(array, tensor.name)]

    def _outside(self, array: NDArray[Any], name: str) -> Any:
        """A tensor whose numbers lie in one of the files."""
        from onnx import TensorProto, helper

        data = array.tobytes()
        if (key := _key(data)) not in self.places:
            self.places[key] = self.more, *self.append(data)
        tensor = TensorProto(
            name=name,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            dims=array.shape,
            data_location=TensorProto.EXTERNAL,
        )
        for key_, value in zip(("location", "offset", "length"), self.places[key], strict=True):
            entry = tensor.external_data.add()
            entry.key, entry.value = key_, str(value)
        return tensor


def _key(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _cast(stored: str, name: str) -> Any:
    from onnx import TensorProto, helper

    return helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)


def _whole(array: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]] | None:
    """Rows of an array as whole numbers of 8 bits times a power of two each, where they are such."""
    rows = array.reshape(len(array), -1).astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    for bits in (7, 6, 5):  # the largest of a row has 7 bits, unless its sum was too large
        unit = np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1.0) * (1 + 1e-9))) - bits)
        whole = rows / unit
        if np.abs(whole).max() <= 127 and np.array_equal(whole, np.rint(whole)):
            shape = (-1, *[1] * (array.ndim - 1))
            return whole.astype(np.int8).reshape(array.shape), unit.astype(np.float32).reshape(shape)
    return None
