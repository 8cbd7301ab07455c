"""Splits a recorded walk, one ONNX graph with a node for each call of the coder, into the graphs between these calls.

A value that is computed once is handed on: it is an output of the graph that made it, and an input of those that want
it. What follows from shapes alone is computed where it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from regio.recording.coder import DOMAIN


@dataclass
class Part:
    """Some nodes of a recorded graph."""

    nodes: list[Any]
    inputs: list[str]
    outputs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """A call of the coder."""

    kind: str
    attributes: dict[str, Any]
    values: str
    """The array that a writer codes."""
    given: tuple[str, ...]
    """The arrays that both sides know before: means and levels."""
    decoded: str


@dataclass(frozen=True)
class Segment:
    """What comes before a call: what both sides compute, and what a writer alone computes; and the call, if any."""

    both: Part
    writer: Part
    call: Call | None


class Splitter:
    """The nodes of one recorded graph."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.fixed = {one.name for one in graph.initializer}
        self.inputs = [one.name for one in graph.input]
        self.nodes = [node for node in graph.node if node.domain != DOMAIN]
        self.calls = [_call(node) for node in graph.node if node.domain == DOMAIN]
        self.made = {name: k for k, node in enumerate(self.nodes) for name in node.output}
        self.of_shapes = set(self.fixed)
        for node in self.nodes:
            if node.op_type == "Shape" or all(name in self.of_shapes for name in node.input if name):
                self.of_shapes.update(node.output)

    def segments(self) -> list[Segment]:
        """In the order of the calls; the last one ends in the outputs of the graph."""
        known = set(self.inputs)  # to both sides; of what only a writer has, graphs for both make no use
        written: set[str] = set()
        found = []
        for call in [*self.calls, None]:
            wanted = call.given if call else tuple(one.name for one in self.graph.output)
            both = self._part(wanted, known)
            known |= self._lasting(both)
            writer = self._part((call.values,) if call else (), known | written)
            written |= self._lasting(writer)
            known |= {call.decoded} if call else set()
            found.append(Segment(both, writer, call))
        self._hand_on(found)
        return found

    def _part(self, wanted: Iterable[str], known: set[str]) -> Part:
        """The nodes that make what is wanted of what is known."""
        nodes, inputs, todo = set(), set(), list(wanted)
        while todo:
            name = todo.pop()
            if name in known:
                inputs.add(name)
            elif name and name not in self.fixed and self.made[name] not in nodes:
                nodes.add(self.made[name])
                todo += self.nodes[self.made[name]].input
        return Part([self.nodes[k] for k in sorted(nodes)], sorted(inputs))

    def _lasting(self, part: Part) -> set[str]:
        """What later parts need not compute again."""
        return {name for node in part.nodes for name in node.output} - self.of_shapes

    def _hand_on(self, segments: list[Segment]) -> None:
        """Name the outputs of each part: what its call and later parts take."""
        wanted = {one.name for one in self.graph.output}
        for segment in reversed(segments):
            if segment.call:
                wanted |= {segment.call.values, *segment.call.given}
            for part in (segment.writer, segment.both):
                part.outputs = [name for node in part.nodes for name in node.output if name in wanted]
                wanted |= set(part.inputs)


def _call(node: Any) -> Call:
    from onnx import helper

    attributes = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    plain = {key: value.decode() if isinstance(value, bytes) else value for key, value in attributes.items()}
    return Call(node.op_type.lower(), plain, node.input[0], tuple(node.input[1:]), node.output[0])
