"""Sizes that follow from those of one input.

The exporter asks the tensor at hand for its size. Cut into parts, a graph would then hand on whole arrays for their
size alone; so each question that the size of `source` answers is put to it.
"""

from __future__ import annotations

import re
from typing import Any

_TERM = re.compile(r"(?:(\d+)\*)?([A-Za-z_]\w*)(?: \+ (\d+))?")  # "4*s1 + 2"


def ask_one_input(graph: Any, source: str) -> None:
    """Replace the nodes `Shape` of an ONNX graph by what the sizes of an input say, as far as they do."""
    sizes = {one.name: _size(one) for one in (*graph.value_info, *graph.input, *graph.output)}
    bases = {}
    for at, dim in enumerate(sizes[source]):
        if isinstance(dim, str) and (found := _TERM.fullmatch(dim)) and not found[3]:
            bases[found[2]] = at, int(found[1] or 1)
    kept: list[Any] = []
    for node in graph.node:
        wanted = _selected(node, sizes) if node.op_type == "Shape" and node.input[0] != source else None
        terms = None if wanted is None else [_term(dim, bases) for dim in wanted]
        if terms is None or None in terms:
            kept.append(node)
        else:
            kept += _computed(node.output[0], source, terms)
    del graph.node[:]
    graph.node.extend(kept)


def _size(info: Any) -> list[int | str]:
    return [one.dim_param or one.dim_value for one in info.type.tensor_type.shape.dim]


def _selected(node: Any, sizes: dict[str, list[int | str]]) -> list[int | str] | None:
    """The dimensions that a node asks for."""
    size = sizes.get(node.input[0])
    ends = {one.name: one.i for one in node.attribute}
    return None if size is None else size[ends.get("start", 0) : ends.get("end", len(size))]


def _term(dim: int | str, bases: dict[str, tuple[int, int]]) -> tuple[int | None, int, int] | None:
    """A dimension as (dimension of the source, or None, factor, what is added); None where it does not follow."""
    if isinstance(dim, int):
        return None, 0, dim
    found = _TERM.fullmatch(dim)
    if not found or found[2] not in bases:
        return None
    at, unit = bases[found[2]]
    factor, rest = divmod(int(found[1] or 1), unit)
    return None if rest else (at, factor, int(found[3] or 0))


def _computed(name: str, source: str, terms: list[Any]) -> list[Any]:
    """Nodes that make the sizes `name` from those of the source."""
    from onnx import TensorProto, helper

    nodes: list[Any] = []

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def number(value: int, output: str) -> str:
        return node("Constant", [], output, value=helper.make_tensor(output, TensorProto.INT64, [1], [value]))

    parts = []
    for k, (at, factor, more) in enumerate(terms):
        own = f"{name}.{k}"
        if at is None:
            parts.append(number(more, own))
            continue
        side = node("Shape", [source], f"{own}.side", start=at, end=at + 1)
        times = node("Mul", [side, number(factor, f"{own}.factor")], f"{own}.times")
        parts.append(node("Add", [times, number(more, f"{own}.more")], own))
    node("Concat", parts, name, axis=0)
    return nodes
