"""A recorded graph is cut where the coder is called, and what lies between computes the same."""

from typing import Any

import numpy as np
import pytest

from regio.recording.coder import DOMAIN
from regio.recording.shapes import ask_one_input
from regio.recording.split import Part, Splitter

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def recorded() -> Any:
    """One call: y and its mean are twice what is given; afterwards y + mean + 1, in as many rows as `rate` says."""
    from onnx import TensorProto, helper

    def info(name: str, *size: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, size)

    nodes = [
        helper.make_node("Add", ["y", "y"], ["value"]),
        helper.make_node("Add", ["rate", "rate"], ["mean"]),
        helper.make_node("Neg", ["mean"], ["level"]),
        helper.make_node("Gaussian", ["value", "mean", "level"], ["decoded"], domain=DOMAIN, stream="y"),
        helper.make_node("Shape", ["value"], ["size"]),  # which only a writer has
        helper.make_node("Expand", ["one", "size"], ["ones"]),
        helper.make_node("Add", ["decoded", "mean"], ["sum"]),
        helper.make_node("Add", ["sum", "ones"], ["y_hat"]),
    ]
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    inner = [info(name, "2*n") for name in ("value", "mean", "level", "decoded", "ones", "sum")]
    return helper.make_graph(
        nodes, "walk", [info("y", "2*n"), info("rate", "2*n")], [info("y_hat", "2*n")], [one], value_info=inner
    )


def run(graph: Any, part: Part, arrays: dict[str, Any]) -> dict[str, Any]:
    from onnx import TensorProto, helper

    def infos(names: list[str]) -> list[Any]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in names]

    cut = helper.make_graph(part.nodes, "part", infos(part.inputs), infos(part.outputs), list(graph.initializer))
    model = helper.make_model(cut, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(part.outputs, {name: arrays[name] for name in part.inputs})
    return dict(zip(part.outputs, found, strict=True))


def test_a_reader_needs_nothing_that_a_writer_alone_has() -> None:
    graph = recorded()
    ask_one_input(graph, "rate")
    before, after = Splitter(graph).segments()
    assert before.call is not None
    assert (before.call.kind, before.call.attributes) == ("gaussian", {"stream": "y"})
    assert (before.both.inputs, before.both.outputs) == (["rate"], ["mean", "level"])
    assert (before.writer.inputs, before.writer.outputs) == (["y"], ["value"])
    assert after.call is None
    assert not after.writer.nodes
    assert set(after.both.inputs) == {"decoded", "mean", "rate"}


def test_the_parts_compute_what_the_whole_does() -> None:
    graph = recorded()
    ask_one_input(graph, "rate")
    before, after = Splitter(graph).segments()
    arrays = {"y": np.array([1, 2, 3, 4], np.float32), "rate": np.array([0, 1, 0, 1], np.float32)}
    for part in (before.both, before.writer):
        arrays |= run(graph, part, arrays)
    arrays["decoded"] = arrays["value"]
    arrays |= run(graph, after.both, arrays)
    assert arrays["level"].tolist() == [0, -2, 0, -2]
    assert arrays["y_hat"].tolist() == [3, 7, 7, 11]


def test_without_sizes_asked_of_one_input_a_reader_would_need_the_latents() -> None:
    _, after = Splitter(recorded()).segments()
    assert set(after.both.inputs) & {"y", "value"}
