"""Graphs in ONNX Runtime."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from regio.errors import RegioError
from regio.format import Data, parse, read
from regio.light.plan import Graph, Plan
from regio.models.catalog import CATALOG, by_id

Arrays = dict[str, NDArray[Any]]


def threads_wanted() -> int:
    """OMP_NUM_THREADS, as torch takes it; 0, as many as there are cores, where it says nothing."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() else 0


def has(name: str) -> bool:
    """Whether a codec is bundled and has graphs."""
    return any(entry.name == name for entry in CATALOG.values()) and Plan.exists(name)


def knows(data: Data) -> bool:
    """Whether a file, by bytes or path, needs no codec but one that has graphs; False if it is not a .rgo file."""
    return codec_of(data) is not None


def codec_of(data: Data) -> str | None:
    """The name of the codec that a file needs, "" for one without loss, which needs none.

    None if the codec has no graphs, or if it is not a .rgo file.
    """
    try:
        file = parse(read(data))
        if file.lossless:
            return ""
        name = by_id(file.header.model).name
    except RegioError:
        return None
    return name if file.weights is None and has(name) else None


class Graphs:
    """The graphs of a plan, each made ready when it first runs. Any number of threads may use them."""

    def __init__(self, plan: Plan, threads: int) -> None:
        """threads: that a graph runs on; 0, one for each core."""
        self.plan, self.threads = plan, threads
        self._data = plan.graphs.read_bytes()
        self._ready: dict[int, Future[Any]] = {}
        self._lock = Lock()
        self._helper = ThreadPoolExecutor(1, "regio-graphs")

    def begin(self, *graphs: Graph | None) -> None:
        """Make graphs ready beside other work, in this order."""
        with self._lock:
            for graph in graphs:
                if graph is not None and graph.offset not in self._ready:
                    self._ready[graph.offset] = self._helper.submit(self._made, graph)

    def begin_reading(self, *, picture: bool) -> None:
        """`begin` with what reading symbols takes and, for a picture, the synthesis, in the order of their use."""
        self.begin(*(step.both for step in self.plan.walk), self.plan.synthesis if picture else None)

    def run(self, graph: Graph | None, arrays: Arrays) -> None:
        """Add the outputs of a graph to arrays by name."""
        if graph is not None:
            found = self._session(graph).run(list(graph.outputs), {name: arrays[name] for name in graph.inputs})
            arrays.update(zip(graph.outputs, found, strict=True))

    def _session(self, graph: Graph) -> Any:
        with self._lock:
            ready = self._ready.get(graph.offset)
            mine = ready is None or ready.cancel()  # not begun: faster done than waited for
            if ready is None or mine:
                ready = self._ready[graph.offset] = Future()
                ready.set_running_or_notify_cancel()
        if mine:
            try:
                ready.set_result(self._made(graph))
            except BaseException as error:
                ready.set_exception(error)
        try:
            return ready.result()
        except BaseException:  # another try may have the memory
            with self._lock:
                self._ready.pop(graph.offset, None)
            raise

    def _made(self, graph: Graph) -> Any:
        try:
            import onnxruntime
        except ImportError as error:
            why = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error})"
            raise RegioError(f"ONNX Runtime {why}: pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.enable_cpu_mem_arena = False  # half the memory, for a twentieth of the time
        options.log_severity_level = 4  # what goes wrong is raised
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(self.plan.home))
        data = self._data[graph.offset : graph.offset + graph.length]
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def graphs_of(name: str, threads: int | None = None) -> Graphs:
    """The graphs of a bundled codec, loaded once. MissingWeights for a codec without graphs.

    threads: that a graph runs on; None: OMP_NUM_THREADS, or one for each core.
    """
    key = name, threads_wanted() if threads is None else threads
    if key not in _loaded:
        _loaded[key] = Graphs(Plan.of(name), key[1])
    return _loaded[key]


_loaded: dict[tuple[str, int], Graphs] = {}


def _after_fork() -> None:
    """A child has no threads but the one that forked, so it loads graphs of its own.

    Those of its parent are never freed in it: to be freed, they would wait for threads that are not there.
    """
    for one in _loaded.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
    _loaded.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
