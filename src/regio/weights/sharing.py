"""Weights in the layout of the Hugging Face hub: saved into folders, pushed, read back.

    net = SegPIC.from_pretrained("owner/name")            a hub id, "owner/name@revision", or a folder
    net.save_pretrained("folder"); net.push_to_hub("owner/name")
    regio.load("owner/name"); regio.load("mine.safetensors").push_to_hub("owner/name")

    model.safetensors   the weights file, complete in itself
    config.json         what hub pages show; its fingerprint must be that of the weights
    README.md           the model card

The files are those of huggingface_hub's model mixin. Ours does not inherit from it: few users need that package.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from regio.entropy.tables import FactorizedTables
from regio.hub import CARD, CONFIG, WEIGHTS
from regio.models.base import Network
from regio.version import __version__
from regio.weights import store


def save(
    net: Network,
    folder: str | PathLike[str],
    *,
    tables: dict[str, FactorizedTables] | None = None,
    name: str | None = None,
    card: str | None = None,
    repository: str = "OWNER/NAME",
) -> Path:
    """See `Shareable.save_pretrained`. tables: of the weights that files were made with; default: made anew."""
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    known = name or home.resolve().name
    plain = type(net)(net.config)  # a codec's has parts in float64
    plain.load_state_dict(net.state_dict())
    halves = all(_fits_half(number) for number in plain.state_dict().values())
    fingerprint = store.save(plain.eval(), home / WEIGHTS, name=known, half=halves, tables=tables)
    about = {
        "library_name": "regio",
        "regio_version": __version__,
        "family": store.family_of(plain),
        "name": known,
        "fingerprint": fingerprint.hex(),
        "config": plain.config.as_dict(),
    }
    (home / CONFIG).write_text(json.dumps(about, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (home / CARD).write_text(_card(about, plain, card, repository), encoding="utf-8")
    return home


@contextmanager
def packed(
    net: Network, repository: str, *, tables: dict[str, FactorizedTables] | None, card: str | None
) -> Iterator[Path]:
    """A folder with what `push_to_hub` puts into a repository, until the end."""
    with tempfile.TemporaryDirectory(prefix="regio-") as folder:
        yield save(net, folder, tables=tables, name=repository.rpartition("/")[2], card=card, repository=repository)


def _fits_half(number: Tensor) -> bool:
    return not number.is_floating_point() or bool((number.half().float() == number).all())


def _card(about: dict[str, Any], net: Network, text: str | None, repository: str) -> str:
    """README.md: what the hub reads at its top, how to use the model, what it is."""
    numbers = sum(parameter.numel() for parameter in net.parameters())
    head = [
        "---",
        "library_name: regio",
        "pipeline_tag: image-to-image",
        "tags:",
        "- image-compression",
        "- learned-image-compression",
        f"- {about['family']}",
        "---",
        "",
        f"# {about['name']}",
        "",
        text.strip() if text else f"A codec of Regio's {about['family']} family.",
        "",
        "```python",
        "import regio",
        "",
        f'codec = regio.load("{repository}")',
        'data = codec.encode("photo.jpg", quality=60)',
        'codec.decode(data).save("photo.png")',
        "```",
        "",
        f"- {numbers / 1e6:.2f} million numbers",
        f"- fingerprint {about['fingerprint']}; files that it makes carry it and decode with these weights only",
        f"- saved by Regio {about['regio_version']}",
        "",
    ]
    return "\n".join(head)
