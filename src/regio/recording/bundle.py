"""Makes the files that run weights without torch: NAME.light.json, the plan, and NAME.light.bin, graphs and numbers.

Both lie beside NAME.safetensors, whose numbers the graphs point to. docs/light.md describes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from regio.durable import replacing
from regio.errors import UsageError
from regio.models.base import Network
from regio.models.segpic import SegPIC
from regio.recording.numbers import Numbers
from regio.recording.shapes import ask_one_input
from regio.recording.split import Part, Splitter
from regio.recording.substitutes import exchange
from regio.recording.walks import recorded
from regio.weights import store

FORMAT = 1  # of the plan


def make(weights: store.Weights, path: Path) -> tuple[Path, Path]:
    """Write both files beside the weights file `path` that `weights` were read from. UsageError where it cannot be."""
    net = weights.net
    exchange(net)
    codes, prototypes = _shallow(net)
    models = recorded(net, codes, prototypes)
    numbers = Numbers(path, f"{path.stem}.light.bin")
    plan = {
        "format": FORMAT,
        "name": weights.name,
        "number": weights.number,
        "fingerprint": weights.fingerprint.hex(),
        "files": [path.name, numbers.more],
        "network": _network(net),
        "priors": {stream: _prior(net, weights, stream) for stream in net.priors()},
        "analysis": _one(models["analysis"], numbers),
        "walk": _walk(models["walk"], numbers),
        "synthesis": _one(models["synthesis"], numbers),
    }
    targets = path.with_suffix(".light.json"), path.with_name(numbers.more)
    for target, data in zip(targets, (json.dumps(plan, indent=1).encode() + b"\n", bytes(numbers.grown)), strict=True):
        with replacing(target) as part:
            part.write_bytes(data)
    return targets


def _shallow(net: Network) -> tuple[int, int]:
    """Channels of the codes and of the prototypes that a file begins with."""
    if not isinstance(net, SegPIC) or net.regional is None:
        return 0, 0
    return net.config.shallow_codes[-1], net.config.shallow


def _network(net: Network) -> dict[str, Any]:
    """What codec and layout ask of a network (`Facts`)."""
    return {
        "stride": net.stride,
        "multiple": net.multiple,
        "halo": net.halo,
        "align": net.align,
        "latent": net.latent,
        "pixel_bytes": net.pixel_bytes,
        "local": net.local,
        "largest": net.largest,
        "rated": net.rated,
        "regions": net.region_support.name.lower(),
    }


def _prior(net: Network, weights: store.Weights, stream: str) -> dict[str, list[float]]:
    tables = weights.tables[stream]
    numbers = {name: getattr(tables, name).tolist() for name in ("lowest", "lengths", "counts")}
    return numbers | {"medians": net.priors()[stream].medians().flatten().tolist()}


def _one(model: Any, numbers: Numbers) -> Any:
    """A graph without calls of the coder."""
    (segment,) = Splitter(model.graph).segments()
    return _graph(model, segment.both, numbers)


def _walk(model: Any, numbers: Numbers) -> list[Any]:
    ask_one_input(model.graph, "rate")
    steps = []
    for segment in Splitter(model.graph).segments():
        step = {"both": _graph(model, segment.both, numbers), "writer": _graph(model, segment.writer, numbers)}
        if call := segment.call:
            step |= {"code": call.kind, **call.attributes, "values": call.values}
            step |= {"given": list(call.given), "decoded": call.decoded}
        steps.append(step)
    return steps


def _graph(model: Any, part: Part, numbers: Numbers) -> Any:
    """Append a part as a model of its own -> what the plan says of it; None for an empty one."""
    from onnx import helper

    if not part.nodes:
        return None
    graph = model.graph
    known = {one.name: one for one in (*graph.value_info, *graph.input, *graph.output)}
    used = {name for node in part.nodes for name in node.input}
    missing = [name for name in (*part.inputs, *part.outputs) if name not in known]
    if missing:
        raise UsageError(f"the exported graph does not say of what type {missing[0]} is")
    cut = helper.make_graph(
        part.nodes,
        model.graph.name,
        [_of_any_size(known[name]) for name in part.inputs],
        [_of_any_size(known[name]) for name in part.outputs],
        [one for one in graph.initializer if one.name in used],
    )
    numbers.moved_out(cut)
    for node in cut.node:  # where in the code it comes from
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.ClearField("name")
    made = helper.make_model(cut, opset_imports=[one for one in model.opset_import if not one.domain])
    made.ir_version = model.ir_version
    offset, length = numbers.append(made.SerializeToString(deterministic=True))
    return {"offset": offset, "length": length, "inputs": part.inputs, "outputs": part.outputs}


def _of_any_size(info: Any) -> Any:
    """Without the names of sizes: rows of two passes over an odd number differ, though both are called half of it."""
    found = type(info)()
    found.CopyFrom(info)
    for dim in found.type.tensor_type.shape.dim:
        if dim.dim_param:
            dim.Clear()
    return found
