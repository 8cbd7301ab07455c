"""Numbers lie once, where they are, as small as they are; what restores them gives the same numbers."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from regio.recording.numbers import Numbers

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")


def test_arrays_are_taken_from_the_weights_or_kept_small(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    half = generator.normal(size=(32, 40)).astype(np.float16)
    unit = np.exp2(generator.integers(-12, 3, (32, 1)))
    arrays = {
        "stored": half.astype(np.float32),
        "whole": (generator.integers(-127, 128, (32, 40)) * unit).astype(np.float32),
        "other": generator.normal(size=(32, 40)).astype(np.float32),
        "halves": (half * 2).astype(np.float32),
        "indices": generator.integers(0, 2**40, (32, 40)),
        "bias": generator.normal(size=40).astype(np.float32),
    }
    weights = tmp_path / "a.safetensors"
    save_file({"net.stored": half}, weights)
    numbers = Numbers(weights, "a.light.bin")
    kinds = {name: TensorProto.INT64 if name == "indices" else TensorProto.FLOAT for name in arrays}
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}.out"]) for name in arrays],
        "all",
        [],
        [helper.make_tensor_value_info(f"{name}.out", kind, arrays[name].shape) for name, kind in kinds.items()],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    numbers.moved_out(graph)
    (tmp_path / "a.light.bin").write_bytes(numbers.grown)
    assert len(numbers.grown) == 32 * 40 * (1 + 4 + 2 + 8)  # stored: nothing
    options = ort.SessionOptions()
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(tmp_path))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    for name, found in zip(arrays, session.run(None, {}), strict=True):
        assert np.array_equal(found, arrays[name]), name
