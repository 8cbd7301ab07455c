"""Who may import whom. CONTRIBUTING.md explains the rooms; this is the table, and the only copy of it."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "regio"
STANDARD = {*sys.stdlib_module_names, "_typeshed"}  # _typeshed exists for type checkers only
DECODING = {"torch", "numpy", "constriction", "safetensors", "PIL"}  # all that decoding a file may need


@dataclass(frozen=True)
class Row:
    """What the modules of a room may import.

    rooms     of Regio; a dotted name allows that module alone
    packages  of other people, besides the standard library
    lazily    more of both, inside functions or for type checking only
    """

    rooms: set[str]
    packages: set[str]
    lazily: frozenset[str] = frozenset()


BELOW_CODEC = {"errors", "arrays", "hub", "format", "regions", "images", "entropy", "nn", "models", "weights"}
TABLE = {
    "errors": Row(set(), set()),
    "version": Row(set(), set()),
    "names": Row({"errors"}, set()),
    "durable": Row(set(), set()),
    "format": Row({"errors", "names"}, set()),
    "info": Row({"errors", "format"}, set(), frozenset({"models.catalog"})),
    "regions": Row({"errors", "durable"}, {"numpy"}, frozenset({"cv2", "onnxruntime", "safetensors", "PIL", "images"})),
    "arrays": Row({"errors"}, {"numpy", "PIL"}, frozenset({"torch"})),
    "images": Row({"errors", "names", "arrays", "format"}, {"numpy", "PIL"}),
    "entropy": Row({"errors"}, {"torch", "numpy", "constriction"}),
    "nn": Row({"errors"}, {"torch", "numpy"}),
    "hub": Row({"errors"}, set(), frozenset({"huggingface_hub"})),
    # weights build networks; what networks do with the hub (from_pretrained and the like) is done there
    "models": Row(
        {"errors", "nn", "entropy", "regions", "hub", "version"},
        {"torch", "numpy"},
        frozenset({"weights.store", "weights.sharing"}),
    ),
    "weights": Row({"errors", "models", "entropy", "hub", "version"}, DECODING),
    "codec": Row(BELOW_CODEC | {"version"}, DECODING),
    "onnx_export": Row(
        {"errors", "durable", "models", "nn", "recording"},
        {"torch"},
        frozenset({"codec", "onnx", "onnxruntime", "onnxscript"}),
    ),
    "light": Row(  # no torch, not even lazily: nor has what it imports any
        {"errors", "arrays", "format", "images", "codec", "entropy", "models.facts", "models.catalog"},
        {"numpy"},
        frozenset({"onnxruntime"}),
    ),
    "recording": Row(
        {"errors", "durable", "models", "nn", "entropy", "weights"}, {"torch", "numpy"}, frozenset({"onnx"})
    ),
    "interop": Row({"errors", "nn", "entropy", "models"}, {"torch", "numpy"}),
    "pillow_plugin": Row({"errors", "format", "info"}, {"PIL"}, frozenset({"codec", "images"})),
    "": Row(
        {"errors", "version", "pillow_plugin"},
        set(),
        frozenset({"codec", "info", "models", "interop", "images", "bulk", "regions", "light"}),
    ),
    "__main__": Row({"cli"}, set()),
    "losses": Row({"errors", "durable", "nn"}, {"torch", "numpy", "safetensors", "pytorch_msssim"}),
    "data": Row({"errors", "durable", "images", "names", "regions"}, {"torch", "numpy", "PIL"}, frozenset({"skimage"})),
    "training": Row(
        {"errors", "models", "nn", "entropy", "losses", "data", "weights", "version", "durable"},
        {"torch", "numpy", "safetensors", "lightning_fabric", "pytorch_optimizer"},
    ),
    "evaluation": Row(
        {"", "errors", "codec", "data", "regions", "images", "info", "models", "weights", "version", "format"}
        | {"names", "durable", "losses.perceptual", "entropy", "nn"},
        {"torch", "numpy", "PIL"},
        frozenset({"bjontegaard", "scipy", "matplotlib", "pytorch_msssim", "pillow_heif", "pillow_jxl", "ssimulacra2"})
        | {"torch_fidelity", "onnxruntime", "imageio_ffmpeg"},
    ),
    "papers": Row(
        {"", "errors", "codec", "evaluation", "data", "images", "models", "nn", "regions", "weights", "entropy"}
        | {"losses"},
        {"torch", "numpy", "PIL"},
        frozenset({"matplotlib", "scipy"}),
    ),
    "noted": Row(set(), set(), frozenset({"codec", "images", "info", "regions"})),
    "bulk": Row(
        {"errors", "names", "version", "codec.options", "durable"},
        set(),
        frozenset({"codec", "images", "info", "noted", "regions", "models.catalog"})
        | {"torch", "ray", "fsspec", "pyarrow", "PIL"},
    ),
    "app": Row(
        {"errors", "durable", "images", "regions", "info", "evaluation", "format.header", "app"},
        {"numpy", "PIL", "gradio"},
        frozenset({"codec", "models.catalog", "losses.perceptual", "losses.perceptual_weights", "torch"}),
    ),
    "cli": Row(
        {"errors", "durable", "names", "version", "codec.options", "evaluation.judges", "cli"},
        {"typer"},
        frozenset({"*"}),
    ),
}


@dataclass(frozen=True)
class Import:
    where: str
    target: str
    lazy: bool


def room_of(dotted: str) -> str:
    """ "regio.format.header" -> "format"; "regio" -> "" """
    return dotted.split(".")[1] if "." in dotted else ""


def imports_of(path: Path, module: str) -> Iterator[Import]:
    """Every import of a file as a full dotted name; lazy inside functions and under TYPE_CHECKING."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        where = f"{path.relative_to(SOURCE.parent)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            yield from (Import(where, alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                start = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*start, base] if base else start)
            for alias in node.names:  # what is imported may be a module or a thing in one
                full = f"{base}.{alias.name}"
                yield Import(where, full if is_module(full) else base, lazy)
        else:
            inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            inside = inside or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), False)


def is_module(dotted: str) -> bool:
    if not dotted.startswith("regio."):
        return False
    path = SOURCE.joinpath(*dotted.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").exists()


def allowed(found: Import, row: Row, room: str) -> bool:
    top = found.target.split(".")[0]
    if top != "regio":
        return top in STANDARD or top in row.packages or (found.lazy and bool({top, "*"} & row.lazily))
    inner = found.target.partition(".")[2]
    names = {inner, room_of(found.target)} if inner else {""}
    return room in names or bool(names & row.rooms) or (found.lazy and bool((names | {"*"}) & row.lazily))


def all_imports() -> dict[str, list[Import]]:
    """The imports of each module."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[module] = list(imports_of(path, module))
    return found


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """A module that imports itself by way of others, with those others; each such path is named once."""
    found: list[list[str]] = []
    done: set[str] = set()

    def follow(module: str, above: list[str]) -> None:
        if module in above:
            found.append([*above[above.index(module) :], module])
        elif module not in done:
            for target in sorted(imports.get(module, set())):
                follow(target, [*above, module])
            done.add(module)

    for module in sorted(imports):
        follow(module, [])
    return found


def test_every_import_is_in_the_table() -> None:
    wrong = []
    for module, imports in all_imports().items():
        room = room_of(module)
        row = TABLE.get(room)
        for found in imports:
            if row is None:
                wrong.append(f"{found.where}: the room {room!r} has no row in the table")
            elif not allowed(found, row, room):
                wrong.append(f"{found.where}: {room or 'regio'} may not import {found.target}{' lazily' * found.lazy}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_module_imports_itself_by_way_of_others_not_even_lazily_or_for_types() -> None:
    imports = {module: {one.target for one in found} - {module} for module, found in all_imports().items()}
    assert len(imports) > 100
    assert not circles(imports), "\n" + "\n".join(" -> ".join(circle) for circle in circles(imports))


def test_circles_are_found_whatever_their_length() -> None:
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c", "a"]]


def guesses(source: str) -> list[int]:
    """Lines that call a network or a codec Any, or ask by reflection what it has."""

    def known(node: ast.AST) -> bool:
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", getattr(node, "arg", ""))
        return name in {"net", "network", "codec"}

    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"hasattr", "getattr"}:
            found += [node.lineno] if known(node.args[0]) else []
        elif isinstance(node, ast.arg) and node.annotation is not None:
            found += [node.lineno] if known(node) and ast.unparse(node.annotation) == "Any" else []
        elif isinstance(node, ast.AnnAssign):
            found += [node.lineno] if known(node.target) and ast.unparse(node.annotation) == "Any" else []
    return found


def test_networks_and_codecs_are_known_by_their_types_and_not_by_reflection() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line}"
        for path in sorted(SOURCE.rglob("*.py"))
        for line in guesses(path.read_text(encoding="utf-8"))
    ]
    assert not wrong


def test_guesses_are_found() -> None:
    lines = ["def f(net: Any): pass", "hasattr(self.net, 'gain')", "codec: Any = None", "getattr(net, 'a', None)"]
    assert sorted(guesses("\n".join(lines))) == [1, 2, 3, 4]
    assert guesses("def f(net: Network, other: Any): hasattr(other, 'read')") == []


@pytest.mark.parametrize(
    ("room", "target", "lazy", "fine"),
    [
        ("format", "zlib", False, True),
        ("format", "regio.format.cursor", False, True),
        ("format", "numpy", True, False),
        ("format", "regio", False, False),
        ("info", "regio.models.catalog", True, True),
        ("info", "regio.models.catalog", False, False),
        ("info", "regio.models.segpic", True, False),
        ("models", "regio.format", False, False),
        ("codec", "regio.training.loop", True, False),
        ("evaluation", "regio.losses.perceptual", False, True),
        ("evaluation", "regio.losses.adversarial", False, False),
        ("cli", "torch", False, False),
        ("cli", "torch", True, True),
        ("cli", "regio.codec", False, False),
        ("cli", "regio.codec.options", False, True),
        ("cli", "regio.codec", True, True),
    ],
)
def test_the_table_is_read_as_meant(room: str, target: str, lazy: bool, fine: bool) -> None:
    assert allowed(Import("here", target, lazy), TABLE[room], room) == fine
