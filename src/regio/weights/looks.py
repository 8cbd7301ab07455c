"""Looks: another synthesis for the latents of some weights, in a small file beside theirs.

    segpic-xs.safetensors            all that codes pictures; its fingerprint stands in their files
    segpic-xs.natural.safetensors    tensors of another synthesis, and that fingerprint

Files of pictures know nothing of looks: their bytes are the same, and whoever decodes one chooses.
"""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from regio.errors import MissingWeights, UnsupportedFile, UsageError, one_line, shown
from regio.models.base import Network
from regio.weights import store
from regio.weights.store import LAYOUT, Weights

FAITHFUL = "faithful"  # the synthesis of the weights themselves
LOOKS = (FAITHFUL, "natural")
SUFFIX = ".safetensors"


def path_of(weights: Path, look: str) -> Path:
    """The path of a look of a weights file: weights.natural.safetensors beside weights.safetensors."""
    return weights.with_name(f"{weights.name.removesuffix(SUFFIX)}.{look}{SUFFIX}")


def check(look: str) -> str:
    """The look itself; UsageError for one that there is not."""
    if look not in LOOKS:
        raise UsageError(f"there is no look {look!r}; choose {' or '.join(LOOKS)}")
    return look


def save(net: Network, path: Path, look: str, of: bytes, *, half: bool = False) -> None:
    """Write the synthesis of a network as a look of the weights with the fingerprint `of`."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in synthesis_of(net).items()}
    if half:
        tensors = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    save_file(tensors, path, {"layout": LAYOUT, "look": check(look), "of": of.hex()})
    path.chmod(0o644)


def synthesis_of(net: Network) -> dict[str, Tensor]:
    """The numbers of the parts that a look replaces, by their names in the network."""
    chosen = {id(part) for part in net.synthesis_parts()}
    homes = tuple(f"{name}." for name, part in net.named_modules() if id(part) in chosen)
    return {name: value for name, value in net.state_dict().items() if name.startswith(homes)}


def dressed(weights: Weights, look: str) -> Weights:
    """The same weights with the synthesis of a look, which lies beside their file.

    Raises UsageError for a look that there is not, MissingWeights where these weights do not have it, UnsupportedFile
    for a look that is damaged or of other weights.
    """
    if check(look) == weights.look:
        return weights
    plain = weights
    if weights.look != FAITHFUL:
        assert weights.path is not None
        plain = replace(store.read(weights.path, weights.number), name=weights.name)
    if look == FAITHFUL:
        return plain
    path = None if weights.path is None else path_of(weights.path, look)
    if path is None or not path.is_file():
        bundled = weights.path == store.bundled(weights.name)  # nobody puts a look beside those
        where = "" if path is None or bundled else f": there is no {shown(path)}"
        raise MissingWeights(f"the weights of {weights.name} have no look {look!r}{where}")
    net = deepcopy(plain.net)
    net.load_state_dict({**net.state_dict(), **_read(path, look, plain)})
    return replace(plain, net=net.eval().requires_grad_(False), look=look)


def _read(path: Path, look: str, weights: Weights) -> dict[str, Tensor]:
    """Tensors of a look in float32, checked against the weights that it is of."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - not a dict
            wanted = synthesis_of(weights.net)
            if (metadata.get("layout"), metadata.get("look")) != (LAYOUT, look):
                raise UnsupportedFile(f"{shown(path)}: not the look {look!r}, or of another release")
            if metadata.get("of") != weights.fingerprint.hex():
                raise UnsupportedFile(f"{shown(path)}: a look of other weights than {weights.name}")
            if shapes != {name: tuple(value.shape) for name, value in wanted.items()}:
                raise UnsupportedFile(f"{shown(path)}: its tensors are not those of the synthesis of {weights.name}")
            found = {name: file.get_tensor(name).to(value.dtype) for name, value in wanted.items()}
    except (UnsupportedFile, MemoryError):
        raise
    except Exception as error:  # safetensors and torch raise many kinds for a damaged file
        raise UnsupportedFile(f"{shown(path)}: not a safetensors file ({one_line(error)})") from error
    if not all(bool(value.isfinite().all()) for value in found.values()):
        raise UnsupportedFile(f"{shown(path)}: holds values that are not finite")
    return found
