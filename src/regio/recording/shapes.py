"""Sizes that follow from those of one input.

The exporter asks the tensor at hand for its size. Cut into parts, a graph would then hand on whole arrays for their
size alone; so each question that the size of `source` answers is put to it.
"""

from __future__ import annotations

import re
from typing import Any

Term = tuple[int | None, int, int]
"""A size: which dimension of the source, or none; by what it is multiplied; what is added."""
_TERM = re.compile(r"(?:(\d+)\*)?([A-Za-z_]\w*)(?: \+ (\d+))?")  # "4*s1 + 2"


def ask_one_input(graph: Any, source: str) -> None:
    """Replace the nodes `Shape` of an ONNX graph by what the sizes of an input say, as far as they do."""
    sizes = {one.name: _size(one) for one in (*graph.value_info, *graph.input, *graph.output)}
    bases = {}
    for at, dim in enumerate(sizes[source]):
        if isinstance(dim, str) and (found := _TERM.fullmatch(dim)) and not found[3]:
            bases[found[2]] = at, int(found[1] or 1)
    kept: list[Any] = []
    made: dict[Term, str] = {}
    for node in graph.node:
        wanted = _selected(node, sizes) if node.op_type == "Shape" and node.input[0] != source else None
        terms = [] if wanted is None else [_term(dim, bases) for dim in wanted]
        if terms and None not in terms:
            parts = [_computed(term, source, made, kept) for term in terms if term]
            kept.append(_node("Concat", parts, node.output[0], axis=0))
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _size(info: Any) -> list[int | str]:
    return [one.dim_param or one.dim_value for one in info.type.tensor_type.shape.dim]


def _selected(node: Any, sizes: dict[str, list[int | str]]) -> list[int | str] | None:
    """The dimensions that a node asks for."""
    size = sizes.get(node.input[0])
    ends = {one.name: one.i for one in node.attribute}
    return None if size is None else size[ends.get("start", 0) : ends.get("end", len(size))]


def _term(dim: int | str, bases: dict[str, tuple[int, int]]) -> Term | None:
    """A dimension as what it is made of; None where it does not follow."""
    if isinstance(dim, int):
        return None, 0, dim
    found = _TERM.fullmatch(dim)
    if not found or found[2] not in bases:
        return None
    at, unit = bases[found[2]]
    factor, rest = divmod(int(found[1] or 1), unit)
    return None if rest else (at, factor, int(found[3] or 0))


def _computed(term: Term, source: str, made: dict[Term, str], nodes: list[Any]) -> str:
    """The name of a size, made once from that of the source by nodes that are added to the others."""
    if term not in made:
        at, factor, more = term
        name = made[term] = f"size.{at}.{factor}.{more}"
        if at is None:
            _number(more, name, nodes)
        else:
            nodes.append(_node("Shape", [source], f"{name}.side", start=at, end=at + 1))
            nodes.append(_node("Mul", [f"{name}.side", _number(factor, f"{name}.factor", nodes)], f"{name}.times"))
            nodes.append(_node("Add", [f"{name}.times", _number(more, f"{name}.more", nodes)], name))
    return made[term]


def _number(value: int, name: str, nodes: list[Any]) -> str:
    from onnx import TensorProto, helper

    nodes.append(_node("Constant", [], name, value=helper.make_tensor(name, TensorProto.INT64, [1], [value])))
    return name


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs, [output], **attributes)
