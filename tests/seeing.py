"""Tiny networks that label pictures or find objects in them, as ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def field(number: int, value: int | bytes | str) -> bytes:
    """A protobuf field of a small number or of bytes."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    body = value.encode() if isinstance(value, str) else value
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 127 | 128, len(body) >> 7])
    return bytes([number << 3 | 2]) + length + body


def tensor(name: str, sides: tuple[int, int] | None) -> bytes:
    """ValueInfoProto of a float tensor (1,3,h,w), h and w open without `sides`."""
    last = [field(1, side) for side in sides] if sides else [field(2, "h"), field(2, "w")]
    shape = b"".join(field(1, dimension) for dimension in (field(1, 1), field(1, 3), *last))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def network(path: Path, sides: tuple[int, int] | None = None) -> str:
    """An ONNX file whose scores are its input: the label of a pixel is its largest normalised channel."""
    node = field(1, "x") + field(2, "y") + field(4, "Identity")
    graph = field(1, node) + field(2, "g") + field(11, tensor("x", sides)) + field(12, tensor("y", sides))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 13)))
    return str(path)


def detector(path: Path, outputs: int = 3) -> str:
    """An ONNX file that finds up to three objects: a channel whose mean is over a half, in a box of its own."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["scores"], axes=[1, 2], keepdims=0),
        helper.make_node("Constant", [], ["boxes"], value=onnx.numpy_helper.from_array(boxes)),
        helper.make_node("Constant", [], ["labels"], value=onnx.numpy_helper.from_array(np.array([1, 1, 2]))),
    ]
    kinds = {"boxes": onnx.TensorProto.FLOAT, "labels": onnx.TensorProto.INT64, "scores": onnx.TensorProto.FLOAT}
    made = [helper.make_tensor_value_info(name, kind, None) for name, kind in list(kinds.items())[:outputs]]
    given = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3, "h", "w"])
    graph = helper.make_graph(nodes, "g", [given], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)
