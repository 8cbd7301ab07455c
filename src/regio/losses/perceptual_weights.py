"""Where the weights of perceptual networks come from: a folder, the cache, or their publishers; always checked.

Nothing is fetched unless a caller asks for a network without naming weights. What is fetched is written to the cache
only after its SHA-256 is right, and read without running code (`weights_only`).
"""

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from regio.durable import replacing
from regio.errors import MissingWeights

PUBLISHED = "https://download.pytorch.org/models/"
HEADS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/"
    "082bb24f84c091ea94de2867d34c4544f68e0963/lpips/weights/v0.1/"
)


@dataclass(frozen=True)
class WeightsFile:
    """One published file."""

    names: tuple[str, ...]
    """File names to look for; the first is the publisher's and the cache's."""
    url: str
    sha256: str
    """Of the publisher's file. A file of the first name must have it; under other names (a part of the file, stored
    again) the hash is reported instead."""


@dataclass(frozen=True)
class Backbone:
    """A classifier whose features are compared."""

    title: str
    features: WeightsFile
    heads: WeightsFile
    taps: dict[str, int] = field(repr=False)
    """Layer name -> number of the torchvision layer after which it is read."""
    lpips: tuple[str, ...]
    """The layers that LPIPS compares."""
    channels: tuple[int, ...]
    """Of these layers."""
    smallest: int
    """Shortest side of a picture that passes through all of them."""


def _features(name: str, file: str, sha256: str) -> WeightsFile:
    return WeightsFile((file, f"lpips_{name}_backbone.pth"), PUBLISHED + file, sha256)


def _heads(name: str, sha256: str) -> WeightsFile:
    return WeightsFile((f"lpips_{name}_lins.pth", f"{name}.pth"), f"{HEADS}{name}.pth", sha256)


_VGG = dict(  # noqa: C408 - two lines instead of thirteen
    relu1_1=1, relu1_2=3, relu2_1=6, relu2_2=8, relu3_1=11, relu3_2=13, relu3_3=15,
    relu4_1=18, relu4_2=20, relu4_3=22, relu5_1=25, relu5_2=27, relu5_3=29,
)  # fmt: skip
_FIRE = {"relu1": 1, "fire1": 3, "fire2": 4, "fire3": 6, "fire4": 7, "fire5": 9, "fire6": 10, "fire7": 11, "fire8": 12}

BACKBONES = {
    "squeeze": Backbone(
        title="SqueezeNet 1.1",
        features=_features(
            "squeeze",
            "squeezenet1_1-b8a52dc0.pth",
            "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
        ),
        heads=_heads("squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76"),
        taps=_FIRE,
        lpips=("relu1", "fire2", "fire4", "fire5", "fire6", "fire7", "fire8"),
        channels=(64, 128, 256, 384, 384, 512, 512),
        smallest=17,
    ),
    "alex": Backbone(
        title="AlexNet",
        features=_features(
            "alex", "alexnet-owt-7be5be79.pth", "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"
        ),
        heads=_heads("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"),
        taps={"relu1": 1, "relu2": 4, "relu3": 7, "relu4": 9, "relu5": 11},
        lpips=("relu1", "relu2", "relu3", "relu4", "relu5"),
        channels=(64, 192, 384, 256, 256),
        smallest=31,
    ),
    "vgg": Backbone(
        title="VGG-16",
        features=_features(
            "vgg", "vgg16-397923af.pth", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"
        ),
        heads=_heads("vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"),
        taps=_VGG,
        lpips=("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
        channels=(64, 128, 256, 512, 512),
        smallest=16,
    ),
}


DISTS = WeightsFile(
    ("dists_weights.pt", "weights.pt"),
    "https://raw.githubusercontent.com/dingkeyan93/DISTS/1267d8cb626c98706db3697422701c56a85ebf2e/"
    "DISTS_pytorch/weights.pt",
    "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
)


def cache_folder() -> Path:
    """The folder of fetched weights: $XDG_CACHE_HOME/regio, else ~/.cache/regio."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "regio"


def find(file: WeightsFile, where: str | Path | None) -> Path:
    """The file in a folder, or `where` itself if that is a file; without `where`, in the cache, fetched if need be.

    Raises MissingWeights, saying what to put where.
    """
    if where is None:
        return fetch(file)
    place = Path(where)
    if place.is_file():
        return place
    for name in file.names:
        if (place / name).is_file():
            return place / name
    raise MissingWeights(f"{place}: holds none of {', '.join(file.names)} (published at {file.url})")


def fetch(file: WeightsFile, *, timeout: float = 30) -> Path:
    """The file in the cache; fetched and checked if it is not there. `timeout` in seconds, of a silent connection.

    Raises MissingWeights if it cannot be fetched, or is not the file that was published.
    """
    target = cache_folder() / file.names[0]
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as part:
            digest = hashlib.sha256()
            with urllib.request.urlopen(file.url, timeout=timeout) as source, part.open("wb") as out:
                while block := source.read(1 << 20):
                    digest.update(block)
                    out.write(block)
            if digest.hexdigest() != file.sha256:
                raise MissingWeights(f"{file.url}: not the file expected (SHA-256 {digest.hexdigest()[:16]}…)")
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise MissingWeights(
            f"{file.url} cannot be fetched ({' '.join(str(reason).split())}); "
            f"put it into a folder and name that, or save it as {target}"
        ) from None
    return target


def read_state(path: Path, file: WeightsFile) -> tuple[str, dict[str, Tensor]]:
    """A weights file's SHA-256 and its tensors on the CPU.

    Raises MissingWeights if it is damaged, or has the published file's name and not its content.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if path.name == file.names[0] and digest != file.sha256:
        raise MissingWeights(f"{path}: not the published file (SHA-256 {digest[:16]}…, expected {file.sha256[:16]}…)")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            return digest, load(content)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # the unpickler passes on whatever rubbish makes it stumble over, with advice that is not ours
        raise MissingWeights(f"{path}: not a file of weights, or damaged, or it holds more than tensors") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MissingWeights(f"{path}: holds no table of tensors")
    return digest, dict(state)
