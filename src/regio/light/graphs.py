"""Graphs in ONNX Runtime."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from numpy.typing import NDArray

from regio.errors import RegioError
from regio.light.plan import Graph, Plan

Arrays = dict[str, NDArray[Any]]


def threads_wanted() -> int:
    """OMP_NUM_THREADS, as torch takes it; 0, as many as there are cores, where it says nothing."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdigit() else 0


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
