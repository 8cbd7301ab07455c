"""Scripts of the repository, which are in no package: as modules, and run as commands."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def script(path: str) -> ModuleType:
    """A script as a module. path: from the root of the repository."""
    name = Path(path).stem
    spec = spec_from_file_location(name, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


def benchmark(name: str) -> ModuleType:
    """A module of benchmarks/."""
    return script(f"benchmarks/{name}.py")


def run_benchmark(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A script of benchmarks/ in a process of its own."""
    whole = [sys.executable, str(ROOT / "benchmarks" / command), *map(str, arguments)]
    return subprocess.run(whole, capture_output=True, text=True, check=False)
