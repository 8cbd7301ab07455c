"""Weights files: safetensors that hold a model's numbers and its integer tables, and say how to build it."""

import hashlib
import json
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from regio import hub
from regio.entropy.tables import FactorizedTables
from regio.errors import MissingWeights, UnsupportedFile, UsageError, one_line, shown
from regio.models.base import Network
from regio.models.catalog import CATALOG, FAMILIES, by_name, model_class
from regio.weights import skeleton

LAYOUT = "1"  # of a weights file; raised when an older release could not read a new one
PLAIN_ACCESS = hub.Access()
_NET, _TABLES = "net.", "tables."


@dataclass(frozen=True)
class Weights:
    """A model ready to run, and what identifies it."""

    net: Network  # a model of the catalog, in evaluation mode, float32
    tables: dict[str, FactorizedTables]
    name: str
    fingerprint: bytes  # 16 bytes over configuration, numbers and tables
    number: int  # catalog id, 0 for weights that are not bundled
    path: Path | None = None  # the file that they come from
    look: str = "faithful"  # whose synthesis it is; see regio.weights.looks


def save(
    net: Network,
    path: Path,
    *,
    name: str | None = None,
    half: bool = False,
    tables: dict[str, FactorizedTables] | None = None,
) -> bytes:
    """Write a model with freshly made tables, or those that files were made with -> its fingerprint.

    half: store numbers in half precision. Tables are then those of the rounded numbers, which is what runs later.
    """
    family = family_of(net)
    state = {k: v.detach().cpu().contiguous() for k, v in net.state_dict().items()}
    if half:
        state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        rounded = type(net)(net.config)
        rounded.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        net = rounded
    tensors = {_NET + k: v for k, v in state.items()}
    made = {stream: prior.tables() for stream, prior in net.priors().items()} if tables is None else tables
    for stream, table in made.items():
        tensors |= {f"{_TABLES}{stream}.{k}": torch.from_numpy(v.copy()) for k, v in table.arrays().items()}
    config = json.dumps(net.config.as_dict(), sort_keys=True)
    metadata = {"layout": LAYOUT, "family": family, "config": config, "name": name or path.stem}
    save_file(tensors, path, metadata)
    path.chmod(0o644)  # safetensors leaves files to their owner alone; these are made to be passed on
    return fingerprint(config, tensors)


def family_of(net: Network) -> str:
    """The name of a model's family in weights files; UsageError for a class that FAMILIES does not list."""
    home = f"{type(net).__module__}:{type(net).__name__}"
    for family, known in FAMILIES.items():
        if known == home:
            return family
    raise UsageError(f"{home} is not one of the families in regio.models.catalog.FAMILIES")


def fingerprint(config: str, tensors: dict[str, Tensor]) -> bytes:
    """16 bytes that change with any number, table or field of the configuration."""
    digest = hashlib.sha256(config.encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.digest()[:16]


def load(name_or_path: str | Path) -> Weights:
    """Read weights by bundled name, path of a .safetensors file or of a folder with one, or hub id (owner/name)."""
    text = str(name_or_path)
    path = Path(name_or_path)
    if path.suffix == ".safetensors":
        return read(path, number=0)
    if any(entry.name == text for entry in CATALOG.values()):
        entry = by_name(text)
        weights = read(bundled(entry.name), number=entry.id)
        if weights.fingerprint.hex() != entry.fingerprint:
            raise MissingWeights(f"the installed weights of {text} are not those of this release; install Regio again")
        return weights
    if path.is_dir() or (text.count("/") == 1 and not path.exists()):
        return shared(name_or_path)
    if path.is_file():
        raise UnsupportedFile(f"{shown(path)} is not a weights file; their names end in .safetensors")
    by_name(text)  # raises, naming the bundled ones
    raise AssertionError("unreachable")


def bundled(name: str) -> Path:
    """The path of the weights of a catalog entry."""
    return Path(__file__).with_name(f"{name}.safetensors")


def shared(source: str | PathLike[str], access: hub.Access = PLAIN_ACCESS) -> Weights:
    """The weights of a hub id or a folder; those that are bundled, too, keep their number in the catalog."""
    folder = Path(source)
    home = folder if folder.is_dir() else hub.fetch(str(source), access)
    weights = read(home / hub.WEIGHTS, number=0)
    config = home / hub.CONFIG
    if config.is_file():
        try:
            claimed = json.loads(config.read_text(encoding="utf-8")).get("fingerprint")
        except (ValueError, AttributeError) as error:
            raise UnsupportedFile(f"{source}: {hub.CONFIG} is damaged") from error
        if claimed not in (None, weights.fingerprint.hex()):
            raise UnsupportedFile(f"{source}: {hub.CONFIG} and {hub.WEIGHTS} do not belong together; fetch both again")
    for number, entry in CATALOG.items():
        if entry.fingerprint == weights.fingerprint.hex():
            return replace(weights, number=number, name=entry.name)
    return weights


def read(path: Path, number: int) -> Weights:
    """Read a weights file; MissingWeights when there is none, UnsupportedFile when it is not one of ours."""
    if not path.is_file():
        raise MissingWeights(f"{path}: no such weights file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except MemoryError:
        raise
    except Exception as error:  # safetensors and torch raise many kinds for a damaged file
        raise UnsupportedFile(f"{shown(path)}: not a safetensors file ({one_line(error)})") from error
    if metadata.get("layout") != LAYOUT or metadata.get("family") not in FAMILIES:
        raise UnsupportedFile(
            f"{path}: not Regio weights, or written by another release (layout {metadata.get('layout')})"
        )
    try:
        return replace(_build(metadata, tensors, number), path=path)
    except MemoryError:
        raise
    except Exception as error:  # a foreign configuration may raise anything; whatever it is, the file is not usable
        raise UnsupportedFile(f"{shown(path)}: damaged weights ({one_line(error)[:200]})") from error


def _build(metadata: dict[str, str], tensors: dict[str, Tensor], number: int) -> Weights:
    kind = model_class(FAMILIES[metadata["family"]])
    if len(metadata["config"]) > skeleton.LONGEST_CONFIG:
        raise ValueError("the configuration is too long")
    config = kind.config_class.from_dict(json.loads(metadata["config"]))
    state = {k.removeprefix(_NET): v for k, v in tensors.items() if k.startswith(_NET)}
    if not number:  # bundled weights come with the program
        skeleton.check(kind, config, state)
    net = kind(config)
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    tables = {
        stream: FactorizedTables.from_arrays(
            {k: tensors[f"{_TABLES}{stream}.{k}"].numpy() for k in ("lowest", "lengths", "counts")}
        )
        for stream in net.priors()
    }
    for stream, prior in net.priors().items():
        if len(tables[stream].lengths) != prior.channels:
            raise ValueError(f"{stream} has tables for {len(tables[stream].lengths)} channels, not {prior.channels}")
    net.eval().requires_grad_(False)
    return Weights(net, tables, metadata.get("name", "custom"), fingerprint(metadata["config"], tensors), number)
