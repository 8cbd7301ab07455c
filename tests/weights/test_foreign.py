"""A weights file from anywhere costs what its own tensors cost, and is refused in one line of ours."""

import json
import random
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from regio.errors import RegioError, UnsupportedFile
from regio.models.catalog import CATALOG, FAMILIES, model_class
from regio.weights import skeleton, store

Contents = tuple[dict[str, torch.Tensor], dict[str, str]]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, about layers without channels


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contents]:
    """Tensors and metadata of a toy of each family."""
    found = {}
    for family, home in FAMILIES.items():
        kind, path = model_class(home), tmp_path_factory.mktemp("toys") / f"{family}.safetensors"
        torch.manual_seed(1)
        store.save(kind(kind.config_class.preset("toy")), path)
        with safe_open(path, framework="pt") as file:
            found[family] = load_file(path), file.metadata()
    return found


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """A function that saves a file and expects one line: tensors, metadata -> the message."""

    def check(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> str:
        path = tmp_path / "w.safetensors"
        save_file(tensors, path, metadata)
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        with pytest.raises(UnsupportedFile) as caught:
            store.read(path, 0)
        assert time.process_time() - start < 2  # seconds; the whole of torch's meta device for a toy takes 0.2
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 * 1024  # KiB
        message = str(caught.value)
        assert "\n" not in message
        assert "weights_only" not in message
        return message

    return check


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in plain data."""
    if isinstance(value, dict | list):
        yield before
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*before, key))
    else:
        yield before


def changed(config: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of plain data with one value replaced."""
    if not place:
        return value
    copy = json.loads(json.dumps(config))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


HUGE = [
    ("segpic", ("latent",), 10**7), ("segpic", ("shallow",), 10**6), ("segpic", ("slices",), 10**6),
    ("segpic", ("deep_codes", 0), 10**7), ("segpic", ("hyper_down", 0, 0), 10**7), ("segpic", ("rate_points",), 10**8),
    ("segpic", ("hyper_down",), [[9, 1]] * 5000), ("mcm", ("vision", "depth"), 10**7),
    ("mcm", ("vision", "width"), 10**6),
    ("mcm", ("slices",), 10**6), ("mcm", ("latent",), 10**9), ("mcm", ("analysis",), [8] * 5000),
    ("roi", ("latent",), 10**7), ("roi", ("means",), 10**8), ("roi", ("level_widths", 0), 10**8),
    ("roi", ("components",), 10**8), ("roi", ("rate_points",), 10**9), ("roi", ("context_kernel",), 10**5 + 1),
]  # fmt: skip


@pytest.mark.parametrize(("family", "place", "value"), HUGE)
def test_a_small_file_that_asks_for_a_huge_model_costs_little(
    toys: dict[str, Contents], refused: Callable[..., str], family: str, place: tuple[Any, ...], value: Any
) -> None:
    tensors, metadata = toys[family]
    config = changed(json.loads(metadata["config"]), place, value)
    refused(tensors, metadata | {"config": json.dumps(config)})


def test_tables_that_no_tensor_pays_for_are_refused(toys: dict[str, Contents], refused: Callable[..., str]) -> None:
    """The window of an attention shows in no tensor, and its table of distances grows with its 4th power."""
    tensors, metadata = toys["mcm"]
    config = json.loads(metadata["config"])
    assert "window" in config["vision"]
    message = refused(tensors, metadata | {"config": json.dumps(changed(config, ("vision", "window"), 160))})
    assert "too large" in message or "expected" in message


WRONG = [0, -1, 10**6, 10**9, 2**63, 10**30, 1.5, float("nan"), float("inf"), None, True, "x", [], {}, [[1]], {"a": 1}]


def test_any_value_anywhere_in_a_configuration_is_read_or_refused(toys: dict[str, Contents], tmp_path: Path) -> None:
    draw, path, refusals = random.Random(5), tmp_path / "w.safetensors", 0
    for tensors, metadata in toys.values():
        config = json.loads(metadata["config"])
        for place, value in draw.sample([(place, value) for place in places(config) for value in WRONG], 40):
            save_file(tensors, path, metadata | {"config": json.dumps(changed(config, place, value))})
            start = time.process_time()
            try:
                store.read(path, 0)
            except UnsupportedFile:
                refusals += 1
            assert time.process_time() - start < 3
    assert refusals > 60


@pytest.mark.parametrize(
    "config", ["", "7", "null", "[]", "{", "[" * 20_000, '{"a": 1}', " " * 70_000, '{"vision": 7}']
)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_no_configuration_is_refused(
    toys: dict[str, Contents], refused: Callable[..., str], family: str, config: str
) -> None:
    tensors, metadata = toys[family]
    assert "damaged weights" in refused(tensors, metadata | {"config": config})


def spoil(tensors: dict[str, torch.Tensor], how: str) -> None:
    """Damage the tensors of a file."""
    net = next(name for name, value in tensors.items() if name.startswith("net.") and value.is_floating_point())
    lowest = next((name for name in tensors if name.endswith(".lowest")), "")
    match how:
        case "shape":
            tensors[net] = torch.zeros(3, 1, 4, 1, 5)
        case "integers":
            tensors[net] = torch.zeros_like(tensors[net], dtype=torch.int32)
        case "bool":
            tensors[net] = torch.zeros_like(tensors[net], dtype=torch.bool)
        case "nan":
            tensors[net] = torch.full_like(tensors[net], float("nan"))
        case "infinite":
            tensors[net].view(-1)[0] = float("inf")
        case "more":
            tensors["net.more"] = torch.zeros(1)
        case "less":
            del tensors[net]
        case "no tables":
            del tensors[lowest]
        case "tables for fewer channels":
            stem = lowest.removesuffix("lowest")
            kept = int(tensors[stem + "lengths"][:-1].sum())
            for part, size in (("lowest", -1), ("lengths", -1), ("counts", kept)):
                tensors[stem + part] = tensors[stem + part][:size].clone()
        case "tables of fractions":
            tensors[lowest] = tensors[lowest].float()
        case "tables in a square":
            tensors[lowest] = tensors[lowest][None].clone()
        case "empty tables":
            for part in ("lowest", "lengths", "counts"):
                tensors[lowest.removesuffix("lowest") + part] = torch.zeros(0, dtype=torch.int32)


SPOILT = ["shape", "integers", "bool", "nan", "infinite", "more", "less", "no tables", "tables for fewer channels"]
SPOILT += ["tables of fractions", "tables in a square", "empty tables"]


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("family", FAMILIES)
def test_tensors_that_are_not_the_models_are_refused(
    toys: dict[str, Contents], refused: Callable[..., str], family: str, how: str
) -> None:
    tensors, metadata = toys[family]
    tensors = {name: value.clone() for name, value in tensors.items()}
    if "tables" in how and not any(name.endswith(".lowest") for name in tensors):
        pytest.skip("this family has no factorised prior")
    spoil(tensors, how)
    assert "damaged weights" in refused(tensors, metadata)


def test_flipped_bytes_are_read_or_refused(toys: dict[str, Contents], tmp_path: Path) -> None:
    tensors, metadata = toys["roi"]
    path = tmp_path / "w.safetensors"
    save_file(tensors, path, metadata)
    whole, draw = path.read_bytes(), random.Random(3)
    header = int.from_bytes(whole[:8], "little") + 8
    for _ in range(120):
        at = draw.randrange(header)
        path.write_bytes(whole[:at] + bytes([draw.randrange(256)]) + whole[at + 1 :])
        try:
            store.read(path, 0)
        except RegioError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
def test_our_own_weights_pass_the_same_check(entry: Any) -> None:
    store.read(store.bundled(entry.name), 0)


def test_every_preset_can_be_built_on_the_meta_device_within_the_limits() -> None:
    for home in FAMILIES.values():
        kind = model_class(home)
        config = kind.config_class.preset("toy")
        skeleton.check(kind, config, kind(config).state_dict())
