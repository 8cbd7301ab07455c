"""The plan of a codec: which graph runs when, and what is coded after it (docs/light.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from regio.entropy.symbols import TableSet
from regio.entropy.tables import FactorizedTables
from regio.errors import TORCH, MissingWeights, UnsupportedFile
from regio.models.facts import RegionSupport

FORMAT = 1
PIXEL_BYTES = 270
"""What work on a pixel takes in ONNX Runtime: on a window of 2 megapixels, 248 to decode and 160 to encode."""
SUFFIX = ".light.json"
FOLDER = Path(__file__).parents[1] / "weights"


class Graph(NamedTuple):
    """The place of a graph, and the names of its inputs and outputs."""

    offset: int
    length: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Call(NamedTuple):
    """The kind of coding: `gaussian`, with mean and level given, or `factorized`."""

    code: str
    stream: str
    values: str
    given: tuple[str, ...]
    decoded: str


class Step(NamedTuple):
    """Graphs, and the call of the coder that follows them; the last step has none."""

    both: Graph | None
    writer: Graph | None
    call: Call | None
    needed: frozenset[str]
    """Names that are used after it."""


@dataclass(frozen=True)
class PlannedFacts:
    """Fulfils `Facts`."""

    stride: int
    multiple: int
    halo: int
    align: int
    latent: int
    pixel_bytes: int
    local: bool
    largest: int | None
    rated: bool
    region_support: RegionSupport


class Plan:
    """A codec as two files beside its weights."""

    def __init__(self, home: Path, plan: dict[str, Any]) -> None:
        """home: the folder that graphs look for their numbers in."""
        self.home, self.name, self.number = home, str(plan["name"]), int(plan["number"])
        self.fingerprint = bytes.fromhex(plan["fingerprint"])
        facts = dict(plan["network"])
        facts["pixel_bytes"] = max(facts["pixel_bytes"], PIXEL_BYTES)
        self.facts = PlannedFacts(region_support=RegionSupport[facts.pop("regions").upper()], **facts)
        self.priors = plan["priors"]
        self.analysis, self.synthesis = _graph(plan["analysis"]), _graph(plan["synthesis"])
        self.walk = _steps(plan["walk"], ("y_hat", "shallow"))
        self.graphs = home / plan["files"][1]

    @classmethod
    def exists(cls, name: str) -> bool:
        """Whether a bundled codec has one."""
        return (FOLDER / f"{name}{SUFFIX}").is_file()

    @classmethod
    def of(cls, name: str) -> Plan:
        """Of a bundled codec; MissingWeights where there is none, UnsupportedFile for one of another release."""
        path = FOLDER / f"{name}{SUFFIX}"
        if not cls.exists(name):
            raise MissingWeights(f"{name} has no graphs for ONNX Runtime, so it needs {TORCH}")
        plan = json.loads(path.read_text(encoding="utf-8"))
        if plan["format"] != FORMAT:
            raise UnsupportedFile(f"{path.name}: written by another release (format {plan['format']})")
        return cls(FOLDER, plan)

    @cached_property
    def tables(self) -> TableSet:
        """The tables of the priors."""
        names = ("lowest", "lengths", "counts")
        return TableSet(
            {
                stream: FactorizedTables.from_arrays({name: np.array(prior[name], np.int32) for name in names})
                for stream, prior in self.priors.items()
            }
        )

    def medians(self, stream: str) -> NDArray[np.float32]:
        """Those of a stream's channels (C,1,1)."""
        return np.array(self.priors[stream]["medians"], np.float32)[:, None, None]


def _graph(entry: dict[str, Any]) -> Graph:
    return Graph(entry["offset"], entry["length"], tuple(entry["inputs"]), tuple(entry["outputs"]))


def _steps(entries: Iterable[dict[str, Any]], ends: tuple[str, ...]) -> tuple[Step, ...]:
    steps: list[Step] = []
    needed = frozenset(ends)
    for entry in reversed(list(entries)):
        both, writer = (None if entry[key] is None else _graph(entry[key]) for key in ("both", "writer"))
        call = None
        if "code" in entry:
            call = Call(entry["code"], entry["stream"], entry["values"], tuple(entry["given"]), entry["decoded"])
        steps.append(Step(both, writer, call, needed))
        used = {name for graph in (both, writer) if graph for name in graph.inputs}
        needed |= used | ({call.values, *call.given} if call else set())
    return tuple(reversed(steps))
